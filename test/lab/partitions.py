"""Faults of the network and of processes, and schedules of them for the partition suite."""

import dataclasses
import itertools
import random
import signal

PAIRS = (("monitor", "site-a"), ("monitor", "site-b"), ("site-a", "site-b"), ("monitor", "dns"))
SITES = ("site-a", "site-b")


@dataclasses.dataclass
class Fault:
    """What happens from `at` on for `lasting` seconds of an episode."""
    at: float
    lasting: float
    kind: str
    where: tuple
    amount: float = 0.0

    def __str__(self):
        amount = f" {self.amount:g}" if self.amount else ""
        return (f"{self.at:5.1f} s, for {self.lasting:4.1f} s: {self.kind} "
                f"{' '.join(self.where)}{amount}")

    def steps(self):
        """[(time, begins)]: a flapping link begins and ends again and again."""
        if self.kind not in ("flap", "flap-site"):
            return [(self.at, True), (self.at + self.lasting, False)]
        half = self.amount / 2
        times = itertools.takewhile(lambda t: t < self.at + self.lasting,
                                    (self.at + k * half for k in itertools.count()))
        steps = [(t, k % 2 == 0) for k, t in enumerate(times)]
        return steps + [(self.at + self.lasting, False)]


def _process(lab, where):
    if where == "monitor":
        return lab.daemon
    site = lab.sites["site-" + where[-1]]
    return site.mysql.process if where.startswith("mysql") else site.agent


def begin(lab, fault):
    net, where = lab.net, fault.where
    if fault.kind in ("cut-site", "flap-site"):
        net.cut_site(where[0])
    elif fault.kind == "cut-host":
        net.cut_host(where[0])
    elif fault.kind in ("cut-pair", "flap"):
        net.cut_pair(*where)
    elif fault.kind == "one-way":
        net.drop_one_way(*where)
    elif fault.kind == "loss":
        net.lose(*where, int(fault.amount))
    elif fault.kind == "slow":
        net.slow(where[0], fault.amount, fault.amount / 4)
    elif fault.kind == "freeze":
        _process(lab, where[0]).send(signal.SIGSTOP)
    elif fault.kind == "kill":
        _process(lab, where[0]).kill()
    else:
        raise ValueError(fault.kind)


def end(lab, fault):
    net, where = lab.net, fault.where
    if fault.kind in ("cut-site", "flap-site", "cut-host"):
        net.heal(where[0])
    elif fault.kind in ("cut-pair", "flap"):
        net.heal(f"{where[0]}>{where[1]}")
        net.heal(f"{where[1]}>{where[0]}")
    elif fault.kind == "one-way":
        net.heal(f"{where[0]}>{where[1]}")
    elif fault.kind == "loss":
        net.heal(f"{where[0]}~{where[1]}")
    elif fault.kind == "slow":
        net.end_slow(where[0])
    elif fault.kind == "freeze":
        _process(lab, where[0]).send(signal.SIGCONT)
    elif fault.kind == "kill":
        if where[0] == "monitor":
            lab.start_daemon()
        else:
            lab.sites["site-" + where[0][-1]].start_agent()


def _draw_fault(chance, seconds):
    at = chance.uniform(0, seconds * 0.6)
    lasting = min(chance.choice((0.4, 1.5, 3.0, 6.0, 12.0)) * chance.uniform(0.7, 1.4),
                  seconds - at)
    pair = chance.choice(PAIRS)
    site = chance.choice(SITES)
    kind = chance.choice(("cut-site", "cut-host", "cut-pair", "cut-pair", "one-way", "one-way",
                          "loss", "flap", "flap-site", "slow", "freeze", "kill"))
    if kind in ("cut-site", "flap-site"):
        where = (site,)
    elif kind == "cut-host":
        where = (chance.choice(("monitor", "dns")),)
    elif kind == "one-way":
        where = pair if chance.random() < 0.5 else pair[::-1]
    elif kind == "slow":
        where = (chance.choice(("site-a", "site-b", "monitor")),)
    elif kind == "freeze":
        where = (chance.choice(("monitor", "agent-a", "agent-b", "mysql-a")),)
    elif kind == "kill":
        where = (chance.choice(("monitor", "agent-a", "agent-b")),)
    else:
        where = pair
    amount = {"loss": chance.choice((10, 30, 60)), "flap": chance.uniform(0.3, 3.0),
              "flap-site": chance.uniform(0.3, 3.0),
              "slow": chance.choice((50, 150, 400))}.get(kind, 0.0)
    return Fault(round(at, 2), round(lasting, 2), kind, where, round(amount, 2))


def draw(seed, seconds=20.0):
    """A schedule of one to four faults; no two of one kind at one place, for they would end each
    other."""
    chance = random.Random(seed)
    faults, taken = [], set()
    for _ in range(chance.choice((1, 1, 2, 2, 3, 4))):
        fault = _draw_fault(chance, seconds)
        # Cuts of one place share a rule; a process that was killed cannot be frozen.
        places = {("rule", where) for where in fault.where}
        if not places & taken:
            taken |= places
            faults.append(fault)
    return sorted(faults, key=lambda fault: fault.at)


# Name -> (schedule, failovers that may come of it).
NAMED = {
    "sites-apart": ([Fault(0, 20, "cut-pair", ("site-a", "site-b"))], (0,)),
    "monitor-alone": ([Fault(0, 20, "cut-host", ("monitor",))], (0,)),
    "requests-lost": ([Fault(0, 12, "one-way", ("monitor", "site-a"))], (0,)),
    "replies-lost": ([Fault(0, 12, "one-way", ("site-a", "monitor"))], (0,)),
    "site-deaf": ([Fault(0, 20, "one-way", ("monitor", "site-a")),
                   Fault(0, 20, "one-way", ("site-b", "site-a"))], (0, 1)),
    "flapping": ([Fault(0, 30, "flap-site", ("site-a",), 2.2)], (0, 1)),
    "loss-30": ([Fault(0, 25, "loss", ("monitor", "site-a"), 30),
                 Fault(0, 25, "loss", ("site-b", "site-a"), 30),
                 Fault(0, 25, "loss", ("dns", "monitor"), 30)], (0, 1)),
    "slow-line": ([Fault(0, 25, "slow", ("site-a",), 150)], (0,)),
    "slow-standby-cut-primary": ([Fault(0, 25, "slow", ("site-b",), 150),
                                  Fault(3, 22, "cut-site", ("site-a",))], (1,)),
}
