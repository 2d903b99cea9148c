#!/usr/bin/python3
"""Failovers with each type of provider: providers_test.py --bin DIR [--keep] NAME...

Real agents and stores, a real daemon; clouds are the fakes of test/support behind a real nginx,
Knot, PowerDNS and BIND are themselves, `webhook` and `exec` are the programs of the manual. Each
move must be done, leave the right state at the provider, and ask no more than it needs: one read
and one write a record, and what reads it back.
"""

import argparse
import os
import subprocess
import sys
import time

from estate import A, B, Estate
from failover_test import show
from lab import Lab, LabError, now, wait_until
from scenarios_move import Outcome, fresh_lab, moved

ONE_EACH = {"rfc2136": "api", "knot": "api", "powerdns": "api", "cloudflare": "cf",
            "cloudflare-proxied": "proxied", "aliyun": "ali", "aliyun-slb": "slb",
            "webhook": "web", "exec": "own"}


def prepare(lab, estate, before=lambda: None):
    """Sites, accounts and pointsman, until a failover could be made at any moment."""
    lab.start_sites()
    before()
    estate.start()
    lab.start_pointsman(daemon=False)
    lab.start_daemon(debug=True)
    lab.wait_steady()
    estate.wait_preflights()
    lab.start_load()
    lab.wait_ready_to_move()


def judge_move(lab, outcome):
    last = lab.status().get("last_move") or {}
    outcome.must(last.get("outcome") == "done", f"the move is {last.get('outcome')}: {last}")


def fail_over(name, kinds, binaries):
    """The service is killed at site-a; every record must name site-b."""
    outcome = Outcome(name)
    with fresh_lab(outcome, binaries) as lab:
        estate = Estate(lab, kinds)
        try:
            prepare(lab, estate)
            estate.begin()
            fault_at = now()
            lab.a.kill_http()
            moved(lab, outcome, fault_at, 20)
            # What a record's mark is, is read once more after the move.
            time.sleep(1.0)
            judge_move(lab, outcome)
            estate.judge(outcome)
        finally:
            estate.stop()
    return outcome


def killed_half_way(binaries):
    """Three records at two providers; the daemon dies when one provider has changed and the other
    cannot be reached: the next daemon ends the move, and writes nothing twice."""
    outcome = Outcome("several")
    with fresh_lab(outcome, binaries) as lab:
        estate = Estate(lab, {"rfc2136": "api", "cloudflare": "www"})
        lab.records.insert(1, lab.records[0] | {"type": "AAAA"})
        try:
            prepare(lab, estate, before=lambda: lab.bind.update(
                "update add api.example.test 60 AAAA 2001:db8:a::10"))
            serial = int(lab.bind.dig("example.test", "SOA")[0].split()[2])
            cloud = estate.accounts["cloudflare"]
            cloud.shut()
            estate.begin()
            fault_at = now()
            lab.a.kill_http()
            wait_until("BIND names site-b", 20, lambda: lab.bind.lookup() == [B])
            wait_until("BIND has its IPv6 address", 5,
                       lambda: lab.bind.dig("api.example.test", "AAAA") == ["2001:db8:b::20"])
            lab.daemon.kill()
            outcome.must(cloud.sets()["www.example.test A"]["values"] == [A],
                         "the cloud changed though it was shut")
            outcome.must(cloud.changes() == 0, "the cloud counts changes")
            cloud.open()
            lab.start_daemon(debug=True)
            moved(lab, outcome, fault_at, 30)
            judge_move(lab, outcome)
            outcome.must(cloud.sets()["www.example.test A"]["values"] == [B],
                         f"the cloud holds {cloud.sets()}")
            outcome.must(cloud.changes() == 1, f"the cloud was changed {cloud.changes()} times")
            # One UPDATE a record, and one by the cloud's own hand for www.
            now_is = int(lab.bind.dig("example.test", "SOA")[0].split()[2])
            outcome.must(now_is == serial + 3, f"BIND's serial went from {serial} to {now_is}")
        finally:
            estate.stop()
    return outcome


SCENARIOS = {kind: (lambda binaries, kind=kind: fail_over(kind, {kind: "api"}, binaries))
             for kind in ONE_EACH if kind != "rfc2136"}
SCENARIOS["webhook-slow"] = lambda binaries: fail_over("webhook-slow", {"webhook-slow": "api"},
                                                       binaries)
SCENARIOS["all"] = lambda binaries: fail_over("all", ONE_EACH, binaries)
SCENARIOS["several"] = killed_half_way


def run_one(name, binaries):
    try:
        return SCENARIOS[name](binaries)
    except (LabError, subprocess.SubprocessError) as error:
        return Outcome(name, problems=[str(error)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--keep", action="store_true", help="keep logs and say where")
    parser.add_argument("names", nargs="+", choices=sorted(SCENARIOS), metavar="NAME")
    options = parser.parse_args()
    Lab.keep_all = options.keep
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    wrong = []
    for name in options.names:
        began = now()
        print(name, flush=True)
        outcome = run_one(name, options.bin)
        show(outcome)
        print(f"  took {now() - began:.0f} s", flush=True)
        wrong += [f"{name}: {problem}" for problem in outcome.problems]
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
