#!/usr/bin/python3
"""Two agents as real processes, with real stores and packet filters, and a monitor by hand.

    agent_test.py --bin build/debug/bin [--keep]
"""

import argparse
import signal
import statistics
import subprocess
import sys
import time

import lab_config
from hand import Hand, reign_of
from lab import Lab, now, wait_until


def openssl_certificates(lab):
    """A CA and identities, by openssl alone: the agent's side of the contract of `certs`."""
    folder = lab.folder / "certs"
    folder.mkdir()

    def run(*argv):
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True, cwd=folder)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=lab CA")
    for name in ("monitor", "site-a", "site-b", "stranger"):
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}\n")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")
        (folder / f"{name}.key").chmod(0o600)
    return folder


class Trial:
    """The pair in hand; each step checks itself and is told with its time."""

    def __init__(self, lab):
        self.lab = lab
        self.certs = openssl_certificates(lab)
        for site, peer in ((lab.a, lab.b), (lab.b, lab.a)):
            lab_config.write_agent(lab, site, peer, self.certs)
        lab.a.place.run([lab.a.place.folder / "agent" / "worker", "start"])
        self.hand = Hand(lab, self.certs)
        self.opened = {}

    def tell(self, text):
        print(f"{now() - self.began:7.2f} {text}", flush=True)

    def report(self, site):
        return self.hand.reports.get(site, {})

    def read_only(self, site):
        return site.mysql.sql("SELECT @@read_only", check=False).strip() == "1"

    def expect(self, what, holds):
        if not holds:
            for name, report in self.hand.reports.items():
                print(f"{name}: {report}")
            raise AssertionError(what)
        self.tell(what)

    def soon(self, what, ask, within=8.0):
        began = now()
        try:
            wait_until(what, within, ask, every=0.02)
        except Exception:
            for name, report in self.hand.reports.items():
                print(f"{name}: {report}")
            raise
        self.tell(f"{what} ({now() - began:.2f} s)")

    def reaches(self, site, port=3306):
        """Whether a stranger from outside gets through to a port of the site."""
        done = subprocess.run(self.lab.client.argv(
            ["timeout", "0.4", "bash", "-c", f"exec 3<>/dev/tcp/{site.address}/{port}"]),
            capture_output=True, check=False)
        return done.returncode == 0

    def writes(self, site):
        """Whether a plain user's write from outside is acknowledged."""
        done = subprocess.run(self.lab.client.argv(
            ["mariadb", "--no-defaults", "-uapp", "-papp", f"-h{site.address}",
             "--connect-timeout=1", "-e", "INSERT INTO app.ready VALUES (1)"]),
            capture_output=True, check=False)
        return done.returncode == 0

    # The steps.

    def untouched(self):
        before = self.lab.snapshot()
        for site in self.lab.sites.values():
            site.start_agent()
        self.began = now()
        self.hand.start()
        self.soon("both agents answer", lambda: len(self.hand.reports) == 2)
        time.sleep(1.5)
        self.expect("an agent that never reigned touches nothing", self.lab.snapshot() == before)
        self.expect("the kernel's switch is seen and not made",
                    self.report("site-a")["deadman_available"]
                    and "pointsman" not in self.lab.a.place.run(["nft", "list", "ruleset"]))

    def strangers(self):
        stranger = Hand(self.lab, self.certs, name="stranger")
        status, answer = stranger.poll("site-a")
        self.expect(f"a stranger of the same CA is refused: {answer.get('detail')}", status == 403)
        stranger.name = "monitor"
        status, answer = stranger.poll("site-a")
        self.expect(f"so is one who says he is the monitor: {answer.get('detail')}", status == 403)
        self.hand.doors["site-a"].ask("POST", "/v1/order", {"verb": "run"})
        status, answer, _ = self.hand.doors["site-a"].ask("POST", "/v1/order", {"verb": "run"})
        self.expect(f"no order of ours is a 400: {answer.get('detail')}", status == 400)
        status, answer, _ = stranger.doors["site-a"].ask("GET", "/v1/version")
        self.expect(f"anyone of the CA may ask the version: {answer}", answer["site"] == "site-a")

    def adopt(self):
        reply = self.hand.order("site-a", "adopt", 1, "site-a")
        self.expect(f"site-a adopted: {reply['reason']}", reply["accepted"])
        self.hand.vouching["site-a"] = reign_of(1)
        reply = self.hand.order("site-b", "adopt", 1, "site-a")
        self.expect(f"site-b adopted: {reply['reason']}", reply["accepted"])
        self.soon("site-a is open under its lease and the kernel's",
                  lambda: self.report("site-a")["promoted"] == "1"
                  and self.report("site-a")["deadman_armed"])
        self.expect("and writable", self.writes(self.lab.a))
        self.soon("site-b has caught up by position",
                  lambda: self.report("site-b").get("caught_up_age_ms", 9999) < 1500)
        self.soon("site-b sees site-a up itself", lambda: any(
            w["site"] == "site-a" and w["last"] == "pass"
            for w in self.report("site-b")["witness"]))

    def monitor_away(self):
        self.hand.polling = {site: False for site in self.hand.polling}
        for _ in range(10):
            time.sleep(0.6)
            if not self.writes(self.lab.a):
                raise AssertionError("closed although site-b vouches")
        self.hand.polling = {site: True for site in self.hand.polling}
        self.tell("6 s without a monitor: site-b vouched, site-a stayed open")
        time.sleep(1)

    def upgrade(self, site):
        """The agent is restarted while a client writes."""
        failed, count = 0, 0
        site.agent.stop()
        site.start_agent()
        end = now() + 4
        while now() < end:
            count += 1
            failed += not self.writes(site)
        self.expect(f"{site.name}'s agent restarted: {failed} of {count} writes failed",
                    failed == 0)
        self.soon("and it holds its lease anew",
                  lambda: self.report(site.name)["lease_rest_ms"] > 2000)

    def fail_over(self):
        """site-a is cut off; site-b waits out its promise and opens."""
        reply = self.hand.order("site-b", "prepare", 2, "site-b", automatic=True)
        self.expect(f"no automatic move while site-b sees site-a up: {reply['reason']}",
                    not reply["accepted"])
        self.lab.net.cut_site("site-a")
        self.hand.vouching.pop("site-a")
        began = now()
        self.soon("site-a closes by itself", lambda: self.read_only(self.lab.a), within=5)
        closed = now() - began
        self.soon("site-b accepts prepare", lambda: self.hand.order(
            "site-b", "prepare", 2, "site-b", automatic=True)["accepted"])
        reasons = set()

        def promoted():
            reply = self.hand.order("site-b", "promote", 2, "site-b")
            reasons.add(reply["reason"][:20])
            return reply["accepted"]
        self.soon(f"site-b accepts promote", promoted)
        waited = now() - began
        self.expect(f"closed after {closed:.1f} s, promoted after {waited:.1f} s: {reasons}",
                    closed < waited)
        self.expect("still closed: no vouch yet", not self.writes(self.lab.b))
        self.hand.vouching["site-b"] = reign_of(2)
        self.soon("site-b opens with the first vouch", lambda: not self.read_only(self.lab.b))
        self.soon("and takes writes", lambda: self.writes(self.lab.b))
        self.soon("its promotion is read back", lambda: self.report("site-b")["promoted"] == "2")
        self.soon("and its unit runs", lambda: any(
            u["name"] == "worker" and u["active"] for u in self.report("site-b")["units"]))

    def come_back(self):
        """The old site returns, is fenced, and follows."""
        self.lab.net.restore()
        self.soon("site-a answers again", lambda: self.hand.poll("site-a")[0] == 200)
        self.soon("site-a acknowledged its fence", lambda: self.hand.order(
            "site-a", "fence", 2, "site-b")["report"]["fenced"] == "2")
        self.expect("read-only still", self.read_only(self.lab.a))
        reply = self.hand.order("site-a", "follow", 2, "site-b")
        self.expect(f"follow: {reply['reason']}", reply["accepted"])
        self.soon("site-a's stores follow site-b's", lambda: all(
            s["replica"] and s["receiver_running"] for s in self.report("site-a")["stores"]))
        self.soon("site-a has caught up by position",
                  lambda: self.report("site-a").get("caught_up_age_ms", 9999) < 1500)

    def frozen(self):
        """The agent in power is frozen: the kernel closes, and thawing revives nothing."""
        self.hand.polling["site-b"] = False
        self.lab.b.agent.send(signal.SIGSTOP)
        began = now()
        self.soon("ports of site-b close in the kernel",
                  lambda: not self.reaches(self.lab.b) and not self.reaches(self.lab.b, 8080),
                  within=5)
        self.expect(f"within the lease ({now() - began:.1f} s)", now() - began < 4.5)
        self.lab.b.agent.send(signal.SIGCONT)
        self.soon("and after thawing a vouch opens again", self.opens_after_thaw, within=8)

    def opens_after_thaw(self):
        self.hand.polling["site-b"] = True
        return self.writes(self.lab.b)

    def killed(self):
        """The agent in power is killed and comes back after its lease."""
        self.hand.polling["site-b"] = False
        self.lab.b.agent.kill()
        self.soon("killed agent: the kernel closes", lambda: not self.reaches(self.lab.b), within=5)
        self.lab.b.start_agent()
        self.soon("the new agent closes the stores first", lambda: self.read_only(self.lab.b))
        self.hand.polling["site-b"] = True
        self.soon("and opens with a vouch", lambda: self.writes(self.lab.b))

    def hung_store(self):
        """MariaDB hangs; the fence is acknowledged by ports and units."""
        self.lab.b.mysql.process.send(signal.SIGSTOP)
        began = now()
        reply = self.hand.order("site-b", "fence", 3, "site-a")
        self.expect(f"fence with a hung store accepted: {reply['reason']}", reply["accepted"])
        self.hand.vouching.pop("site-b")
        self.soon("and acknowledged: ports closed, units stopped",
                  lambda: self.report("site-b")["fenced"] == "3", within=10)
        reply = self.hand.order("site-a", "prepare", 3, "site-a", replication_forced=True)
        self.expect(f"site-a prepares: {reply['reason']}", reply["accepted"])
        reply = self.hand.order("site-a", "promote", 3, "site-a", old_fenced=True)
        self.expect(f"site-a promotes at once: {reply['reason']}", reply["accepted"])
        self.hand.vouching["site-a"] = reign_of(3)
        self.soon("site-a opens", lambda: not self.read_only(self.lab.a))
        self.soon("and takes writes", lambda: self.writes(self.lab.a))
        self.lab.b.mysql.process.send(signal.SIGCONT)
        self.soon("site-b's MariaDB is made read-only when it wakes",
                  lambda: self.read_only(self.lab.b))
        self.tell(f"from hang to writes at the other site: {now() - began:.1f} s")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin", required=True)
    arguments.add_argument("--keep", action="store_true")
    options = arguments.parse_args()
    Lab.keep_all = options.keep
    with Lab(options.bin) as lab:
        lab.start_sites()
        trial = Trial(lab)
        for step in (trial.untouched, trial.strangers, trial.adopt, trial.monitor_away,
                     lambda: trial.upgrade(lab.a), trial.fail_over, trial.come_back, trial.frozen,
                     trial.killed, trial.hung_store):
            step()
        took = sorted(trial.hand.took)
        print(f"{len(took)} polls answered within {statistics.median(took) * 1000:.1f} ms "
              f"(median), {took[int(len(took) * 0.99)] * 1000:.1f} ms (99 %)")
        trial.hand.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
