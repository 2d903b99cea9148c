#!/usr/bin/python3
"""Kills, or freezes, a process at each of its crash points in a failover, and brings it back.

    crash_test.py --bin DIR [--planned] (--sample SECONDS [--seed N] | --all | --freeze | --list |
                  POINT...)

A POINT is "VICTIM NAME", as in crash_points.txt: all that a failover passes, found by --list, which
fails when that file says otherwise. With --planned the move is a switchover, and what it passes
besides is in crash_points_planned.txt. Every episode must end with the move done, one reign, one
change of the zone for it, one start of the unit, never two writers, and a journal that verifies.
A switchover may have been undone and ordered again, and then too no acknowledged write may be
missing. --sample takes points in an order drawn anew in each run, as many as the time allows, and
prints the seed.
"""

import argparse
import os
import pathlib
import random
import subprocess
import sys
import time

from crash_lab import VICTIMS, CrashLab, Episode
from lab import Lab, now

# A batch of decisions has the name of its first; this one comes alone or not.
MAY_PASS = {"pointsmand before-commit/done"} if "--planned" in sys.argv else set()
FILES = {"failover": "crash_points.txt", "switchover": "crash_points_planned.txt"}
ROOT = pathlib.Path(__file__).resolve().parents[2]
# Where a freeze may do what a death cannot: the process goes on with what it had in hand.
FREEZES = [
    "pointsmand before-order/promote", "pointsmand before-update/A",
    "pointsmand before-save/begin-failover", "agent-a before-record/fenced",
    "agent-a before-ports/renew", "agent-b before-record/prepared",
    "agent-b before-act/mysql open"]


def read_points(verb):
    text = pathlib.Path(__file__).with_name(FILES[verb]).read_text()
    return [line for line in text.splitlines() if line and line[0] != "#"]


def check_programs(binaries):
    """What ships has no crash points; the programs of this test have all of them."""
    wrong = []
    names = set()
    for path in [*ROOT.glob("agent/**/*.cc"), *ROOT.glob("base/*.cc"),
                 *ROOT.glob("orchestrator/**/*.cc")]:
        for piece in path.read_text().split("crash_point(\"")[1:]:
            names.add(piece.split('"')[0])
    crash = b"".join((binaries / f"crash-{name}").read_bytes()
                     for name in ("pointsmand", "pointsman-agent"))
    for name in sorted(names):
        word = name.encode() + b"\0"
        if word not in crash:
            wrong.append(f"no program of this test passes {name}")
        for program in ("pointsmand", "pointsman-agent", "pointsman"):
            if word in (binaries / program).read_bytes():
                wrong.append(f"{program} holds the crash point {name}")
    for program in ("pointsmand", "pointsman-agent", "pointsman"):
        if b"POINTSMAN_CRASH" in (binaries / program).read_bytes():
            wrong.append(f"{program} reads POINTSMAN_CRASH_AT")
    if len(names) < 10:
        wrong.append(f"only {sorted(names)} found in the sources")
    return wrong


def run(lab, point, how, verb):
    victim, _, name = point.partition(" ")
    episode = Episode(lab, victim, name, how, verb).play()
    verdict = "well" if not episode.problems else "WRONG"
    print(f"  {how} at {point}: {verdict} ({episode.took:.1f} s"
          f"{', ordered again' if episode.orders > 1 else ''})", flush=True)
    for problem in episode.problems:
        print(f"    {problem}", flush=True)
    return [f"{how} at {point}: {problem}" for problem in episode.problems]


def list_points(lab, verb):
    """Plays one move in which nobody dies, and compares what was passed with the file.

    Gives back what is wrong, and every point that was passed."""
    traces = {victim: lab.folder / f"{victim}.trace" for victim in VICTIMS}
    episode = Episode(lab, "pointsmand", "", verb=verb)
    episode.environment = {victim: {"POINTSMAN_CRASH_TRACE": str(path)}
                           for victim, path in traces.items()}
    episode.play()
    passed = {f"{victim} {line}" for victim, path in traces.items()
              for line in path.read_text().splitlines()}
    passed -= MAY_PASS
    known, every = set(read_points(verb)), sorted(passed)
    if verb == "switchover":  # What is in the other file is killed there.
        passed -= set(read_points("failover"))
        known -= set(read_points("failover"))
    for point in sorted(passed - known):
        print(f"+ {point}")
    for point in sorted(known - passed):
        print(f"- {point}")
    wrong = [f"a clean {verb}: {problem}" for problem in episode.problems]
    if passed - known:
        wrong.append(f"{len(passed - known)} points are missing in {FILES[verb]}")
    if known - passed:
        wrong.append(f"{len(known - passed)} points of {FILES[verb]} were not passed")
    return wrong, every


def sample(lab, seconds, seed, verb):
    points = read_points(verb)
    random.Random(seed).shuffle(points)
    print(f"seed {seed}, {len(points)} points", flush=True)
    wrong, began = [], now()
    for count, point in enumerate(points):
        # Never fewer than two; no episode is begun that would end after its time.
        if count >= 2 and now() + (now() - began) / count > began + seconds:
            break
        wrong += run(lab, point, "die", verb)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--planned", action="store_true", help="a switchover, not a failover")
    parser.add_argument("--keep", action="store_true", help="keep logs and say where")
    parser.add_argument("--sample", type=float, metavar="SECONDS")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--freeze", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("points", nargs="*", metavar="POINT")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    Lab.keep_all = options.keep
    verb = "switchover" if options.planned else "failover"
    wrong = check_programs(options.bin)
    with CrashLab(options.bin) as lab:
        lab.start_sites()
        lab.configure()
        points = read_points(verb)
        if options.list:
            differing, passed = list_points(lab, verb)
            wrong += differing
            # A planned move dies where a failover does, too.
            points = passed if options.planned else points
        if options.sample:
            seed = options.seed if options.seed is not None else time.time_ns() // 1000 % 10**6
            wrong += sample(lab, options.sample, seed, verb)
        for point in options.points + (points if options.all else []):
            wrong += run(lab, point, "die", verb)
        for point in FREEZES if options.freeze else []:
            wrong += run(lab, point, "stop", verb)
        lab.keep = lab.keep or bool(wrong)
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
