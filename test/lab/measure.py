"""Reads the laboratory's event logs: who took writes when, what the name said, what was lost."""

import dataclasses
import datetime
import time

import lab_net

NS = 1e9


@dataclasses.dataclass
class Write:
    id: str
    sent: float
    done: float
    site: str
    result: str

    @property
    def taken(self):
        return self.result == "200"


SITE_OF = {address: name for name, address in lab_net.ADDRESS.items()}


def writes(lab, *sources):
    """Writes of ("client", "client"), ("near-a", "near"), ... in order of their answers."""
    found = []
    for host, name in sources:
        for line in lab.events(host, name):
            if line.startswith("W "):
                _, own, sent, done, address, result = line.split(" ", 5)
                found.append(Write(own, int(sent) / NS, int(done) / NS,
                                   SITE_OF.get(address, address), result))
    return sorted(found, key=lambda write: write.done)


def all_writes(lab):
    return writes(lab, ("client", "client"), ("near-a", "near"), ("near-b", "near"))


def answers(lab):
    """[(time, site that the name led to)], whenever it changed; "silent" when BIND was."""
    found = []
    for line in lab.events("client", "client"):
        if line.startswith("A "):
            _, at, address = line.split(" ", 2)
            found.append((int(at) / NS, SITE_OF.get(address, address)))
    return found


def states(lab, host, name, head):
    """[(from, state)] of a witness: from when its question was answered so for the first time."""
    found = []
    for line in lab.events(host, name):
        if line.startswith(head + " "):
            asked, answered, state = line[len(head) + 1:].split(" ", 2)
            found.append((int(asked) / NS, int(answered) / NS, state))
    return found


def blind_gaps(lab):
    """Witnesses of stores that got no answer for ten steps: "unknown" then."""
    return [line for host in ("site-a", "site-b") for line in lab.events(host, "watch")
            if line.startswith("G ")]


def first_answer(lab, site, after):
    return next((at for at, to in answers(lab) if to == site and at >= after), None)


def first_taken(lab, site, after):
    return next((w.done for w in all_writes(lab)
                 if w.taken and w.site == site and w.sent >= after), None)


def last_taken(lab, site, before=None):
    took = [w.done for w in all_writes(lab)
            if w.taken and w.site == site and (before is None or w.sent < before)]
    return took[-1] if took else None


def direct_taken_until(lab, near, store, after):
    """When a client at the store's own port was refused for the first time after `after`."""
    last = None
    for asked, answered, state in states(lab, near, "try", f"T {store}"):
        if answered < after:
            last = state
        elif last == "taken" and not state.startswith("taken"):
            return answered
        else:
            last = state
    return None if last == "taken" else after


def two_writers(lab):
    """Sentences, one for each way in which two sites took writes; none must be found."""
    spans = {}
    for write in all_writes(lab):
        if write.taken:
            first, _ = spans.get(write.site, (write.done, None))
            spans[write.site] = (first, write.done)
    found = account_overlaps(lab)
    if len(spans) == 2:
        (one, (a1, a2)), (two, (b1, b2)) = spans.items()
        if a1 <= b2 and b1 <= a2:
            found.append(f"{one} took writes {a1:.3f}..{a2:.3f}, {two} {b1:.3f}..{b2:.3f}")
    return found


def _spans(changes, wanted, end):
    spans, since = [], None
    for asked, answered, state in changes:
        if wanted(state):
            since = answered if since is None else since
        elif since is not None:
            spans.append((since, asked))
            since = None
    if since is not None:
        spans.append((since, end))
    return spans


# A witness asks every 20 ms, so what it saw may be over by that much.
SAMPLE = 0.045


def account_overlaps(lab):
    """Where both stores of one kind said of themselves that they take writes, for longer than the
    witnesses' step, and a client beside each site could reach them."""
    found = []
    wanted = {"mysql": lambda s: s == "read_only=0",
              "redis": lambda s: s == "role=master min_replicas=0"}
    end = max((w.done for w in all_writes(lab)), default=0)
    for store, open_state in wanted.items():
        spans = []
        for letter in "ab":
            own = _spans(states(lab, f"site-{letter}", "watch", f"S {store}"), open_state, end)
            reached = _spans(states(lab, f"near-{letter}", "try", f"T {store}"),
                             lambda s: s == "taken", end)
            spans.append([(max(a, c), min(b, d)) for a, b in own for c, d in reached
                          if max(a, c) < min(b, d)])
        for a1, a2 in spans[0]:
            for b1, b2 in spans[1]:
                if min(a2, b2) - max(a1, b1) > SAMPLE:
                    found.append(f"{store}: both open {max(a1, b1):.3f}..{min(a2, b2):.3f}")
    return found


def lost_writes(lab, survivor, before):
    """Acknowledged writes, sent before `before`, that the survivor has not: per store."""
    taken = [w for w in all_writes(lab) if w.taken and w.sent < before]
    in_mysql, in_redis = survivor.mysql.ids(), survivor.redis.ids()
    return {"acknowledged": len(taken),
            "mysql": [w for w in taken if w.id not in in_mysql],
            "redis": [w for w in taken if w.id not in in_redis]}


def received_position(site):
    """The GTID that this standby's receiver has on disk, applied or not."""
    return site.mysql.replica().get("Gtid_IO_Pos", "")


def sequence(gtid):
    return int(gtid.rsplit("-", 1)[1]) if gtid else 0


def first_own_sequence(site):
    """The number of the first transaction that this site wrote itself: one more than the last that
    it had applied when it was promoted."""
    logs = sorted(site.mysql.data.glob("binlog.0*"))
    text = site.place.run(["mariadb-binlog", "--no-defaults", "--base64-output=never",
                           *map(str, logs)], within=60)
    own = f"GTID 0-{site.mysql.server_id}-"
    numbers = [int(line.split(own)[1].split()[0]) for line in text.splitlines() if own in line]
    return min(numbers) if numbers else None


def move_marks(move):
    """[(monotonic seconds, sentence)]: the daemon's own timeline of a move, or of one under way.

    A move tells its start by the wall clock, which nobody sets back during a run.
    """
    if not move or not move.get("started"):
        return []
    wall = datetime.datetime.fromisoformat(move["started"].replace("Z", "+00:00")).timestamp()
    start = wall - (time.time() - time.monotonic())
    return [(start + mark["at_s"], mark["what"]) for mark in move.get("timeline", [])]
