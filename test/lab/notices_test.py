#!/usr/bin/python3
"""Notices arrive: notices_test.py --bin DIR [--keep]

A real daemon on loopback moves a real service (two web servers, no agents, the fake Cloudflare);
its notices go to a real mail server with STARTTLS and a login, to the distribution's Alertmanager
and to robots that check signatures and answer with errors inside a 200. Then the daemon is killed
while an urgent notice waits, and the next one sends it.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from notice_servers import SECRETS, Alertmanager, FarSide, MailServer, free_port
from servers import LabError, Place, log_tail, wait_until

TOKEN = "cf-token-of-the-laboratory"
SITES = {"site-a": "127.0.0.2", "site-b": "127.0.0.3"}


class Trial:
    def __init__(self, binaries, keep):
        self.binaries, self.keep = pathlib.Path(binaries).resolve(), keep
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pm-notices-"))
        self.place = Place(self.folder)
        self.sites, self.daemon = {}, None

    def close(self):
        self.place.end_all()
        for one in ("mail", "bare_mail"):
            if hasattr(self, one):
                getattr(self, one).stop()
        if self.keep:
            print(f"  logs are kept in {self.folder}", flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start_servers(self):
        cert, key = self.folder / "mail.pem", self.folder / "mail.key"
        self.place.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=mail", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", cert])
        self.mail, self.bare_mail = MailServer(cert, key), MailServer(cert, key, login=False)
        self.far = FarSide()
        self.alerts = Alertmanager(self.place, free_port())
        cloud = subprocess.Popen(
            [self.binaries / "lab-cloud", "cloudflare", self.folder / "cloud.json", TOKEN,
             f"api.example.test={SITES['site-a']},proxied"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.cloud = cloud  # Ends with its standard input, so with us.
        self.cloud_url = cloud.stdout.readline().strip()
        self.port = free_port("127.0.0.2")
        for name in SITES:
            self.start_site(name)

    def start_site(self, name):
        self.sites[name] = self.place.spawn(name, [
            "/usr/bin/python3", "-m", "http.server", self.port, "--bind", SITES[name],
            "--directory", "/usr/share"])

    def channels(self):
        far, robots = self.far.url, []
        for kind, name, more in (
                ("wecom", "wecom", 'min_level = "urgent"'),
                ("dingtalk", "ding", 'language = "zh"'), ("feishu", "feishu", ""),
                ("dingtalk", "muted", 'fallback = "phone"'),
                ("sms", "phone", 'to = ["13800138000"]\nsign_name = "Ops"\ntemplate = "SMS_1"\n'
                 'min_level = "none"')):
            robots.append(f'[[notify]]\ntype = "{kind}"\nname = "{name}"\n'
                          f'endpoint = "{far}"\n{more}\n')
        mails = [f'[[notify]]\ntype = "email"\nname = "{name}"\nserver = "127.0.0.1:{port}"\n'
                 f'from = "pointsman@example.net"\nto = {json.dumps(to)}\nca = "mail.pem"\n{more}\n'
                 for name, port, to, more in (
                     ("mail", self.mail.port, ["admin@example.net", "nobody@example.net"],
                      'language = "zh"'),
                     ("bare-mail", self.bare_mail.port, ["admin@example.net"],
                      'fallback = "phone"'))]
        return "".join(robots + mails) + (
            f'[[notify]]\ntype = "webhook"\nname = "hook"\nurl = "{far}/hook"\n'
            f'[[notify]]\ntype = "alertmanager"\nname = "alerts"\nurl = "{self.alerts.url}"\n'
            f'[heartbeat]\nevery = "5s"\n')

    def configure(self):
        sites = "".join(f'[[service.site]]\nname = "{name}"\naddress = "{address}"\n'
                        for name, address in SITES.items())
        (self.folder / "pointsman.toml").write_text(
            f'[monitor]\nname = "monitor-1"\nstate_dir = "state"\n'
            f'control = "{self.folder}/control.sock"\n'
            f'credentials = "credentials.toml"\nlink = "https://monitor.example.net/"\n'
            f'[provider.cf]\ntype = "cloudflare"\nendpoint = "{self.cloud_url}"\n'
            f'[[service]]\nname = "im-api"\nhold_down = "1s"\n'
            f'[[service.record]]\nprovider = "cf"\nzone = "example.test"\n'
            f'name = "api.example.test"\ntype = "A"\n'
            f'[[service.probe]]\ntype = "tcp"\nport = {self.port}\n' + sites + self.channels())
        s = SECRETS
        sections = {
            "cf": {"api_token": TOKEN}, "wecom": {"key": s["wecom"]},
            "ding": {"access_token": s["ding token"], "secret": s["ding"]},
            "muted": {"access_token": "muted-token-of-the-lab", "secret": s["ding"]},
            "feishu": {"hook": s["feishu hook"], "secret": s["feishu"]},
            "phone": {"access_key_id": "LTAIlab", "access_key_secret": s["sms"]},
            "mail": {"username": "pointsman", "password": s["mail"]},
            "bare-mail": {"username": "pointsman", "password": s["mail"]},
            "hook": {"secret": s["hook"]},
            "heartbeat": {"url": f"{self.far.url}/beat/{s['beat']}"}}
        text = "".join(f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in keys.items())
                       for name, keys in sections.items())
        path = self.folder / "credentials.toml"
        path.write_text(text)
        path.chmod(0o600)
        (self.folder / "state").mkdir()

    def start_daemon(self):
        self.daemon = self.place.spawn("pointsmand", [
            self.binaries / "pointsmand", "--config", self.folder / "pointsman.toml"])

    def cli(self, *words):
        done = subprocess.run([self.binaries / "pointsman", *words, "--json", "--config",
                               self.folder / "pointsman.toml"], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout), done.stdout

    def log(self):
        return (self.folder / "pointsmand.log").read_text(errors="replace")

    # What must be so.

    def test_by_hand(self):
        """`notify test` and `check --online` tell which work; a dry run shows no secret."""
        self.far.script["muted"] = {"errcode": 130101, "errmsg": "send too fast"}
        code, answer, _ = self.cli("notify", "test")
        well = {one["channel"]: one["delivered"] for one in answer["tests"]}
        assert code == 1 and [name for name, ok in well.items() if not ok] == [
            "muted", "bare-mail"], answer
        assert "offers no login" in str(answer) and "no such user" in str(answer), answer
        mail = self.mail.mails[0]
        assert mail["tls"] and mail["login"] and "测试通知" in mail["subject"], mail
        assert not self.bare_mail.mails
        assert "PointsmanTest" in self.alerts.active()
        _, answer, _ = self.cli("check", "--online")
        found = {one["name"]: one for one in answer["online"] if one["name"].startswith("notices")}
        assert len(found) == 9, found
        failed = [name for name, one in found.items() if not one["ok"]]
        assert failed == ["notices bare-mail (email)"], found
        assert len(self.mail.mails) == 1, "a check sent a mail"
        code, answer, text = self.cli("notify", "test", "--dry-run")
        assert code == 0 and len(answer["tests"]) == 9
        assert not [what for what, secret in SECRETS.items() if secret in text], text
        assert len(self.mail.mails) == 1, "a dry run sent a mail"
        print("  by hand: receipts, the server without a login, and nothing shown", flush=True)

    def fail_over(self):
        try:
            wait_until("steady and ready", 30, lambda: self.phase() == "steady" and
                       set(self.shut()) <= {"witness"}, every=0.2)
        except LabError as error:
            raise LabError(f"{error}: {self.status()} {self.shut()}") from error
        self.far.got.clear()
        self.mail.mails.clear()
        self.far.script["feishu"] = [{"code": 11232, "msg": "frequency limited"}]
        self.sites["site-a"].kill()
        wait_until("the mail of the move", 60, lambda: self.mail.mails)
        mail = self.mail.mails[0]
        assert "im-api" in mail["subject"] and "故障切换" in mail["subject"], mail
        for part in ("site-a 切换到 site-b", "https://monitor.example.net/", "开始："):
            assert part in mail["text"], mail
        wait_until("the webhook", 20, lambda: self.far.texts("hook"))
        assert "failover to site-b: done" in self.far.texts("hook")[0], self.far.texts("hook")
        notice = json.loads(self.far.got["hook"][0][2])["notices"][0]
        assert notice["facts"]["outcome"] == "done" and notice["facts"]["from"] == "site-a", notice
        wait_until("DingTalk", 20, lambda: self.far.texts("ding"))
        assert self.far.texts("ding")[0].startswith("【警告】im-api："), self.far.texts("ding")
        # The one that is muted and the one without a login have the same fallback: told once.
        wait_until("the phone instead", 20, lambda: self.far.texts("phone") or
                   self.far.texts("sms"))
        wait_until("Alertmanager", 20, lambda: "PointsmanMoveEnded" in self.alerts.active())
        wait_until("Feishu, asked again", 40, lambda: len(self.far.texts("feishu")) > 1)
        wait_until("a heartbeat", 20, lambda: self.far.got.get("beat"))
        assert len([t for t in self.far.texts("sms") if "failover" in t]) == 1
        assert not self.far.texts("wecom"), "a warning went to a channel of urgent ones"
        assert not self.bare_mail.mails, "a mail left without the login that was set"
        print("  a failover: everyone is told, the fallback for two that cannot", flush=True)

    def refuse_and_crash(self):
        """Both sites down: urgent, and one robot is out while the daemon is killed."""
        self.far.script["wecom"] = {"errcode": -1, "errmsg": "system busy"}
        self.sites["site-b"].kill()
        wait_until("firing", 60, lambda: "PointsmanMoveRefused" in self.alerts.active(), every=0.2)
        assert self.alerts.active()["PointsmanMoveRefused"]["severity"] == "critical"
        wait_until("an attempt at the robot", 20, lambda: self.far.texts("wecom"))
        wait_until("it is kept", 20, lambda: "move-refused" in self.kept_rules())
        os.kill(self.daemon.pid, signal.SIGKILL)
        wait_until("the daemon is gone", 10, lambda: not self.daemon.alive())
        self.far.script.pop("wecom")
        before = len(self.far.texts("wecom"))
        self.start_daemon()
        wait_until("the robot gets it from the next run", 40,
                   lambda: len(self.far.texts("wecom")) > before)
        last = self.far.texts("wecom")[-1]
        assert "the primary is down, and nothing moves" in last, last
        wait_until("no more is kept", 20, lambda: "move-refused" not in self.kept_rules())
        self.start_site("site-b")
        wait_until("resolved", 60, lambda: "PointsmanMoveRefused" not in self.alerts.active(),
                   every=0.2)
        wait_until("and told to be over", 30, lambda: any(
            "over: the primary is down" in text for text in self.far.texts("wecom")))
        print("  kept across a crash; fired, resolved, told to be over", flush=True)

    def judge_secrets(self):
        files = {"the log": self.log(), "notices.json": self.kept()}
        for where, text in files.items():
            found = [what for what, secret in SECRETS.items() if secret in text]
            assert not found, f"{found} in {where}"
        assert not self.far.wrong, self.far.wrong
        for event in ("notice-delivered", "notice-handed-over", "channel-silent",
                      "notice-not-taken", "notices-recalled"):
            assert f"{event} " in self.log(), f"{event} is not in the log"

    def kept(self):
        path = self.folder / "state/notices.json"
        return path.read_text() if path.exists() else ""

    def kept_rules(self):
        return [one["rule"] for one in json.loads(self.kept() or "{}").get("kept", [])]

    def status(self):
        try:
            _, answer, _ = self.cli("status", "im-api")
            return answer["services"][0]
        except (AssertionError, KeyError, IndexError):
            return {}

    def phase(self):
        return self.status().get("phase")

    def shut(self):
        _, answer, _ = self.cli("explain", "im-api")
        return [gate["name"] for gate in answer.get("gates", [{"name": "?", "open": False}])
                if not gate["open"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    trial = Trial(options.bin, options.keep)
    try:
        trial.start_servers()
        trial.configure()
        trial.test_by_hand()
        trial.start_daemon()
        trial.fail_over()
        trial.refuse_and_crash()
        trial.judge_secrets()
    except BaseException:
        trial.keep = True
        print(log_tail(trial.place, "pointsmand", 40), file=sys.stderr)
        raise
    finally:
        trial.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
