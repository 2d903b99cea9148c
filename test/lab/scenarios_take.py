"""The night in which the monitor's host is dead too: a person gives site-b power."""

import subprocess
import time

import measure
from lab import now, wait_until
from scenarios_move import Outcome, live_lab

TAKE = ("take", "im-api", "--assert-off")


def agent_command(lab, site, *words, typed=""):
    """pointsman-agent at a site's own shell: (exit code, what it said)."""
    done = subprocess.run(
        site.place.argv([lab.binaries / "pointsman-agent", *words, "--reason", "laboratory",
                         "--config", site.place.folder / "agent" / "agent.toml"]),
        input=typed, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def end_site(lab, site):
    """The host is gone: nothing of it runs, nothing of it is reached."""
    lab.net.cut_site(site.name)
    site.kill_http()
    for process in (site.agent, site.mysql.process, site.redis.process):
        process.kill()


def failed_writes(lab, since):
    mine = [w for w in measure.writes(lab, ("near-b", "near"))
            if w.sent >= since and w.result != "late"]
    return len(mine), [w for w in mine if not w.taken]


def settled(lab, primary):
    status = lab.status()
    return status.get("phase") == "steady" and status.get("primary") == primary


def take(binaries):
    outcome = Outcome("take")
    with live_lab(outcome, binaries) as lab:
        code, said = agent_command(lab, lab.b, *TAKE, "site-a", "--yes")
        outcome.must(code == 4 and "site-a answers" in said, f"beside a live pair: {code} {said}")
        lab.daemon.kill()
        end_site(lab, lab.a)
        fault = now()
        time.sleep(8)
        outcome.must(measure.first_taken(lab, "site-b", fault) is None,
                     "site-b took writes before anybody gave it power")
        for site, typed, exit_code, word in (("site-c", "", 4, "is not the other site"),
                                             ("site-a", "site-b\n", 1, "nothing was done")):
            yes = ["--yes"] if not typed else []
            code, said = agent_command(lab, lab.b, *TAKE, site, *yes, typed=typed)
            outcome.must(code == exit_code and word in said, f"{site}: exit {code}: {said}")
        began = now()
        code, said = agent_command(lab, lab.b, *TAKE, "site-a", typed="site-a\n")
        outcome.notes.append(f"take: exit {code} after {now() - began:.1f} s: {said}")
        outcome.must(code == 0 and "must be KEPT OFF" in said, f"take: exit {code}: {said}")
        wait_until("site-b takes writes", 10, lambda: measure.first_taken(lab, "site-b", began))
        opened = measure.first_taken(lab, "site-b", began)
        outcome.must(opened - began >= 4.4, f"site-b opened {opened - began:.2f} s after the word")
        outcome.must(lab.b.mysql.sql("SELECT @@read_only").strip() == "0", "MariaDB is read-only")
        adopted(lab, outcome, opened + 0.5)
        returned(lab, outcome)
        lab.stop_load()
        outcome.problems += measure.two_writers(lab)
    return outcome


def adopted(lab, outcome, since):
    """The monitor comes back, repeats the word, and is settled; site-b is open throughout."""
    lab.start_daemon()
    wait_until("the monitor repeats the take", 20,
               lambda: "was taken by root (laboratory)" in str(lab.status().get("summary")))
    outcome.must("keep site-a off" in lab.closed_gates().get("adopted", ""),
                 f"explain: {lab.closed_gates()}")
    time.sleep(3)
    code, answer = lab.cli("adopt", "im-api", "--primary", "site-b", check=False)
    outcome.must(code == 4, f"adopted without a word on site-a: {code} {answer}")
    lab.cli("adopt", "im-api", "--primary", "site-b", "--assert-off", "site-a", "--reason",
            "laboratory")
    wait_until("steady with site-b in power", 30, lambda: settled(lab, "site-b"), every=0.1)
    outcome.must(not lab.site_status("site-b").get("taken"), "the take is still told")
    time.sleep(5)
    count, failed = failed_writes(lab, since)
    outcome.notes.append(f"{count} writes at site-b since it opened, {len(failed)} failed")
    outcome.must(count > 100 and not failed, f"{len(failed)} of {count} failed: {failed[:3]}")


def returned(lab, outcome):
    """site-a comes back to life and finds that its time is over."""
    lab.a.mysql.start()
    lab.a.redis.start()
    lab.a.start_agent()
    lab.net.restore()
    wait_until("site-a is fenced", 30, lambda: lab.site_status("site-a").get("role") == "fenced",
               every=0.2)
    lab.a.mysql.wait_ready()
    outcome.must(lab.a.mysql.sql("SELECT @@read_only").strip() == "1", "site-a's MariaDB is open")
