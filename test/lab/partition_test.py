#!/usr/bin/python3
"""Partitions: partition_test.py --bin DIR (NAME... | --random SECONDS [--seed N]).

Each episode sets up the laboratory under load, lets a schedule of faults happen, heals everything
and then judges by the clients' acknowledgements, by what both stores say of themselves and by
what they hold: never two writers, no answer that is empty or foreign, a named end, nothing lost
where nobody moved. --random draws schedules for so many seconds and prints the seed of each, which
--seed makes again.
"""

import argparse
import os
import subprocess
import sys
import time

import measure
import partitions
from lab import Lab, LabError, now, wait_until
from scenarios_move import Outcome, count_losses, live_lab

HEALED_WITHIN = 60.0


def play(lab, faults):
    """Lets the schedule happen; what began has ended when this returns."""
    began = now()
    steps = sorted((at, index, begins) for index, fault in enumerate(faults)
                   for at, begins in fault.steps())
    open_ones = set()
    try:
        for at, index, begins in steps:
            time.sleep(max(0.0, began + at - now()))
            if begins:
                partitions.begin(lab, faults[index])
                open_ones.add(index)
            elif index in open_ones:
                open_ones.discard(index)
                partitions.end(lab, faults[index])
    finally:
        for index in open_ones:
            partitions.end(lab, faults[index])
        lab.net.restore()


def settled(lab):
    """The site in power when nothing is under way any more and the world agrees; else None."""
    seen = lab.status()
    primary = seen.get("primary")
    site = next((s for s in seen.get("sites", []) if s["name"] == primary), {})
    if seen.get("phase") != "steady" or site.get("verdict") != "up" or not site.get("writable"):
        return None
    if lab.bind.lookup() != [lab.sites[primary].address]:
        return None
    return primary


def judge(lab, outcome, epoch, allowed):
    """What must hold when all faults are over."""
    primary = []
    try:
        wait_until("one site in power, named and writable", HEALED_WITHIN,
                   lambda: primary.append(settled(lab)) or primary[-1], every=0.2)
        healed = now()
        wait_until("writes by name", 10,
                   lambda: measure.first_taken(lab, primary[-1], healed), every=0.2)
    except LabError as error:
        outcome.problems.append(f"{error}; status: {lab.status()}")
    lab.stop_load()
    outcome.problems += measure.two_writers(lab)
    moved = primary and primary[-1] == "site-b"
    for at, to in measure.answers(lab):
        outcome.must(to in ("site-a", "site-b", "silent"), f"the name led to {to} at {at:.3f}")
    survivor = lab.b if moved else lab.a
    count_losses(lab, outcome, survivor)
    if not moved:
        outcome.must(outcome.lost_mysql == 0 and outcome.lost_redis == 0,
                     f"nobody moved, and {outcome.lost_mysql} writes are missing in MariaDB, "
                     f"{outcome.lost_redis} in Redis")
    outcome.must((1 if moved else 0) in allowed, f"{primary[-1] if primary else None} in power; "
                 f"failovers that may come of it: {allowed}")
    outcome.notes.append(
        f"in power at the end: {primary[-1] if primary else None}, epoch {epoch} became "
        f"{lab.status().get('epoch')}; acknowledged {outcome.acknowledged}, missing "
        f"{outcome.lost_mysql} in MariaDB and {outcome.lost_redis} in Redis")


def episode(name, binaries, faults, allowed):
    outcome = Outcome(name)
    try:
        with live_lab(outcome, binaries) as lab:
            epoch = lab.status().get("epoch")
            play(lab, faults)
            judge(lab, outcome, epoch, allowed)
    except (LabError, subprocess.SubprocessError) as error:
        outcome.problems.append(str(error))
    return outcome


def run(name, binaries, faults, allowed):
    began = time.monotonic()
    print(name, flush=True)
    for fault in faults:
        print(f"  {fault}")
    outcome = episode(name, binaries, faults, allowed)
    for line in outcome.notes + [f"WRONG: {problem}" for problem in outcome.problems]:
        print(f"  {line}")
    print(f"  took {time.monotonic() - began:.0f} s", flush=True)
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--keep", action="store_true", help="keep logs and say where")
    parser.add_argument("--random", type=float, metavar="SECONDS", help="draw schedules so long")
    parser.add_argument("--seed", type=int, help="of the first schedule; the next ones follow it")
    parser.add_argument("names", nargs="*", choices=[*sorted(partitions.NAMED), []], metavar="NAME")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    Lab.keep_all = options.keep
    outcomes = [run(name, options.bin, *partitions.NAMED[name]) for name in options.names]
    if options.random:
        seed = options.seed if options.seed is not None else time.time_ns() // 1000 % 10**9
        end = time.monotonic() + options.random
        while time.monotonic() < end:
            outcomes.append(run(f"seed {seed}", options.bin, partitions.draw(seed), (0, 1)))
            seed += 1
    wrong = [f"{o.name}: {problem}" for o in outcomes for problem in o.problems]
    moves = sum("in power at the end: site-b" in note for o in outcomes for note in o.notes)
    print(f"{len(outcomes)} episodes, {moves} failovers, "
          f"{sum(o.acknowledged for o in outcomes)} acknowledged writes, "
          f"{sum(o.lost_mysql for o in outcomes)} missing on survivors in MariaDB, "
          f"{sum(o.lost_redis for o in outcomes)} in Redis, {len(wrong)} wrong")
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    sys.exit(1 if wrong or not outcomes else 0)


if __name__ == "__main__":
    main()
