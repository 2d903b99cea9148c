"""Failovers that must happen: each function makes one fault and gives back an Outcome."""

import contextlib
import dataclasses
import random
import signal
import time

import measure
from lab import Lab, LabError, now, wait_until


@dataclasses.dataclass
class Outcome:
    """What one run showed; times are seconds from the fault, None when it never happened."""
    name: str
    answer_s: float | None = None      # The authoritative answer had changed.
    write_s: float | None = None       # site-b had taken its first write.
    closed_s: float | None = None      # site-a had taken its last one.
    acknowledged: int = 0
    lost_mysql: int = 0
    lost_redis: int = 0
    lost_elsewhere: int = 0            # Of these, writes of clients that are not beside site-a.
    problems: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    timeline: list = dataclasses.field(default_factory=list)
    late: list = dataclasses.field(default_factory=list)  # Right, but not within its limit.
    set_up: bool = True                # False: a server of the laboratory did not start.

    @property
    def wrong(self):
        return self.problems + self.late

    def in_time(self, value, limit, sentence):
        """Something that happened, but maybe not within its limit; what never did is wrong."""
        if value is None:
            self.problems.append(f"never happened: {sentence}")
        elif value > limit:
            self.late.append(sentence)

    def must(self, holds, sentence):
        if not holds:
            self.problems.append(sentence)


# Seconds within which a median must lie: the answer, the first write at site-b.
LIMITS = {"a": (2.0, 3.0), "b": (3.5, 6.5), "c": (3.5, 6.5), "d": (3.5, 6.5)}


@contextlib.contextmanager
def fresh_lab(outcome, binaries, **options):
    """A laboratory, whose logs are kept when the outcome shows something wrong."""
    with Lab(binaries, **options) as lab:
        try:
            yield lab
        finally:
            lab.keep = lab.keep or bool(outcome.wrong)


@contextlib.contextmanager
def live_lab(outcome, binaries, settled=True, service=None, **options):
    """A laboratory under load in which a failover could be made at any moment.

    An agent that started behaves for the longest promise as if it had just vouched (9.5 s); a lab
    that is `settled` is older than that.
    """
    with fresh_lab(outcome, binaries, **options) as lab:
        lab.service = service or {}
        lab.start_sites()
        lab.start_pointsman()
        lab.wait_steady()
        lab.start_load()
        lab.wait_ready_to_move()
        time.sleep(max(2.0, lab.agents_since + 10.5 - now() if settled else 0.0))
        time.sleep(random.uniform(0, 1))  # Faults come at any phase of the probes.
        yield lab


def moved(lab, outcome, fault_at, within):
    """Waits for the end of the failover, stops the load and measures."""
    try:
        wait_until("site-b takes writes by name", within, lambda: measure.first_answer(
            lab, "site-b", fault_at) and measure.first_taken(lab, "site-b", fault_at), every=0.1)
        lab.wait_steady("site-b", within=20)
    except LabError as error:
        outcome.problems.append(str(error))
    time.sleep(1.0)
    lab.stop_load()
    since = lambda at: None if at is None else round(at - fault_at, 3)  # noqa: E731
    outcome.answer_s = since(measure.first_answer(lab, "site-b", fault_at))
    outcome.write_s = since(measure.first_taken(lab, "site-b", fault_at))
    outcome.closed_s = since(measure.last_taken(lab, "site-a"))
    outcome.problems += measure.two_writers(lab)
    outcome.timeline = timeline(lab, fault_at)
    count_losses(lab, outcome)


def count_losses(lab, outcome, survivor=None):
    lost = measure.lost_writes(lab, survivor or lab.b, now())
    outcome.acknowledged = lost["acknowledged"]
    outcome.lost_mysql, outcome.lost_redis = len(lost["mysql"]), len(lost["redis"])
    gone = {write.id for store in ("mysql", "redis") for write in lost[store]}
    outcome.lost_elsewhere = sum(not own.startswith("near-a") for own in gone)


def timeline(lab, fault_at):
    """pointsman's own account of the move beside what was seen from outside."""
    seen = [(round(at - fault_at, 3), f"seen: the name leads to {to}")
            for at, to in measure.answers(lab) if at >= fault_at]
    for letter in "ab":
        for store in ("mysql", "redis"):
            for _, at, state in measure.states(lab, f"site-{letter}", "watch", f"S {store}"):
                if at >= fault_at:
                    seen.append((round(at - fault_at, 3), f"seen: site-{letter} {store} {state}"))
    for site in ("site-a", "site-b"):
        at = (measure.last_taken if site == "site-a" else measure.first_taken)(lab, site, *(
            [] if site == "site-a" else [fault_at]))
        if at is not None:
            word = "last" if site == "site-a" else "first"
            seen.append((round(at - fault_at, 3), f"seen: {word} write taken by {site}"))
    status = lab.status()
    for at, what in measure.move_marks(status.get("last_move") or status.get("current_move")):
        seen.append((round(at - fault_at, 3), what))
    return sorted(seen)


def received_is_kept(lab, outcome, position):
    """site-b applied all that it had received before it wrote a transaction of its own."""
    received, own = measure.sequence(position), measure.first_own_sequence(lab.b)
    outcome.must(own is None or own == received + 1,
                 f"site-b had received up to {received} but went on with {own}")
    outcome.notes.append(f"received {received}, went on with {own}")


def scenario_a(binaries):
    """The HTTP service is killed; the agent and the stores live."""
    outcome = Outcome("a")
    with live_lab(outcome, binaries) as lab:
        fault_at = now()
        lab.a.kill_http()
        moved(lab, outcome, fault_at, 15)
    return outcome


def scenario_b(binaries, **options):
    """The link of site-a is cut."""
    outcome = Outcome("b")
    with live_lab(outcome, binaries, **options) as lab:
        fault_at = now()
        lab.net.cut_site("site-a")
        time.sleep(1.0)
        position = measure.received_position(lab.b)
        moved(lab, outcome, fault_at, 20)
        received_is_kept(lab, outcome, position)
    return outcome


def scenario_semi_sync(binaries):
    """As b, with semi-synchronous replication: no acknowledged write may be missing."""
    outcome = scenario_b(binaries, semi_sync=True)
    outcome.name = "semi-sync"
    outcome.must(outcome.lost_mysql == 0, f"{outcome.lost_mysql} writes lost in MariaDB")
    return outcome


def scenario_late_applier(binaries):
    """As b, while a lock holds site-b's applier up until well after the cut: what it had received
    by then must be applied before it opens."""
    outcome = Outcome("late-applier")
    with live_lab(outcome, binaries) as lab:
        lock = lab.b.place.spawn("lock", [
            "mariadb", "--no-defaults", "-uroot", f"--socket={lab.b.mysql.socket}", "-e",
            "LOCK TABLES app.writes READ; SELECT SLEEP(3600)"])
        time.sleep(0.8)
        fault_at = now()
        lab.net.cut_site("site-a")
        time.sleep(1.0)
        position = measure.received_position(lab.b)
        behind = measure.sequence(position) - measure.sequence(lab.b.mysql.position())
        outcome.notes.append(f"{behind} transactions received but not applied when site-a was cut")
        outcome.must(behind > 20, "the applier was not late")
        time.sleep(7.0)
        lab.b.mysql.end_clients()
        lock.kill()
        moved(lab, outcome, fault_at, 20)
        received_is_kept(lab, outcome, position)
    return outcome


def scenario_c(binaries):
    """MariaDB of site-a is frozen, everything else lives; it wakes when the move is over."""
    outcome = Outcome("c")
    with live_lab(outcome, binaries) as lab:
        fault_at = now()
        lab.a.mysql.process.send(signal.SIGSTOP)
        time.sleep(1.0)
        position = measure.received_position(lab.b)
        wait_until("site-b takes writes", 20,
                   lambda: measure.first_taken(lab, "site-b", fault_at), every=0.1)
        lab.a.mysql.process.send(signal.SIGCONT)
        moved(lab, outcome, fault_at, 20)
        received_is_kept(lab, outcome, position)
    return outcome


def scenario_d(binaries):
    """The agent of site-a is frozen and its link cut: only the kernel can close the site."""
    outcome = Outcome("d")
    with live_lab(outcome, binaries) as lab:
        fault_at = now()
        lab.a.agent.send(signal.SIGSTOP)
        lab.net.cut_site("site-a")
        moved(lab, outcome, fault_at, 20)
        outcome.must(outcome.closed_s is not None and outcome.write_s is not None
                     and outcome.closed_s < outcome.write_s, "the dead-man switch was late")
    return outcome


def scenario_bind_stopped(binaries):
    """BIND is frozen during the move: promotion goes on, publishing follows when BIND wakes."""
    outcome = Outcome("bind-stopped")
    with live_lab(outcome, binaries) as lab:
        fault_at = now()
        lab.bind.process.send(signal.SIGSTOP)
        lab.net.cut_site("site-a")
        wait_until("site-b takes writes", 20,
                   lambda: measure.first_taken(lab, "site-b", fault_at), every=0.1)
        took = measure.first_taken(lab, "site-b", fault_at) - fault_at
        outcome.in_time(took, 10.5, f"site-b took writes only after {took:.1f} s")
        phase = lab.status().get("phase")
        lab.bind.process.send(signal.SIGCONT)
        woke = now()
        moved(lab, outcome, fault_at, 30)
        answer = None if outcome.answer_s is None else outcome.answer_s + fault_at - woke
        outcome.notes.append(f"phase while BIND slept: {phase}; answer {answer} s after waking")
        outcome.in_time(answer, 6.0, f"published only {answer} s after BIND woke")
    return outcome
