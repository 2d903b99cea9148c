#!/usr/bin/python3
"""keepalived beside pointsman: keepalived_test.py --bin DIR NAME...

Two real keepalived processes move a virtual address over a LAN of namespaces while the sites are
under load: what VRRP does is its own affair, and there must never be two writers. Prints for each
scenario what was measured, and WRONG for what must not be.
"""

import argparse
import os
import signal
import subprocess
import sys
import time

import measure
from keepalived_lab import live_sites
from lab import SERVICE, Lab, LabError, now, wait_until
from scenarios_move import Outcome, count_losses

PROMISE = 4.5  # W at the defaults, with the dead-man switch.


def finish(sites, outcome, power, after):
    """Ends the load; what must hold whatever happened."""
    time.sleep(1.0)
    sites.lab.stop_load()
    outcome.problems += measure.two_writers(sites.lab)
    outcome.must(sites.holding() == {power}, f"the address is held by {sites.holding()}")
    last = max((done for _, done, result in sites.user_writes() if result == "200"), default=0)
    outcome.must(last > now() - 4, f"no write by the address for {now() - last:.1f} s at the end")
    count_losses(sites.lab, outcome, sites.lab.sites[power])
    outcome.notes.append(
        f"users of the address: longest gap {sites.longest_gap(after):.2f} s; missing "
        f"{outcome.lost_mysql} in MariaDB, {outcome.lost_redis} in Redis of {outcome.acknowledged}")


def epoch(sites):
    return sites.lab.status().get("epoch")


def followed(sites, outcome, after, within, limit):
    """site-b comes to power; its first write is within `limit` of keepalived's own transition."""
    sites.lab.wait_steady("site-b", within=within)
    wait_until("the address is at site-b", 15, sites.holders["site-b"].holds, every=0.05)
    time.sleep(0.5)
    held = sites.holders["site-b"].since(after)
    first = measure.first_taken(sites.lab, "site-b", after)
    outcome.must(first is not None, "site-b took no write")
    if first is None:
        return
    outcome.in_time(first - held, limit,
                    f"site-b took its first write {first - held:.2f} s after it had the address")
    outcome.notes.append(f"from the fault: address at site-b {held - after:.2f} s, first write "
                         f"there {first - after:.2f} s ({first - held:+.2f} s)")


def stopped(outcome, binaries):
    """keepalived is stopped at the site in power: the address goes, and power follows it."""
    with live_sites(outcome, binaries, "unicast") as sites:
        fault = now()
        sites.keepalived["site-a"].process.stop()
        followed(sites, outcome, fault, 20, 2.0)
        move = sites.lab.status()["last_move"]
        outcome.must(move["actor"] == "keepalived" and not move["automatic"],
                     f"the move is {move['actor']}'s, automatic {move['automatic']}")
        # It comes back and must not take the address from the site in power.
        sites.keepalived["site-a"].start()
        time.sleep(8)
        finish(sites, outcome, "site-b", fault)


def no_record(outcome, binaries):
    """The same with a service that has no record: the address is all that its users know."""
    with live_sites(outcome, binaries, record=False) as sites:
        fault = now()
        sites.keepalived["site-a"].process.stop()
        followed(sites, outcome, fault, 20, 2.0)
        outcome.must(sites.lab.status()["last_move"]["outcome"] == "done", "the move is not done")
        finish(sites, outcome, "site-b", fault)


def unfit(outcome, binaries):
    """A unit of the site in power dies and no probe sees it: its check fails, the address goes."""
    with live_sites(outcome, binaries) as sites:
        fault = now()
        sites.lab.a.place.run([sites.lab.a.place.folder / "agent" / "worker", "stop"])
        followed(sites, outcome, fault, 30, 2.0)
        finish(sites, outcome, "site-b", fault)


def app_dead(outcome, binaries):
    """The service dies at the site in power: the monitor moves it, and the address follows."""
    with live_sites(outcome, binaries) as sites:
        fault = now()
        sites.lab.a.kill_http()
        followed(sites, outcome, fault, 20, 2.0)
        finish(sites, outcome, "site-b", fault)


def agent_restarted(outcome, binaries):
    """The agents are killed and come back, as by an upgrade: the address stays where it is."""
    with live_sites(outcome, binaries) as sites:
        fault, before = now(), epoch(sites)
        for site in (sites.lab.a, sites.lab.b):
            site.agent.kill()
            time.sleep(1.5)
            site.start_agent()
            time.sleep(4)
        sites.lab.wait_steady()
        moved = [change for holder in sites.holders.values() for change in holder.changes
                 if change[0] >= fault]
        outcome.must(not moved and epoch(sites) == before, f"it moved: {moved}")
        vips = {site["name"]: site.get("vip") for site in sites.lab.status()["sites"]}
        outcome.must(vips == {"site-a": "holds", "site-b": "yields"}, f"agents tell {vips}")
        finish(sites, outcome, "site-a", fault)


def site_cut(outcome, binaries):
    """The site in power vanishes from every line: no fence is acknowledged."""
    with live_sites(outcome, binaries) as sites:
        fault = now()
        sites.lab.net.cut_site("site-a")
        sites.lan.cut_site("site-a")
        followed(sites, outcome, fault, 20, PROMISE)
        outcome.must(sites.holding() == {"site-a", "site-b"},
                     f"a site that is cut off keeps its address: {sites.holding()}")
        sites.lan.cut()
        sites.lab.net.restore()
        wait_until("one holder", 15, lambda: sites.holding() == {"site-b"}, every=0.1)
        finish(sites, outcome, "site-b", fault)


def vrrp_cut(outcome, binaries):
    """VRRP alone is cut: two hold the address, and nothing moves."""
    with live_sites(outcome, binaries) as sites:
        fault, before = now(), epoch(sites)
        sites.lan.cut_vrrp()
        wait_until("two holders", 10, lambda: len(sites.holding()) == 2, every=0.05)
        outcome.notes.append(f"two held the address after {now() - fault:.2f} s")
        time.sleep(12)
        outcome.must(len(sites.holding()) == 2, "two no longer hold it")
        outcome.must(epoch(sites) == before, "power moved")
        share = [result == "200" for sent, _, result in sites.user_writes() if sent > fault + 4]
        outcome.notes.append(f"users: {100 * sum(share) / len(share):.0f} % of their writes taken "
                             "while two held it")
        outcome.must("vip-twice" in (sites.lab.monitor.folder / "pointsmand.log").read_text(),
                     "nobody was told of two holders")
        took = measure.last_taken(sites.lab, "site-a")
        outcome.must(took is not None and took > now() - 1, "site-a takes no writes any more")
        outcome.must(measure.first_taken(sites.lab, "site-b", fault) is None,
                     "site-b took a write")
        sites.lan.cut()
        wait_until("one holder", 15, lambda: sites.holding() == {"site-a"}, every=0.1)
        time.sleep(7)  # The holder says every 5 s where the address is.
        finish(sites, outcome, "site-a", fault)


def killed(outcome, binaries):
    """keepalived is killed at the site in power: its address stays, and power goes to the other."""
    with live_sites(outcome, binaries, "unicast") as sites:
        fault = now()
        sites.keepalived["site-a"].kill()
        wait_until("two holders", 10, lambda: len(sites.holding()) == 2, every=0.05)
        outcome.notes.append(f"two held the address after {now() - fault:.2f} s")
        sites.lab.wait_steady("site-b", within=30)
        first = measure.first_taken(sites.lab, "site-b", fault)
        outcome.must(first is not None, "site-b took no write")
        outcome.notes.append(f"first write at site-b {first - fault:.2f} s after the kill")
        outcome.must(sites.holding() == {"site-a", "site-b"}, f"held by {sites.holding()}")
        sites.keepalived["site-a"].start()
        wait_until("one holder", 15, lambda: sites.holding() == {"site-b"}, every=0.1)
        finish(sites, outcome, "site-b", fault)


def hung(outcome, binaries):
    """keepalived hangs at the site in power, and wakes when power is elsewhere."""
    with live_sites(outcome, binaries) as sites:
        fault = now()
        sites.keepalived["site-a"].send(signal.SIGSTOP)
        wait_until("two holders", 10, lambda: len(sites.holding()) == 2, every=0.05)
        outcome.notes.append(f"two held the address after {now() - fault:.2f} s")
        sites.lab.wait_steady("site-b", within=30)
        first = measure.first_taken(sites.lab, "site-b", fault)
        outcome.must(first is not None, "site-b took no write")
        outcome.notes.append(f"first write at site-b {first - fault:.2f} s after it hung")
        sites.keepalived["site-a"].send(signal.SIGCONT)
        wait_until("one holder", 20, lambda: sites.holding() == {"site-b"}, every=0.1)
        time.sleep(6)
        outcome.must(epoch(sites) == sites.lab.status().get("epoch"), "power went on moving")
        finish(sites, outcome, "site-b", fault)


def monitor_away(outcome, binaries):
    """Only the monitor is gone: the primary keeps its address, and nobody notices."""
    with live_sites(outcome, binaries) as sites:
        fault = now()
        sites.lab.daemon.kill()
        time.sleep(20)
        moved = [change for holder in sites.holders.values() for change in holder.changes
                 if change[0] >= fault]
        outcome.must(not moved, f"the address moved: {moved}")
        gap = sites.longest_gap(fault)
        outcome.must(gap < 1.0, f"users waited {gap:.2f} s")
        sites.lab.start_daemon()
        sites.lab.wait_steady()
        finish(sites, outcome, "site-a", fault)


def paused(outcome, binaries):
    """The operator has paused the service: the address goes, and power stays until he resumes."""
    with live_sites(outcome, binaries) as sites:
        sites.lab.cli("pause", SERVICE)
        fault, before = now(), epoch(sites)
        sites.keepalived["site-a"].process.stop()
        wait_until("the address is at site-b", 10, sites.holders["site-b"].holds, every=0.05)
        time.sleep(6)
        outcome.must(epoch(sites) == before, "power moved while paused")
        outcome.must(measure.first_taken(sites.lab, "site-b", fault) is None,
                     "site-b took a write")
        log = (sites.lab.monitor.folder / "pointsmand.log").read_text()
        outcome.must("vip-not-followed" in log, "nobody was told why power does not follow")
        sites.lab.cli("resume", SERVICE)
        sites.lab.wait_steady("site-b", within=20)
        finish(sites, outcome, "site-b", fault)


SCENARIOS = {one.__name__.replace("_", "-"): one for one in (
    stopped, no_record, unfit, app_dead, agent_restarted, site_cut, vrrp_cut, killed, hung,
    monitor_away, paused)}


def run(name, binaries):
    began = time.monotonic()
    outcome = Outcome(name)
    print(f"{name}: {SCENARIOS[name].__doc__}", flush=True)
    try:
        SCENARIOS[name](outcome, binaries)
    except (LabError, subprocess.SubprocessError, AssertionError) as error:
        outcome.problems.append(str(error))
    for line in outcome.notes + [f"WRONG: {problem}" for problem in outcome.wrong]:
        print(f"  {line}")
    print(f"  took {time.monotonic() - began:.0f} s", flush=True)
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--keep", action="store_true", help="keep logs and say where")
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []], metavar="NAME")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    Lab.keep_all = options.keep
    outcomes = [run(name, options.bin) for name in options.names or SCENARIOS]
    sys.exit(1 if any(outcome.wrong for outcome in outcomes) else 0)


if __name__ == "__main__":
    main()
