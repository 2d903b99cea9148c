"""A laboratory that is set back to its first minute, with processes that die at a crash point.

    with CrashLab(binaries) as lab:
        lab.start_sites()
        for each point: outcome = Episode(lab, victim, point, how).play()

The programs are those of crash_tests.cmake. One episode is a first run, an operator's failover from
site-a to site-b under load, a process that dies or freezes at the point, and its return.
"""

import json
import pathlib
import signal
import subprocess
import time

import measure
from lab import Lab, LabError, now, wait_until
from servers import SetUpError

VICTIMS = ("pointsmand", "agent-a", "agent-b")
FROZEN_S = 6.0  # Longer than lease, promise and the lateness that a loop may have.


def state_of(pid):
    """The kernel's letter for a process; "" when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def two_writers(lab):
    """As measure.two_writers(), where site-a is fenced by order and site-b open a moment later: an
    answer of site-a may then still be under way, but nothing that was sent since may be taken."""
    taken = [w for w in measure.all_writes(lab) if w.taken]
    first = min((w.done for w in taken if w.site == "site-b"), default=None)
    late = [w for w in taken if w.site == "site-a" and first is not None and w.sent > first]
    return measure.account_overlaps(lab) + [
        f"site-a took {w.id}, sent {w.sent - first:.3f} s after site-b's first answer"
        for w in late[:3]]


class CrashLab(Lab):
    """Starts the programs that have crash points, with an environment for one of them."""

    def __init__(self, binaries, programs="crash-"):
        super().__init__(binaries)
        self.programs = programs  # What their names begin with.
        self.environment = {name: {} for name in VICTIMS}
        self.service = {"hold_down": "0s"}

    def configure(self):
        super().configure()
        for site in self.sites.values():  # A unit that tells how often it was started.
            script = site.place.folder / "agent" / "worker"
            script.write_text(script.read_text().replace(
                "setsid sleep infinity", "setsid sh -c 'echo started; exec sleep infinity'"))

    def _spawn(self, place, victim, name, argv):
        words = [f"{key}={value}" for key, value in self.environment[victim].items()]
        return place.spawn(name, ["/usr/bin/env", *words, *argv])

    def start(self, victim):
        if victim == "pointsmand":
            self.daemon = self._spawn(self.monitor, victim, "pointsmand", [
                self.binaries / f"{self.programs}pointsmand", "--config",
                self.monitor.folder / "pointsman.toml"])
        else:
            site = self.site_of(victim)
            site.agent = self._spawn(site.place, victim, "agent", [
                self.binaries / f"{self.programs}pointsman-agent", "--config",
                site.place.folder / "agent" / "agent.toml"])

    def site_of(self, victim):
        return {"agent-a": self.a, "agent-b": self.b}[victim]

    def process(self, victim):
        return self.daemon if victim == "pointsmand" else self.site_of(victim).agent

    def set_back(self):
        """As on the first day: site-a writable, site-b following it, nobody ever in power."""
        for victim in VICTIMS:
            if self.process(victim):
                self.process(victim).kill()
        for site in self.sites.values():
            folder = site.place.folder / "agent"
            site.place.run(["nft", "flush", "ruleset"])
            site.place.run([folder / "worker", "stop"])
            self._empty(folder / "state")
            (folder / "worker.log").unlink(missing_ok=True)
            site.redis.cli("REPLICAOF", "NO", "ONE")
            site.redis.cli("CONFIG", "SET", "min-replicas-to-write", "0")
            site.redis.cli("FLUSHALL")
            site.mysql.sql("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only=1; "
                           "SET SESSION sql_log_bin=0; TRUNCATE app.writes; RESET MASTER; "
                           "SET GLOBAL gtid_slave_pos=''")
        self._empty(self.monitor.folder / "state")
        self.bind.update("update delete _pointsman.api.example.test. TXT",
                         "update delete api.example.test. A",
                         f"update add api.example.test. 60 A {self.a.address}")
        self.make_pair()
        self.a.place.run([self.a.place.folder / "agent" / "worker", "start"])
        for path in self.folder.glob("*/*.events"):
            path.unlink()

    @staticmethod
    def _empty(folder):
        for path in folder.iterdir():
            path.unlink()

    def start_load(self):
        """Fewer writes than elsewhere: what counts is who takes them."""
        tool = self.binaries / "lab-client"
        for name, site in self.sites.items():
            near = self.place(f"near-{name[-1]}")
            self._load(near, "near", [tool, "write", "--prefix", near.folder.name, "--rate", "20",
                                      "--address", site.address])
            self._load(near, "try", [
                tool, "try", "--prefix", f"try-{name[-1]}", "--mysql", f"{site.address}:3306",
                "--redis", f"{site.address}:6379", "--every-ms", "50"])
            self._load(site.place, "watch", [
                tool, "watch", "--mysql-socket", site.mysql.socket, "--redis", "127.0.0.1:6379"])

    def serial(self):
        return int(self.bind.dig("example.test", "SOA")[0].split()[2])

    def highest(self):
        """The highest number that each agent has kept durably."""
        found = {}
        for name, site in self.sites.items():
            path = site.place.folder / "agent" / "state" / "im-api.json"
            found[name] = int(json.loads(path.read_text())["highest"]) if path.exists() else 0
        return found


class Episode:
    """One move, a failover or a switchover, in which `victim` meets its end, or its freeze, at
    `point`."""

    def __init__(self, lab, victim, point, how="die", verb="failover"):
        self.lab, self.victim, self.point, self.how = lab, victim, point, how
        self.verb = verb
        self.met_at = self.back_at = None
        self.problems = []
        self.ordering = None
        self.orders = 0
        self.serial, self.numbers, self.took = 0, {}, 0.0
        self.environment = {}  # Of any process, besides.

    def must(self, holds, sentence):
        if not holds:
            self.problems.append(sentence)

    def tend(self):
        """Brings the victim back some time after it met its point; true when that is done."""
        if not self.point:
            return True
        process = self.lab.process(self.victim)
        if self.met_at is None:
            if self.how == "die" and not process.alive():
                self.met_at = now()
            elif self.how == "stop" and state_of(process.pid) == "T":
                self.met_at = now()
        elif self.back_at is None:
            rest = 0.5 if self.how == "die" else FROZEN_S
            if now() >= self.met_at + rest:
                self.back_at = now()
                if self.how == "die":
                    self.lab.environment[self.victim] = {}
                    self.lab.start(self.victim)
                else:
                    process.send(signal.SIGCONT)
        return self.back_at is not None

    def until(self, what, within, ask):
        def asked():
            self.tend()
            return ask()
        return wait_until(what, within, asked, every=0.1)

    def steady_at(self, site):
        seen = self.lab.status()
        verdicts = {s["name"]: s["verdict"] for s in seen.get("sites", [])}
        return (seen.get("phase") == "steady" and seen.get("primary") == site
                and verdicts.get(site) == "up")

    def begin(self):
        self.lab.set_back()
        self.lab.environment = {name: {} for name in VICTIMS} | self.environment
        if self.point:
            self.lab.environment[self.victim] = {"POINTSMAN_CRASH_AT": self.point,
                                                 "POINTSMAN_CRASH_HOW": self.how}
        for victim in VICTIMS:
            self.lab.start(victim)

    def order(self):
        argv = self.lab.monitor.argv([
            self.lab.binaries / "pointsman", self.verb, "im-api", "--to", "site-b", "--yes",
            "--json", "--config", self.lab.monitor.folder / "pointsman.toml"])
        self.end_order()
        self.ordering = subprocess.Popen(argv, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
        self.orders += 1

    def end_order(self):
        if self.ordering:
            self.ordering.kill()
            self.ordering.wait()
            self.ordering = None

    def moved(self):
        """True when the move has ended; orders it anew where it died before its intent did live."""
        seen = self.lab.status()
        if self.ordering.poll() is not None and seen.get("phase") in ("steady", "suspect"):
            move = seen.get("last_move") or {}
            if seen.get("primary") == "site-a" and move.get("outcome") != "done":
                self.order()
                return False
            if seen.get("primary") == "site-a" and move.get("kind") != self.verb:
                if self.verb == "failover" or move.get("kind") != "recrown":  # Else it was undone.
                    self.nothing_done("without an intent")
                self.order()
                return False
        return self.steady_at("site-b") and (self.verb == "failover" or self.follows())

    def follows(self):
        """A planned move: site-a has become the standby of site-b."""
        return self.lab.a.mysql.following() and self.lab.a.redis.following()

    def get_ready(self, environment=None):
        """Until a failover could be made, under load."""
        self.environment = environment or self.environment
        self.begin()
        self.until("steady at site-a", 40, lambda: self.steady_at("site-a"))
        self.lab.start_load()
        self.until("gates open", 40, lambda: set(self.lab.closed_gates()) <= {"witness"})
        time.sleep(0.5)
        self.serial, self.numbers = self.lab.serial(), self.lab.highest()

    def nothing_done(self, when):
        """No effect anywhere: neither in the zone nor in what the agents keep."""
        self.must(self.lab.serial() == self.serial, f"{when}: the zone changed")
        self.must(self.lab.highest() == self.numbers,
                  f"{when}: {self.numbers} became {self.lab.highest()}")

    def play(self):
        began = now()
        try:
            self.get_ready()
            self.order()
            self.until("site-b in power, the move over", 60, self.moved)
            if self.point:
                self.until(f"{self.victim} passed {self.point}", 5, self.tend)
                self.until("steady at site-b still", 30, lambda: self.steady_at("site-b"))
                self.until("all agents answer", 20, self.agents_answer)
            self.judge()
        except SetUpError:
            raise
        except LabError as error:
            self.problems.append(f"{error}; status: {json.dumps(self.lab.status())[:1500]}")
        finally:
            self.end_order()
            self.lab.stop_load()
        self.took = now() - began
        return self

    def agents_answer(self):
        return all(site.get("agent") == "up" for site in self.lab.status().get("sites", []))

    def judge(self):
        lab = self.lab
        try:
            self.until("site-b takes writes", 10,
                       lambda: measure.last_taken(lab, "site-b") is not None)
        finally:
            lab.stop_load()
        seen = lab.status()
        move = seen.get("last_move") or {}
        self.must(move.get("kind") == self.verb and move.get("outcome") == "done",
                  f"the move ended as {move.get('kind')} {move.get('outcome')}: "
                  f"{move.get('reason')}")
        self.problems += two_writers(lab)
        # A number that the standby voided while its monitor was away may have been published, too.
        grown, reigns = lab.serial() - self.serial, seen["epoch"] - max(self.numbers.values())
        self.must(1 <= grown <= reigns, f"the zone changed {grown} times in {reigns} reigns")
        self.must(reigns == 1 or self.how == "stop" or self.orders > 1, f"{reigns} reigns")
        self.must(lab.bind.lookup() == [lab.b.address], f"the record is {lab.bind.lookup()}")
        mark = " ".join(lab.bind.marks())
        self.must(f"epoch={seen.get('epoch')} " in mark, f"epoch {seen.get('epoch')}, mark {mark}")
        numbers = lab.highest()
        self.must(set(numbers.values()) == {seen.get("epoch")},
                  f"epoch {seen.get('epoch')}, the agents keep {numbers}")
        closed = [site.mysql.sql("SELECT @@read_only").strip() for site in (lab.a, lab.b)]
        self.must(closed == ["1", "0"], f"read_only of the two sites: {closed}")
        told = lab.b.place.folder / "agent" / "worker.log"
        starts = told.read_text().split() if told.exists() else []
        self.must(starts == ["started"], f"the unit of site-b was started {len(starts)} times")
        code, chain = lab.cli("history", "--verify", check=False)
        self.must(code == 0, f"history --verify: {chain}")
        kept = lab.b.mysql.ids()
        lost = [w.id for w in measure.all_writes(lab)
                if w.taken and w.site == "site-b" and w.id not in kept]
        self.must(not lost, f"site-b took and lost {len(lost)} writes")
        if self.verb == "switchover":
            missing = measure.lost_writes(lab, lab.b, now())
            for store in ("mysql", "redis"):
                self.must(not missing[store], f"{len(missing[store])} acknowledged writes are "
                          f"missing in {store}")
