#!/usr/bin/python3
"""Hostile clients against a live laboratory: hostile_test.py --bin DIR [--keep] [PART...]

The daemon's web door and control socket and an agent's TLS and control socket are attacked while
the service is in power; answers, memory, threads and descriptors, good clients and the state of
everything are looked at.
"""

import argparse
import json
import subprocess
import sys
import time

import attacks
import hostile_words
import lab_config
from doors import TOKENS, Doors
from lab import Lab, now

STAYS = ("phase", "held", "epoch", "primary", "published")


class Trial:
    def __init__(self, lab):
        self.lab, self.wrong, self.notes = lab, [], []
        lab.web, lab.tokens = {"listen": "127.0.0.1:8780"}, TOKENS
        lab.start_sites()
        lab.configure()
        self.certs = lab.folder / "certs"
        more_certificates(lab, self.certs)
        lab.start_pointsman()
        lab.wait_steady()
        lab.wait_ready_to_move()
        self.doors = Doors(lab, self.certs)

    def tell(self, note):
        self.notes.append(note)
        print(f"  {note}", flush=True)

    def state(self):
        """All that an attack could have changed, besides counters of the living."""
        _, history = self.lab.cli("history", "--limit", "1000")
        seen = self.lab.snapshot() | {"journal": json.dumps(history)}
        seen |= {key: self.lab.status().get(key) for key in STAYS}
        for site in self.lab.sites.values():
            record = json.loads((site.place.folder / "agent/state/im-api.json").read_text())
            seen[f"{site.name} record"] = {key: value for key, value in record.items()
                                           if not key.startswith(("monitor_counter", "widest"))}
        return seen

    def targets(self):
        return [self.doors.web(), self.doors.control(), self.doors.agent(self.lab.a),
                self.doors.agent_control(self.lab.a)]

    def bytes_and_framing(self):
        for target in self.targets():
            began, vitals = now(), attacks.Vitals(target.process)
            for table in (attacks.floods, attacks.framings, attacks.paths):
                self.wrong += attacks.attack(target, table(target))
            wrong, note = vitals.judge(target.name)
            self.wrong += wrong
            self.tell(f"{note} ({now() - began:.0f} s of floods, framings and paths)")

    def slow_clients(self):
        for target in self.targets():
            vitals = attacks.Vitals(target.process)
            wrong, note = attacks.dribbles(target)
            self.wrong += wrong
            self.tell(note)
            wrong, note = vitals.judge(target.name)
            self.wrong += wrong
            self.tell(note)
        self.half_handshakes()

    def half_handshakes(self):
        """80 connections to the agent that never finish TLS."""
        bare = self.doors.agent(self.lab.a)
        full = self.doors.agent(self.lab.a)
        bare.dial = lambda source: self.doors.agent_bare(self.lab.a, source)
        with attacks.Dribble(bare, 80, b"\x16\x03\x01\x02\x00\x01", b"\x00"):
            time.sleep(1)
            for _ in range(30):
                if full.good() is None:
                    self.wrong.append("agent: half handshakes keep a good client out")
                    break
                time.sleep(0.1)

    def words(self):
        self.wrong += hostile_words.judge_json(self.doors)
        self.wrong += hostile_words.judge_tokens(self.doors)
        self.wrong += hostile_words.judge_hosts(self.doors)
        self.wrong += hostile_words.judge_guessing(self.doors)

    def certificates(self):
        self.wrong += hostile_words.judge_certificates(self.doors)

    def run(self, parts):
        before = self.state()
        for name in parts:
            began = now()
            getattr(self, name)()
            print(f"{name}: {now() - began:.0f} s, {len(self.wrong)} wrong so far", flush=True)
        after = self.state()
        for key, value in before.items():
            if after[key] != value:
                self.wrong.append(f"{key} changed: {str(value)[:300]} became "
                                  f"{str(after[key])[:300]}")
        for site in self.lab.sites.values():
            if "lease-ended" in (site.place.folder / "agent.log").read_text():
                self.wrong.append(f"{site.name}: a lease ended under attack")
        secrets = [*TOKENS.values(), self.lab.bind.secret]
        for log in (self.lab.monitor.folder / "pointsmand.log", self.lab.a.place.folder /
                    "agent.log"):
            text = log.read_text(errors="replace")
            self.wrong += [f"{log.name} shows a secret" for one in secrets if one in text]
            if len(text) > 4 * attacks.MB:
                self.wrong.append(f"{log.name} grew to {len(text)} bytes")


def more_certificates(lab, folder):
    """A stranger of the same CA, a monitor of another, one whose time is over, one to come."""
    tool = lab.binaries / "pointsman"
    lab.monitor.run([tool, "certs", "issue", "stranger", "--dir", folder])
    other = folder / "other"
    other.mkdir()
    lab.monitor.run([tool, "certs", "init", "--dir", other])
    lab.monitor.run([tool, "certs", "issue", "monitor", "--dir", other])
    for name, when in (("expired", "-10d"), ("early", "+10d")):
        def run(*argv):
            subprocess.run(["faketime", "-f", when, "openssl", *map(str, argv)], check=True,
                           capture_output=True, cwd=folder)
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text("subjectAltName=DNS:monitor\n")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", "5", "-extfile", f"{name}.ext")


PARTS = ("bytes_and_framing", "slow_clients", "words", "certificates")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART")
    options = parser.parse_args()
    Lab.keep_all = options.keep
    with Lab(options.bin) as lab:
        trial = Trial(lab)
        trial.run(options.parts or PARTS)
        for sentence in trial.wrong:
            print(f"WRONG: {sentence}")
        lab.keep = lab.keep or bool(trial.wrong)
    return 1 if trial.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
