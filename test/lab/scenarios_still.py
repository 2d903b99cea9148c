"""Cases in which nothing must move, and in which nothing must stop."""

import contextlib
import re
import time

import measure
from lab import now, wait_until
from scenarios_move import Outcome, fresh_lab, live_lab


class Still:
    """Watches that no role, record or epoch changes, and names the gates that held."""

    def __init__(self, lab, outcome, gates):
        self.lab, self.outcome, self.gates = lab, outcome, gates
        self.began = now()
        self.epoch = lab.status().get("epoch")
        self.record = lab.bind.lookup()

    def hold(self, seconds):
        """Asks `explain` all the while; one of the gates must be among the closed ones."""
        seen, end = {}, now() + seconds
        while now() < end:
            seen |= self.lab.closed_gates()
            time.sleep(0.5)
        for gate in self.gates:
            self.outcome.must(gate in seen, f"explain never named the gate {gate}, but {seen}")
        self.outcome.must("no answer" not in seen, "the daemon did not answer")
        for gate, reason in seen.items():
            self.outcome.notes.append(f"gate {gate}: {reason}")
        return self

    def check(self, serving=("site-a",), record=None):
        lab, outcome = self.lab, self.outcome
        after = lab.status()
        outcome.must(after.get("epoch") == self.epoch,
                     f"epoch {self.epoch} became {after.get('epoch')}")
        there = lab.bind.lookup()
        outcome.must(there == (record or self.record), f"the record became {there}")
        outcome.must(measure.first_taken(lab, "site-b", self.began) is None,
                     "site-b took writes")
        for site in serving:
            late = measure.last_taken(lab, site)
            outcome.must(late is not None and late > now() - 1.0,
                         f"{site} took no write in the last second")


@contextlib.contextmanager
def still(name, binaries, gates):
    """A live laboratory, an outcome and a watch on it; ends with the load stopped."""
    outcome = Outcome(name)
    with live_lab(outcome, binaries, settled=False) as lab:
        yield lab, outcome, Still(lab, outcome, gates)
        lab.stop_load()
        outcome.problems += measure.two_writers(lab)


def still_while(name, binaries, gate, cut):
    """A cut of the network in which nothing must move, by one gate."""
    with still(name, binaries, [gate]) as (lab, outcome, watch):
        cut(lab.net)
        watch.hold(12).check()
        lab.net.restore()
    return outcome


def monitor_cut_off(binaries):
    """The monitor alone is cut off."""
    return still_while("monitor-cut-off", binaries, "connected",
                       lambda net: net.cut_host("monitor"))


def monitor_to_a_cut(binaries):
    """Only the monitor cannot reach site-a; site-b's agent sees it up."""
    return still_while("monitor-to-a-cut", binaries, "witness",
                       lambda net: net.cut_pair("monitor", "site-a"))


def one_way_loss(binaries):
    """What site-a sends to the monitor is lost, what the monitor sends arrives."""
    return still_while("one-way-loss", binaries, "witness",
                       lambda net: net.drop_one_way("site-a", "monitor"))


def site_b_down(binaries):
    """The standby is away: the monitor's vouch keeps the primary open."""
    return still_while("site-b-down", binaries, "target", lambda net: net.cut_site("site-b"))


def both_down(binaries):
    """Both sites are away at once."""
    with still("both-down", binaries, []) as (lab, outcome, watch):
        lab.net.cut_site("site-a")
        lab.net.cut_site("site-b")
        watch.hold(12).check(serving=())
        named = " ".join(outcome.notes)
        outcome.must("gate connected" in named or "gate target" in named,
                     f"neither connected nor target was named: {named}")
    return outcome


def replication_stopped(binaries, seconds=10):
    """site-b stopped receiving long before site-a died: a move would lose all since."""
    with still("replication-stopped", binaries, ["replication"]) as (lab, outcome, watch):
        lab.b.mysql.sql("STOP SLAVE IO_THREAD")
        time.sleep(seconds)
        lab.net.cut_site("site-a")
        watch.hold(12).check(serving=())
    return outcome


def delayed_replica(binaries):
    """A replica that is delayed on purpose cannot be promoted in time: said before, not after."""
    with still("delayed-replica", binaries, ["replication"]) as (lab, outcome, watch):
        lab.b.mysql.sql("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY=2; START SLAVE")
        wait_until("site-b follows", 10, lab.b.mysql.following)
        time.sleep(4)
        lab.net.cut_site("site-a")
        watch.hold(12).check(serving=())
    return outcome


def record_edited(binaries):
    """A person pointed the record elsewhere: hands off."""
    with still("record-edited", binaries, ["record"]) as (lab, outcome, watch):
        lab.bind.update("update delete api.example.test. A",
                        "update add api.example.test. 60 A 203.0.113.77")
        time.sleep(15)
        lab.net.cut_site("site-a")
        watch.hold(12).check(serving=(), record=["203.0.113.77"])
    return outcome


def two_failures(binaries):
    """Two failed probes, then a pass: doubt, and no more."""
    with still("two-failures", binaries, []) as (lab, outcome, watch):
        lab.client.run(["curl", "-s", "-m", "2", "-d", "2",
                        f"http://{lab.a.address}:8080/sick"])
        verdicts, end = set(), now() + 8
        while now() < end:
            verdicts.add(lab.site_status("site-a").get("verdict"))
            time.sleep(0.05)
        watch.hold(1).check()
        outcome.notes.append(f"verdicts of site-a seen: {sorted(map(str, verdicts))}")
        outcome.must("down" not in verdicts, "site-a was held to be down")
        outcome.must("suspect" in verdicts, "site-a was never suspected")
    return outcome


def paused(binaries):
    """An operator holds the service; releasing it lets the failover go on."""
    with still("paused", binaries, ["held"]) as (lab, outcome, watch):
        lab.cli("pause", "im-api", "--reason", "laboratory")
        lab.net.cut_site("site-a")
        watch.hold(12).check(serving=())
        lab.cli("resume", "im-api")
        wait_until("site-b takes writes after resume", 20,
                   lambda: measure.first_taken(lab, "site-b", watch.began), every=0.1)
    return outcome


def both_writable(binaries):
    """A fresh start with both stores writable: nothing is adopted, and it says why."""
    outcome = Outcome("both-writable")
    with fresh_lab(outcome, binaries) as lab:
        lab.start_servers()
        for site in lab.sites.values():
            site.mysql.sql("SET GLOBAL read_only=0")
            site.start_http()
        lab.configure()
        before = lab.snapshot()
        lab.start_pointsman()
        wait_until("status", 15, lab.status, every=0.2)
        time.sleep(8)
        outcome.must(lab.status().get("phase") == "unadopted",
                     f"phase {lab.status().get('phase')}")
        outcome.notes.append(f"explain: {lab.explain()}")
        unchanged(outcome, before, lab.snapshot())
    return outcome


def unchanged(outcome, before, after):
    for key in before:
        outcome.must(before[key] == after[key],
                     f"{key}: {str(before[key])[:300]} became {str(after[key])[:300]}")


def first_run(binaries):
    """A live pair meets pointsman: adopted in seconds, and nothing is touched before."""
    outcome = Outcome("first-run")
    with fresh_lab(outcome, binaries) as lab:
        lab.start_sites()
        lab.start_load()
        time.sleep(1)
        lab.configure()
        before = lab.snapshot()
        lab.start_pointsman(daemon=False)
        time.sleep(4)
        unchanged(outcome, before, lab.snapshot())
        began = now()
        lab.start_daemon()
        lab.wait_steady()
        took = now() - began
        outcome.notes.append(f"adopted after {took:.1f} s, epoch {lab.status().get('epoch')}")
        outcome.must(took < 10, f"adoption took {took:.1f} s")
        time.sleep(3)
        outcome.must(lab.snapshot()["soa"] == before["soa"], "adoption wrote to the zone")
        no_failed_write(lab, outcome, began)
    return outcome


def no_failed_write(lab, outcome, since):
    lab.stop_load()
    mine = [w for w in measure.writes(lab, ("client", "client"))
            if w.sent >= since and w.result != "late"]
    failed = [w for w in mine if not w.taken]
    outcome.notes.append(f"{len(mine)} writes, {len(failed)} failed")
    outcome.must(mine and not failed,
                 f"{len(failed)} of {len(mine)} writes failed: {failed[:3]}")
    outcome.problems += measure.two_writers(lab)


def agents_upgraded(binaries):
    """Both agents are restarted one after the other under load."""
    outcome = Outcome("agents-upgraded")
    with live_lab(outcome, binaries, settled=False) as lab:
        began = now()
        for site in (lab.b, lab.a):
            site.agent.stop()
            time.sleep(0.3)
            site.start_agent()
            time.sleep(5)
            lab.wait_steady()
        no_failed_write(lab, outcome, began)
    return outcome


def monitor_restarted_beside_survivor(binaries):
    """After a failover the old site stays dead; the monitor host restarts beside the survivor."""
    outcome = Outcome("monitor-restarted")
    with live_lab(outcome, binaries) as lab:
        lab.net.cut_site("site-a")
        wait_until("site-b takes writes", 20,
                   lambda: measure.first_taken(lab, "site-b", 0), every=0.1)
        lab.wait_steady("site-b", within=30)
        wait_until("the lone lease", 30,
                   lambda: lab.site_status("site-b").get("lease_s", 0) > 3600, every=0.2)
        began = now()
        lab.daemon.stop()
        time.sleep(15)
        lab.start_daemon()
        lab.wait_steady("site-b")
        time.sleep(5)
        no_failed_write(lab, outcome, began)
    return outcome


def monitor_down(binaries, seconds=30):
    """The monitor is away for a while: the standby's agent vouches."""
    outcome = Outcome("monitor-down")
    with live_lab(outcome, binaries, settled=False) as lab:
        began = now()
        lab.daemon.kill()
        time.sleep(seconds)
        lab.start_daemon()
        lab.wait_steady()
        time.sleep(3)
        no_failed_write(lab, outcome, began)
    return outcome


def wrong_key(binaries):
    """A wrong TSIG secret and a wrong key name are told apart before the night they matter."""
    outcome = Outcome("wrong-key")
    with fresh_lab(outcome, binaries) as lab:
        lab.start_sites()
        lab.start_pointsman()
        lab.wait_steady()
        code, answer = lab.cli("check", "--online", check=False)
        outcome.must(code == 0, f"check --online of a sound set-up: exit {code}: {answer}")
        credentials = lab.monitor.folder / "credentials.toml"
        sound = credentials.read_text()
        for found, wrong, told in ((lab.bind.secret, "A" * 43 + "=", "BADSIG"),
                                   (f'"{lab.bind.key}"', '"other-key"', "BADKEY")):
            credentials.write_text(sound.replace(found, wrong))
            code, answer = lab.cli("check", "--online", check=False)
            outcome.must(code != 0, f"check --online was content with {told}")
            outcome.must(told in str(answer), f"{told} was not told: {answer}")
            outcome.notes.append(f"{told}: exit {code}")
    return outcome


def dry_run(binaries):
    """The whole failover with every write rendered and nothing changed anywhere."""
    outcome = Outcome("dry-run")
    with fresh_lab(outcome, binaries) as lab:
        lab.start_sites()
        lab.start_pointsman()
        lab.wait_steady()
        lab.wait_ready_to_move()
        before = lab.snapshot()
        _, plan = lab.cli("failover", "im-api", "--dry-run", check=False)
        unchanged(outcome, before, lab.snapshot())
        shown = str(plan)
        for word in ("update", "read_only", "min-replicas-to-write"):
            outcome.must(re.search(word, shown, re.I), f"the dry run does not show {word}")
        outcome.must(lab.bind.secret not in shown, "the dry run shows the key")
        outcome.notes.append(f"plan: {shown[:2000]}")
    return outcome


def dry_daemon(binaries):
    """The daemon goes on dry beside a live pair whose primary's service dies."""
    outcome = Outcome("dry-daemon")
    with fresh_lab(outcome, binaries) as lab:
        lab.start_sites()
        lab.start_pointsman()
        lab.wait_steady()
        lab.wait_ready_to_move()
        lab.daemon.stop()
        before = lab.snapshot()
        lab.start_daemon(dry_run=True)
        wait_until("status", 15, lab.status, every=0.2)
        time.sleep(5)
        lab.a.kill_http()
        time.sleep(20)
        unchanged(outcome, before, lab.snapshot())
        told = (lab.monitor.folder / "pointsmand.log").read_text()
        renderings = len(re.findall("dry-run-write.*update add api.example.test", told))
        outcome.must(renderings == 1, f"the move was rendered {renderings} times")
        for word in ("update add api.example.test. 60 A 198.51.100.20", "prepare", "fence"):
            outcome.must(word in told, f"the dry daemon does not show: {word}")
        outcome.must(lab.bind.secret not in told, "the dry daemon shows the key")
        # It left no trace: the daemon that wrote the state is not taken for a restored one.
        lab.daemon.stop()
        lab.a.start_http()
        lab.start_daemon()
        lab.wait_steady()
        lab.wait_ready_to_move()
    return outcome
