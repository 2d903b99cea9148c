"""Planned moves: forth and back under load, undone, and interrupted at any moment."""

import datetime
import random
import signal
import statistics
import time

import measure
from lab import LabError, NEAR, SERVICE, SITES, now, wait_until
from scenarios_move import Outcome, count_losses, live_lab
from scenarios_still import unchanged

OTHER = {"site-a": "site-b", "site-b": "site-a"}
# Seconds without an acknowledged write, of a client whose cache has expired.
GAP_LIMIT = 3.0
# Gates that no operator's move is asked for.
EXCUSED = {"witness", "hold-down", "ceiling", "breaker", "mode", "held", "prepare"}


def order(lab, to, *words, within=90.0):
    return lab.cli("switchover", SERVICE, "--to", to, "--yes", *words, check=False, within=within)


def wait_gates(lab, within=30):
    try:
        wait_until("gates open", within, lambda: set(lab.closed_gates()) <= EXCUSED, every=0.2)
    except LabError as error:
        raise LabError(f"{error}; closed: {lab.closed_gates()}") from error


def settled(lab):
    """The site in power, once the other one is its standby again and no move is on; else None."""
    status = lab.status()
    sites = {site["name"]: site for site in status.get("sites", [])}
    primary = status.get("primary")
    if status.get("phase") != "steady" or status.get("current_move") or primary not in SITES:
        return None
    own, other = sites.get(primary, {}), sites.get(OTHER[primary], {})
    good = own.get("writable") and own.get("verdict") == "up" and other.get("role") == "standby"
    return primary if good and status.get("published") == primary else None


def wait_settled(lab, within=90):
    return wait_until("one site in power and the other its standby", within,
                      lambda: settled(lab), every=0.2)


def longest_gap(writes, begin, end):
    """Seconds between two acknowledged writes, the first of them after `begin`."""
    at = [begin] + [w.done for w in writes if w.taken and begin <= w.done <= end] + [end]
    return max(b - a for a, b in zip(at, at[1:], strict=False))


def judge(lab, outcome, primary, changes=None):
    """Stops the load: nothing acknowledged is missing, and no two sites took writes at once."""
    time.sleep(1.0)
    lab.stop_load()
    outcome.problems += measure.account_overlaps(lab)
    taken = [w for w in measure.all_writes(lab) if w.taken]
    hops = sum(a.site != b.site for a, b in zip(taken, taken[1:], strict=False))
    if changes is not None:
        outcome.must(hops <= changes, f"writes were taken {hops} times at another site than the "
                     f"one before, in {changes} moves")
    count_losses(lab, outcome, lab.sites[primary])
    outcome.must(outcome.lost_mysql == 0, f"{outcome.lost_mysql} acknowledged writes are missing "
                 "in MariaDB")
    outcome.must(outcome.lost_redis == 0, f"{outcome.lost_redis} acknowledged writes are missing "
                 "in Redis")
    outcome.notes.append(f"{outcome.acknowledged} writes were acknowledged")


def tell_gaps(lab, outcome, spans):
    """What a client that honours DNS saw, and one that keeps the address it once had."""
    by_name = measure.writes(lab, ("client", "client"))
    kept = {site: measure.writes(lab, (NEAR[site], "near")) for site in SITES}
    gaps = []
    for to, began, ended in spans:
        gap = longest_gap(by_name, began, ended + 1)
        gaps.append(gap)
        last = measure.last_taken(lab, OTHER[to], before=ended)
        back = next((w.done for w in kept[OTHER[to]] if w.taken and last and w.done > last), None)
        away = "for good" if back is None else f"for {back - last:.1f} s"
        outcome.notes.append(f"to {to}: no write by name for {gap:.2f} s; a client that kept the "
                             f"address of {OTHER[to]}: {away}")
    median = statistics.median(gaps)
    outcome.notes.append(f"longest gap by name: median {median:.2f} s, maximum {max(gaps):.2f} s, "
                         f"{len(gaps)} moves")
    outcome.in_time(round(median, 2), GAP_LIMIT, f"the median gap is {median:.2f} s")


def forth_and_back(binaries, moves=4):
    outcome = Outcome("forth-and-back")
    with live_lab(outcome, binaries) as lab:
        spans = []
        for number in range(moves):
            to = SITES[(number + 1) % 2]
            wait_gates(lab)
            time.sleep(random.uniform(0, 1))
            began = now()
            code, answer = order(lab, to)
            spans.append((to, began, now()))
            outcome.must(code == 0, f"move {number + 1} to {to}: exit {code}: {answer}")
            if code != 0:
                break
            outcome.must((answer.get("lost") or {}).get("proved") is True,
                         f"move {number + 1}: {answer.get('lost')}")
            wait_settled(lab)
            time.sleep(1.5)
        primary = wait_settled(lab)
        outcome.must(primary == spans[-1][0] or bool(outcome.problems), f"{primary} is in power")
        judge(lab, outcome, primary, changes=len(spans))
        tell_gaps(lab, outcome, spans)
    return outcome


def undone_behind(binaries):
    """A lock holds the standby's applier: the move is undone within its budget, and site-a serves
    on; nothing was published."""
    outcome = Outcome("switchover-undone")
    with live_lab(outcome, binaries, service={"switchover_budget": "4s"}) as lab:
        wait_gates(lab)
        lock = lab.b.place.spawn("lock", [
            "mariadb", "--no-defaults", "-uroot", f"--socket={lab.b.mysql.socket}", "-e",
            "LOCK TABLES app.writes READ; SELECT SLEEP(3600)"])
        time.sleep(0.8)
        began = now()
        code, answer = order(lab, "site-b")
        undone = now()
        outcome.must(code == 1 and answer.get("outcome") == "voided", f"exit {code}: {answer}")
        outcome.notes.append(f"undone after {undone - began:.1f} s: {answer.get('reason')}")
        outcome.must("mysql is at" in answer.get("reason", ""), f"reason: {answer.get('reason')}")
        wait_until("site-a takes writes again", 10,
                   lambda: measure.first_taken(lab, "site-a", undone), every=0.1)
        gap = measure.first_taken(lab, "site-a", undone) - began
        outcome.in_time(round(gap, 1), 9.0, f"site-a took writes again only after {gap:.1f} s")
        lab.b.mysql.end_clients()
        lock.kill()
        primary = wait_settled(lab)
        outcome.must(primary == "site-a", f"{primary} is in power")
        outcome.must({to for _, to in measure.answers(lab)} == {"site-a"}, "the record was moved")
        # And when nothing is in its way any more, it goes through.
        wait_gates(lab)
        code, answer = order(lab, "site-b")
        outcome.must(code == 0, f"the second: exit {code}: {answer}")
        judge(lab, outcome, wait_settled(lab), changes=1)
    return outcome


def in_rfc3339(seconds):
    """That many seconds from now, and when that is by the clock of all logs."""
    whole = int(time.time()) + seconds
    text = datetime.datetime.fromtimestamp(whole, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return text, now() + whole - time.time()


def appointed(binaries):
    """A dry run changes nothing and shows every step; a move begins by itself at its time; one that
    is called off does not."""
    outcome = Outcome("switchover-appointed")
    with live_lab(outcome, binaries) as lab:
        wait_gates(lab)
        before = lab.snapshot()
        code, plan = lab.cli("switchover", SERVICE, "--to", "site-b", "--dry-run", check=False)
        unchanged(outcome, before, lab.snapshot())
        outcome.must(code == 0, f"the dry run: exit {code}: {plan}")
        steps = [step["name"] for step in plan.get("steps", [])]
        outcome.must(steps == ["prepare", "fence", "promote", "publish", "follow"],
                     f"the dry run shows {steps}")
        for word in ("update add", "read_only=1", "RESET SLAVE ALL", "CHANGE MASTER", "REPLICAOF"):
            outcome.must(word in str(plan), f"the dry run does not show {word}")
        outcome.must(lab.bind.secret not in str(plan) and "repl-secret" not in str(plan),
                     "the dry run shows a secret")
        text, due = in_rfc3339(6)
        code, answer = order(lab, "site-b", "--at", text)
        outcome.must(code == 0, f"--at: exit {code}: {answer}")
        shown = lab.status().get("appointment") or {}
        outcome.must(shown.get("to") == "site-b", f"status shows {shown}")
        lab.daemon.stop()  # It is durable.
        lab.start_daemon()
        wait_until("site-b takes writes", 30,
                   lambda: measure.first_taken(lab, "site-b", due), every=0.1)
        late = measure.first_taken(lab, "site-b", due) - due
        outcome.notes.append(f"site-b took writes {late:.1f} s after the time appointed")
        outcome.must(measure.first_taken(lab, "site-b", 0) >= due, "it began before its time")
        outcome.in_time(round(late, 1), 10.0, f"it took writes only {late:.1f} s after its time")
        outcome.must(wait_settled(lab) == "site-b", "site-b is not in power")
        wait_gates(lab)
        text, _ = in_rfc3339(5)
        order(lab, "site-a", "--at", text)
        code, answer = lab.cli("cancel", SERVICE, check=False)
        outcome.must(code == 0 and not lab.status().get("appointment"), f"cancel: {answer}")
        time.sleep(7)
        outcome.must(wait_settled(lab) == "site-b", "it began although it was called off")
        judge(lab, outcome, "site-b", changes=1)
    return outcome


def interrupted(binaries, name, strike, rounds=1):
    """Each round orders a switchover, waits a moment and strikes; it must end at one site."""
    outcome = Outcome(name)
    with live_lab(outcome, binaries, service={"switchover_budget": "8s"}) as lab:
        changes = 0
        for number in range(rounds):
            primary = wait_settled(lab)
            wait_gates(lab)
            to = OTHER[primary]
            delay = random.uniform(0, 0.8)
            code, answer = order(lab, to, "--wait", "0s")
            outcome.must(code == 5, f"round {number + 1}: exit {code}: {answer}")
            time.sleep(delay)
            phase = lab.status().get("phase")
            strike(lab, number)
            ended = wait_settled(lab)
            changes += ended != primary
            outcome.notes.append(f"round {number + 1}: struck after {delay:.2f} s ({phase}): "
                                 f"{primary} -> {ended}")
            time.sleep(1.5)
        judge(lab, outcome, wait_settled(lab), changes)
    return outcome


def kill_daemon(lab, _):
    lab.daemon.send(signal.SIGKILL)
    time.sleep(random.uniform(0.2, 2))
    lab.start_daemon()


def kill_agent(lab, number):
    site = (lab.a, lab.b)[number % 2]
    site.agent.send(signal.SIGKILL)
    time.sleep(random.uniform(0.2, 3))
    site.start_agent()


def cut_link(lab, number):
    one, other = (("monitor", "site-a"), ("monitor", "site-b"), ("site-a", "site-b"))[number % 3]
    lab.net.cut_pair(one, other)
    time.sleep(random.uniform(1, 12))
    lab.net.heal(f"{one}>{other}")
    lab.net.heal(f"{other}>{one}")


def daemon_killed(binaries, rounds=2):
    return interrupted(binaries, "switchover-daemon-killed", kill_daemon, rounds)


def agent_killed(binaries, rounds=6):
    return interrupted(binaries, "switchover-agent-killed", kill_agent, rounds)


def links_cut(binaries, rounds=9):
    return interrupted(binaries, "switchover-links-cut", cut_link, rounds)
