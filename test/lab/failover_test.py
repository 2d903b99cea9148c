#!/usr/bin/python3
"""Runs scenarios of the laboratory: failover_test.py --bin DIR [--runs N] [--json FILE] NAME...

Needs root (network namespaces) and the Debian packages of packaging/install-deps. Each run prints
what was seen; the exit code is 0 only when every run went as it must. With --runs above 2 the
medians must lie within the limits and the maxima at most a second above. With fewer, a run that
was only late, or whose servers did not start, is done once more, because others use this host; one
that showed anything wrong never is.
"""

import argparse
import dataclasses
import functools
import json
import os
import statistics
import subprocess
import sys
import time

import scenarios_move as move
import scenarios_planned as planned
import scenarios_rejoin as rejoin
import scenarios_reload
import scenarios_still as rest
import scenarios_take
from lab import Lab, LabError, SetUpError

SCENARIOS = {
    "a": move.scenario_a, "b": move.scenario_b, "c": move.scenario_c, "d": move.scenario_d,
    "semi-sync": move.scenario_semi_sync, "late-applier": move.scenario_late_applier,
    "bind-stopped": move.scenario_bind_stopped,
    "monitor-cut-off": rest.monitor_cut_off, "monitor-to-a-cut": rest.monitor_to_a_cut,
    "one-way-loss": rest.one_way_loss, "site-b-down": rest.site_b_down,
    "both-down": rest.both_down, "replication-stopped": rest.replication_stopped,
    "replication-stopped-long": functools.partial(rest.replication_stopped, seconds=330),
    "delayed-replica": rest.delayed_replica,
    "record-edited": rest.record_edited, "two-failures": rest.two_failures,
    "paused": rest.paused, "both-writable": rest.both_writable, "first-run": rest.first_run,
    "agents-upgraded": rest.agents_upgraded,
    "monitor-restarted": rest.monitor_restarted_beside_survivor,
    "monitor-down": rest.monitor_down,
    "monitor-down-10min": functools.partial(rest.monitor_down, seconds=600),
    "reload": scenarios_reload.reload, "take": scenarios_take.take,
    "forth-and-back": planned.forth_and_back,
    "forth-and-back-20": functools.partial(planned.forth_and_back, moves=20),
    "switchover-appointed": planned.appointed,
    "switchover-undone": planned.undone_behind,
    "switchover-daemon-killed": planned.daemon_killed,
    "switchover-daemon-killed-long": functools.partial(planned.daemon_killed, rounds=8),
    "switchover-agent-killed": planned.agent_killed,
    "switchover-links-cut": planned.links_cut,
    "way-back": rejoin.way_back, "rejoin-nothing-lost": rejoin.nothing_lost,
    "rejoin-killed": rejoin.killed_midway,
    "wrong-key": rest.wrong_key, "dry-run": rest.dry_run, "dry-daemon": rest.dry_daemon,
}


def show(outcome):
    """One run as lines for a person."""
    for at, what in outcome.timeline:
        print(f"  {at:8.3f} s  {what}")
    for note in outcome.notes:
        print(f"  {note}")
    if outcome.write_s is not None or outcome.answer_s is not None:
        print(f"  from the fault: answer {outcome.answer_s} s, site-a's last write "
              f"{outcome.closed_s} s, site-b's first write {outcome.write_s} s")
        print(f"  acknowledged writes {outcome.acknowledged}, missing on the survivor: "
              f"{outcome.lost_mysql} in MariaDB, {outcome.lost_redis} in Redis; "
              f"{outcome.lost_elsewhere} of clients that are not beside site-a")
    for problem in outcome.wrong:
        print(f"  WRONG: {problem}")
    sys.stdout.flush()


def judge_times(outcome, slack):
    for what, value, limit in zip(("answer", "first write"), (outcome.answer_s, outcome.write_s),
                                  move.LIMITS.get(outcome.name, ()), strict=False):
        outcome.in_time(value, limit + slack, f"{what} after {value} s, limit {limit} s")


def summary(name, outcomes):
    """Medians and maxima of many runs; sentences for what is over the limit."""
    wrong = []
    for what, index in (("answer_s", 0), ("write_s", 1), ("closed_s", None)):
        values = [v for v in (getattr(o, what) for o in outcomes) if v is not None]
        if not values:
            continue
        median, most = statistics.median(values), max(values)
        print(f"  {name} {what}: median {median:.2f} s, maximum {most:.2f} s, runs {len(values)}")
        limit = move.LIMITS[name][index] if index is not None and name in move.LIMITS else None
        if limit is not None and (median > limit or most > limit + 1):
            wrong.append(f"{name} {what}: median {median:.2f}, maximum {most:.2f}, limit {limit}")
    return wrong


def run_one(name, binaries):
    try:
        return SCENARIOS[name](binaries)
    except SetUpError as error:
        return move.Outcome(name, problems=[str(error)], set_up=False)
    except (LabError, subprocess.SubprocessError) as error:
        return move.Outcome(name, problems=[str(error)])


def may_repeat(outcome):
    """Only what a busy host explains: late and nothing else, or never begun."""
    return not outcome.set_up or (bool(outcome.late) and not outcome.problems)


def judged_run(name, binaries, slack):
    began = time.monotonic()
    outcome = run_one(name, binaries)
    if outcome.set_up:
        judge_times(outcome, slack)
    show(outcome)
    print(f"  took {time.monotonic() - began:.0f} s", flush=True)
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep logs and say where")
    parser.add_argument("--json", help="append one line per run to this file")
    parser.add_argument("names", nargs="+", choices=sorted(SCENARIOS), metavar="NAME")
    options = parser.parse_args()
    Lab.keep_all = options.keep
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    wrong = []
    for name in options.names:
        outcomes = []
        for run in range(options.runs):
            print(f"{name}, run {run + 1} of {options.runs}", flush=True)
            outcome = judged_run(name, options.bin, 0.5 if options.runs < 3 else 1.0)
            if options.runs < 3 and may_repeat(outcome):
                print(f"{name}: only late, or not set up: ONCE MORE", flush=True)
                outcome = judged_run(name, options.bin, 0.5)
            outcomes.append(outcome)
            wrong += [f"{name}: {problem}" for problem in outcome.wrong]
            if options.json:
                with open(options.json, "a", encoding="utf-8") as file:
                    file.write(json.dumps(dataclasses.asdict(outcome)) + "\n")
        if options.runs > 2:
            wrong += summary(name, outcomes)
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
