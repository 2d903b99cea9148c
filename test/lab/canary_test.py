#!/usr/bin/python3
"""No secret is ever told: canary_test.py --bin DIR [--keep]

Canaries stand in the credentials of every type of provider, of notices, tokens and stores. The
daemon says all it can (--debug) through pre-flights, a dry run, a failover, wrong keys, and a far
side that repeats what it is sent. Then logs, state, journal, what every command prints, command
lines and environments are searched, in every spelling; and nothing leaves a core file.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from canaries import Corpus, Watch, canary, spellings
from estate import Estate
from lab import Lab, now, wait_until
from providers_test import ONE_EACH
from servers import ROOT

ECHO_PORT = 8446
NOTICE = """
[[notify]]
type = "email"
name = "ops-mail"
server = "127.0.0.1:2525"
from = "pointsman@example.net"
to = ["admin@example.net"]
[[notify]]
type = "dingtalk"
name = "ops-chat"
endpoint = "http://127.0.0.1:2526"
"""
VIEWS = [["status"], ["status", "im-api"], ["explain", "im-api"], ["history"],
         ["history", "im-api", "--verify"], ["check"], ["check", "--online"],
         ["failover", "im-api", "--dry-run"], ["notify", "test"], ["notify", "test", "--dry-run"]]
EXEC_ECHO = """#!/usr/bin/python3 -I
import json, sys
sys.path.insert(0, {folder!r})
from canaries import spellings
asked = json.load(sys.stdin)
words = "; ".join(text for one in asked["credentials"].values() for text in spellings(one).values())
print(words, file=sys.stderr)
json.dump({{"version": 1, "error": "refused", "message": words}}, sys.stdout)
"""


class Trial:
    def __init__(self, lab):
        self.lab, self.corpus = lab, Corpus()
        self.secrets = {
            "the token of cloudflare": canary("cf-{}"),
            "the secret of aliyun": canary("ali-{}"), "the STS token": canary("CAIS/{}=="),
            "the token of the webhook": canary("web-{}"), "the token of exec": canary('ex"\\ {}'),
            "the password of notices": canary(), "a robot's secret": canary("SEC{}"),
            "a robot's token": canary(), "the operator's token": canary("operator-{}"),
            "the viewer's token": canary("viewer-{}")}
        cf, secret, sts, web, own, _, _, _, operator, viewer = self.secrets.values()
        lab.web = {"listen": "127.0.0.1:8780"}
        lab.tokens = {"operator": operator, "viewer": viewer}
        self.estate = Estate(lab, ONE_EACH, {
            "cloudflare": cf, "aliyun": f"STS.canary:{secret}:{sts}", "webhook": web, "exec": own})
        for kind, server in {"bind": lab.bind, **self.estate.dns}.items():
            self.secrets[f"the TSIG secret at {kind}"] = server.secret
        self.secrets["a store's password"] = "pointsman-secret"

    def prepare(self):
        lab = self.lab
        lab.start_sites()
        self.estate.start()
        lab.configure()
        folder = lab.monitor.folder
        for name, text in (("pointsman.toml", NOTICE), ("credentials.toml", "[ops-mail]\n"
                           'username = "pointsman"\npassword = ' +
                           json.dumps(self.secrets["the password of notices"]) +
                           '\n[ops-chat]\nsecret = ' + json.dumps(self.secrets["a robot's secret"])
                           + "\naccess_token = " + json.dumps(self.secrets["a robot's token"]))):
            with open(folder / name, "a", encoding="utf-8") as file:
                file.write(text + "\n")
        for name in ("monitor", "site-a", "site-b"):
            key = (lab.folder / "certs" / f"{name}.key").read_text().splitlines()[1]
            self.secrets[f"the key of {name}"] = key
        self.watch = Watch(self.corpus, [lab.net.netns(h) for h in ("monitor", "site-a", "site-b")])
        self.watch.start()
        lab.start_pointsman(daemon=False)
        lab.start_daemon(debug=True)
        lab.wait_steady()
        self.estate.wait_preflights()
        lab.wait_ready_to_move()

    def look(self, stage, views=None):
        """Everything that an operator can be shown, as text and as JSON."""
        lab = self.lab
        for words in views or VIEWS:
            for more in ([], ["--json"]):
                argv = [lab.binaries / "pointsman", *words, *more, "--config",
                        lab.monitor.folder / "pointsman.toml"]
                done = subprocess.run(lab.monitor.argv(argv), capture_output=True, timeout=60,
                                      check=False)
                self.corpus.add(f"{stage}: pointsman {' '.join(words + more)}",
                                done.stdout + done.stderr)
        for path in ("services", "services/im-api", "services/im-api/explain", "history"):
            said = lab.monitor.run(
                ["curl", "-s", "-m", "5", "--config", "-"],
                f'url = "http://127.0.0.1:8780/api/v1/{path}"\n'
                f"header = {json.dumps('Authorization: Bearer ' + lab.tokens['viewer'])}\n")
            assert said.startswith(("{", "[")), said
            self.corpus.add(f"{stage}: GET {path}", said)
        control = str(lab.monitor.folder / "control.sock")
        for place, at in ((lab.monitor, ["--unix-socket", control, "http://control/metrics"]),
                          (lab.a.place, [f"http://{lab.a.address}:9780/metrics"])):
            said = place.run(["curl", "-s", "-m", "5", *at])
            assert "pointsman_build_info" in said, said
            self.corpus.add(f"{stage}: GET {at[-1]}", said)

    def rewrite(self, name, changes):
        path = self.lab.monitor.folder / name
        text = path.read_text()
        for found, wanted in changes:
            assert found in text, f"{found} is not in {name}"
            text = text.replace(found, wanted)
        path.write_text(text)

    def wrong_keys(self):
        """Other canaries in all places: each refusal is told, no key is."""
        file = self.lab.monitor.folder / "credentials.toml"
        sound, others = file.read_text(), {}
        for what, secret in self.secrets.items():
            if json.dumps(secret) in sound and not what.startswith(("the operator", "the viewer")):
                other = (base64.b64encode(os.urandom(32)).decode() if "TSIG" in what
                         else canary("wrong-{}"))
                others[f"a wrong one for {what}"] = other
                self.rewrite("credentials.toml", [(json.dumps(secret), json.dumps(other))])
        self.secrets |= others
        before = len(self.estate.log())
        self.lab.daemon.send(signal.SIGHUP)
        # The webhook provider of the manual asks for no token.
        records = [k + 1 for k, record in enumerate(self.lab.records)
                   if record["provider"] != "edge"]
        wait_until("pre-flights fail for wrong keys", 30, lambda: all(
            f"preflight-failed service=im-api record={k} " in self.estate.log()[before:]
            for k in records), every=0.2)
        self.look("wrong keys")
        file.write_text(sound)

    def echoes(self):
        """The right keys, sent to a far side that repeats them."""
        cloud = self.estate.accounts["cloudflare"]
        self.lab.place("dns").spawn("echo", [
            "/usr/bin/python3", ROOT / "test/lab/echo_server.py", cloud.address, ECHO_PORT,
            cloud.cert, cloud.cert.with_name("cloud.key")])
        own = self.estate.accounts["exec"].program
        own.write_text(EXEC_ECHO.format(folder=str(ROOT / "test/lab")))
        echo = f"https://{cloud.address}:{ECHO_PORT}"
        self.rewrite("pointsman.toml", [
            (cloud.url(), echo + "/client/v4"),
            (self.estate.accounts["aliyun"].url(), echo),
            ('"http://127.0.0.1:8888"', f'"{echo}"\nca_file = "{cloud.cert}"')])
        self.lab.daemon.send(signal.SIGHUP)
        before = len(self.estate.log())
        names = ("cf", "ali", "slb", "edge", "own")
        wait_until("every provider met the echo", 30, lambda: all(
            f"provider {name}" in self.estate.log()[before:] for name in names), every=0.2)
        for _ in range(3):
            self.look("echo", [["check", "--online"], ["explain", "im-api"],
                               ["failover", "im-api", "--dry-run"]])

    def fail_over(self):
        self.lab.a.kill_http()
        self.lab.wait_steady("site-b", within=30)
        time.sleep(1)

    def no_core_files(self):
        """Killed by a signal that dumps, our programs leave nothing; another program does."""
        lab, wrong = self.lab, []
        for process, place in ((lab.daemon, lab.monitor), (lab.a.agent, lab.a.place)):
            limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
            if not re.search(r"Max core file size +0 +0 ", limits):
                wrong.append(f"{process.name} may leave core files: RLIMIT_CORE")
            process.stop(within=5, number=signal.SIGABRT)
            wrong += [f"{process.name} left {found}" for found in place.folder.rglob("core*")]
        other = lab.monitor.spawn("other", ["/bin/bash", "-c",
                                            "ulimit -c unlimited; kill -ABRT $$"])
        wait_until("the other program has ended", 5, lambda: not other.alive())
        left = list(lab.monitor.folder.glob("core*"))
        print(f"  another program, killed alike, leaves {[p.name for p in left] or 'nothing here'}")
        for path in left:
            path.unlink()
        return wrong

    def search(self):
        lab = self.lab
        self.watch.stop()
        self.corpus.add_files(lab.monitor.folder, without=("credentials.toml", "records.json"))
        for site in lab.sites.values():
            self.corpus.add_files(site.place.folder / "agent",
                                  without=("mysql.password", "repl.password",
                                           "seed.password"))
            self.corpus.add("agent.log", (site.place.folder / "agent.log").read_bytes())
        names = {pathlib.Path(where).name for where, _ in self.corpus.texts}
        missing = {"pointsman.db", "pointsmand.log", "agent.log", "im-api.json"} - names
        print(f"  searched {len(self.corpus.texts)} texts, {self.corpus.bytes >> 10} KiB, for "
              f"{len(self.secrets)} secrets")
        return [f"{name} was not there to search" for name in missing] + \
            self.corpus.leaks(self.secrets)


def self_test():
    """The search finds what it must."""
    corpus, secret = Corpus(), canary()
    for text in spellings(secret).values():
        corpus.texts = [("here", b"before " + text.encode() + b" after")]
        assert corpus.leaks({"it": secret}), text
    corpus.texts = [("here", b"nothing")]
    assert not corpus.leaks({"it": secret})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    Lab.keep_all = options.keep
    self_test()
    wrong = []
    began = now()
    with Lab(options.bin) as lab:
        trial = Trial(lab)
        try:
            trial.prepare()
            trial.look("steady")
            trial.fail_over()
            trial.look("moved")
            trial.wrong_keys()
            trial.echoes()
            wrong += trial.no_core_files()
        finally:
            trial.estate.stop()
        wrong += trial.search()
        lab.keep = lab.keep or bool(wrong)
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    print(f"  took {now() - began:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
