"""The way back of a site: after a disaster that lost writes, and after one that lost none."""

import base64
import hashlib
import json
import pathlib
import random
import re
import signal
import time

import measure
from lab import LabError, SERVICE, now, wait_until
from scenarios_move import Outcome, live_lab
from scenarios_planned import OTHER, judge, settled, wait_gates, wait_settled


def ask(lab, command, *words, within=120.0):
    return lab.cli(command, SERVICE, *words, "--yes", check=False, within=within)


def fail_over_and_heal(lab, outcome):
    """site-a is cut off with writes under way, site-b takes over, and the link is mended: the ids
    that only site-a holds, as its stores tell, once it is fenced."""
    fault_at = now()
    lab.net.cut_site("site-a")
    wait_until("site-b takes writes", 25,
               lambda: measure.first_taken(lab, "site-b", fault_at), every=0.1)
    lab.wait_steady("site-b", within=20)
    time.sleep(1.0)
    lab.net.heal("site-a")
    wait_until("site-a is back and fenced", 30, lambda: fenced(lab), every=0.2)
    only = {"mysql": lab.a.mysql.ids() - lab.b.mysql.ids(),
            "redis": lab.a.redis.ids() - lab.b.redis.ids()}
    outcome.notes.append(f"site-a alone holds {len(only['mysql'])} writes in MariaDB and "
                         f"{len(only['redis'])} in Redis")
    outcome.must(len(only["mysql"]) > 5, "no write was lost: the disaster was none")
    return only


def fenced(lab):
    site = lab.site_status("site-a")
    return site.get("role") == "fenced" and site.get("agent") == "up" and not site.get("writable")


def in_bundle(lab, outcome, rejoin):
    """What a bundle holds, by store; its manifest must name every file as it is."""
    folder = pathlib.Path(rejoin.get("bundle") or "/nowhere")
    outcome.must(folder.is_dir() and "/bundles/" in str(folder), f"the bundle is {folder}")
    manifest = json.loads((folder / "manifest.json").read_text())
    names = {file["name"] for file in manifest["files"]} | {"manifest.json"}
    outcome.must(names == {path.name for path in folder.iterdir()}, f"the manifest names {names}")
    for file in manifest["files"]:
        content = (folder / file["name"]).read_bytes()
        outcome.must(len(content) == file["bytes"]
                     and hashlib.sha256(content).hexdigest() == file["sha256"],
                     f"{file['name']} is not as the manifest says")
    outcome.must(manifest["site"] == "site-a" and manifest["power"] == "site-b", str(manifest))
    for path in folder.iterdir():
        outcome.must(path.stat().st_mode & 0o077 == 0, f"others may read {path.name}")
    text = (folder / "mysql-binlog.sql").read_text(errors="replace")
    mysql = set(re.findall(r"INSERT INTO app\.writes \([^)]*\) VALUES \('([^']+)'", text))
    redis = set()
    for line in (folder / "redis-keys.jsonl").read_text().splitlines():
        entry = json.loads(line)
        base64.b64decode(entry["dump"], validate=True)
        if entry["key"] == "writes":
            redis |= set(entry["only_here"])
    tables = [store["holds"].get("tables", {}) for store in manifest["stores"]
              if store["store"] == "mysql"]
    outcome.must(any("app.writes" in named for named in tables), f"tables: {tables}")
    return {"mysql": mysql, "redis": redis}


def refused_with_bundle(lab, outcome, only):
    """A rejoin as it is refuses, names what diverged, and leaves site-a as it was."""
    before = lab.a.mysql.ids()
    code, answer = ask(lab, "rejoin", "site-a")
    outcome.must(code == 4 and answer.get("outcome") == "refused", f"exit {code}: {answer}")
    reason = answer.get("reason", "")
    outcome.must(re.search(r"mysql: transactions 0-101-\d+", reason) is not None
                 and "redis: history" in reason and "--discard-divergent" in reason,
                 f"it says: {reason}")
    held = in_bundle(lab, outcome, answer)
    for store in ("mysql", "redis"):
        outcome.must(held[store] == only[store],
                     f"the bundle lacks {len(only[store] - held[store])} lost writes of {store} "
                     f"and holds {len(held[store] - only[store])} that are none")
    outcome.must(fenced(lab) and lab.a.mysql.ids() == before, "site-a did not stay as it was")
    return answer


def back_at_the_start(lab, outcome):
    """A failback as soon as it is allowed; it refuses before."""
    code, answer = ask(lab, "failback")
    outcome.must(code == 4 and "caught up" in str(answer), f"a hasty failback: {code} {answer}")
    wait_until("the failback is offered", 60,
               lambda: (lab.status().get("failback") or {}).get("ready"), every=0.3)
    wait_gates(lab)
    code, answer = ask(lab, "failback")
    outcome.must(code == 0, f"failback: exit {code}: {answer}")
    outcome.must(wait_settled(lab) == "site-a", "site-a is not in power again")
    outcome.must(lab.bind.lookup() == [lab.a.address], "the record does not name site-a")


def follows_on(lab, outcome):
    """All that site-b holds now arrives at site-a, and nothing else is there."""
    wanted = {"mysql": lab.b.mysql.ids(), "redis": lab.b.redis.ids()}
    def arrived():
        here = {"mysql": lab.a.mysql.ids(), "redis": lab.a.redis.ids()}
        there = {"mysql": lab.b.mysql.ids(), "redis": lab.b.redis.ids()}
        return all(wanted[store] <= here[store] <= there[store] for store in wanted)
    try:
        wait_until("site-a holds what site-b does", 15, arrived, every=0.3)
    except LabError as error:
        outcome.problems.append(str(error))


def same_content(lab, outcome):
    """Both sites hold the same, once what is under way has arrived."""
    def same():
        return (lab.a.mysql.ids() == lab.b.mysql.ids()
                and lab.a.redis.ids() == lab.b.redis.ids())
    try:
        wait_until("both sites hold the same", 15, same, every=0.3)
    except LabError as error:
        outcome.problems.append(str(error))


def ask_wrongly(lab, outcome):
    """What must be refused before anything is touched."""
    for words, code_wanted in ((("site-b",), 4), (("nowhere",), 2)):
        code, answer = ask(lab, "rejoin", *words, "--discard-divergent")
        outcome.must(code == code_wanted, f"rejoin {words}: exit {code}: {answer}")
    code, answer = lab.cli("rejoin", SERVICE, "site-a", "--discard-divergent", check=False)
    outcome.must(code == 2, f"without --yes and without a terminal: exit {code}: {answer}")
    before = lab.snapshot()
    code, plan = lab.cli("rejoin", SERVICE, "site-a", "--discard-divergent", "--dry-run",
                         check=False, within=60)
    outcome.must(code == 0 and plan.get("diverged") is True and "0-101-" in str(plan),
                 f"the dry run: exit {code}: {plan}")
    after = lab.snapshot()
    for part in before:
        if part in ("site-a mysql", "site-a redis", "site-a worker"):
            outcome.must(before[part] == after[part], f"the dry run changed {part}")
    outcome.must(not any(lab.a.place.folder.glob("agent/state/bundles/*/*")),
                 "the dry run wrote something down")


def way_back(binaries):
    """A disaster with lost writes, and the whole way back: failover, refusal, bundle, a new copy,
    failback."""
    outcome = Outcome("way-back")
    with live_lab(outcome, binaries) as lab:
        lab.a.mysql.sql("CREATE DATABASE extra; CREATE TABLE extra.t (i INT PRIMARY KEY)")
        only = fail_over_and_heal(lab, outcome)
        ask_wrongly(lab, outcome)
        refused_with_bundle(lab, outcome, only)
        began = now()
        code, answer = ask(lab, "rejoin", "site-a", "--discard-divergent")
        outcome.must(code == 0 and answer.get("outcome") == "done", f"exit {code}: {answer}")
        outcome.notes.append(f"site-a was a standby again {now() - began:.1f} s after the order")
        outcome.must(not lab.site_status("site-b").get("lone"), "site-b still holds a lone lease")
        outcome.must(not (lab.a.mysql.ids() & only["mysql"]), "site-a holds what was given up")
        held = in_bundle(lab, outcome, answer)
        outcome.must(held["mysql"] == only["mysql"], "the second bundle holds something else")
        follows_on(lab, outcome)
        wait_until("the way back is over", 30, lambda: settled(lab) == "site-b", every=0.2)
        back_at_the_start(lab, outcome)
        time.sleep(1.0)
        lab.stop_load()
        same_content(lab, outcome)
        outcome.problems += measure.account_overlaps(lab)
        secrets = " ".join(path.read_text(errors="replace")
                           for path in (lab.a.place.folder / "agent.log",
                                        lab.monitor.folder / "pointsmand.log"))
        outcome.must("seed-secret" not in secrets, "a log holds the password of seed_user")
        left = list(lab.a.place.folder.glob("agent/state/**/login-*"))
        outcome.must(not left, f"left behind: {left}")
    return outcome


def nothing_lost(binaries):
    """The HTTP service of site-a dies: its stores drain while it is fenced, so that it follows by
    GTID without a word; killed agents and daemon make no difference."""
    outcome = Outcome("rejoin-nothing-lost")
    with live_lab(outcome, binaries) as lab:
        fault_at = now()
        lab.a.kill_http()
        wait_until("site-b takes writes", 20,
                   lambda: measure.first_taken(lab, "site-b", fault_at), every=0.1)
        lab.a.start_http()
        wait_until("site-a is fenced", 20, lambda: fenced(lab), every=0.2)
        lab.wait_steady("site-b", within=20)
        code, answer = ask(lab, "rejoin", "site-a", "--wait", "0s")
        outcome.must(code == 5, f"exit {code}: {answer}")
        lab.daemon.send(signal.SIGKILL)
        lab.a.agent.send(signal.SIGKILL)
        time.sleep(0.5)
        lab.a.start_agent()
        lab.start_daemon()
        wait_until("site-a is a standby again", 60, lambda: settled(lab) == "site-b", every=0.2)
        wait_until("the rejoin has ended", 60, lambda: (lab.status().get("rejoin") or {}).get(
            "outcome") == "done", every=0.2)
        rejoin = lab.status()["rejoin"]
        outcome.must(not rejoin.get("bundle"), f"something was written down: {rejoin}")
        judge(lab, outcome, "site-b", changes=1)
        same_content(lab, outcome)
    return outcome


def killed_midway(binaries, rounds=4):
    """Its stores are being replaced when the agent or the daemon is killed: it goes on."""
    outcome = Outcome("rejoin-killed")
    with live_lab(outcome, binaries) as lab:
        lab.a.mysql.sql("USE app; CREATE TABLE big (i INT PRIMARY KEY, t VARCHAR(400)); "
                        "INSERT INTO big SELECT seq, REPEAT('x', 380) FROM seq_1_to_150000",
                        within=60.0)
        wait_until("site-b has it", 60, lambda: lab.b.mysql.sql(
            "SELECT COUNT(*) FROM app.big", check=False).strip() == "150000", every=0.5)
        lab.wait_ready_to_move()
        only = fail_over_and_heal(lab, outcome)
        code, answer = ask(lab, "rejoin", "site-a", "--discard-divergent", "--wait", "0s")
        outcome.must(code == 5, f"exit {code}: {answer}")
        for number in range(rounds):
            time.sleep(random.uniform(0.3, 2.5))
            steps = (lab.status().get("rejoin") or {}).get("steps", [])
            outcome.notes.append(f"round {number + 1}: struck at " + ", ".join(
                f"{step['name']} ({step['detail']})" for step in steps
                if step["state"] == "running"))
            if number % 2 == 0:
                lab.a.agent.send(signal.SIGKILL)
                time.sleep(0.2)
                lab.a.start_agent()
            else:
                lab.daemon.send(signal.SIGKILL)
                lab.start_daemon()
        wait_until("the rejoin has ended", 90, lambda: (lab.status().get("rejoin") or {}).get(
            "outcome") not in (None, "running"), every=0.2)
        rejoin = lab.status()["rejoin"]
        outcome.must(rejoin.get("outcome") == "done", str(rejoin))
        primary = wait_settled(lab)
        outcome.must(primary == "site-b" and OTHER[primary] == "site-a", f"{primary} is in power")
        bundles = list(lab.a.place.folder.glob("agent/state/bundles/*/*/manifest.json"))
        outcome.must(len(bundles) == 1, f"bundles: {bundles}")
        outcome.must(not (lab.a.mysql.ids() & only["mysql"]), "site-a holds what was given up")
        rows = lab.a.mysql.sql("SELECT COUNT(*) FROM app.big").strip()
        outcome.must(rows == "150000", f"site-a holds {rows} rows of app.big")
        time.sleep(1.0)
        lab.stop_load()
        same_content(lab, outcome)
        outcome.problems += measure.account_overlaps(lab)
    return outcome
