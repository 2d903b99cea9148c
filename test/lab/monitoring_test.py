#!/usr/bin/env python3
"""The monitoring stack for real: the quick start's sites, a failover, the alert and the mail.

usage: monitoring_test.py --bin DIR

In a network namespace of its own: BIND, two sites, agents, daemon, and the distribution's
Prometheus, Alertmanager and exporters. Every query of every panel must have data. As root.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "packaging"), str(HERE.parent)]
sys.dont_write_bytecode = True

import dashboards  # noqa: E402
import monitoring_check  # noqa: E402
import monitoring_stack  # noqa: E402
import quickstart  # noqa: E402
from servers import LabError, now, wait_until  # noqa: E402

PRIVATE = "PM_MONITORING_NETNS"
# Of what the quick start has none: notices, and a move that a provider refused.
ABSENT = {"pointsman_notices_total", "pointsman_local_store_lag_seconds"}
wrong = []


def must(holds, sentence):
    if not holds:
        wrong.append(sentence)
        print(f"  WRONG: {sentence}", flush=True)


def in_private_network():
    """Starts anew in a network namespace where every port is free."""
    os.environ[PRIVATE] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh",
                          sys.executable, *sys.argv])


def check_doors(stack, estate):
    """Who may read /metrics, and what promtool says of it."""
    page = f"http://127.0.0.1:{estate.ports['web']}/metrics"
    must(monitoring_stack.get(page)[0] == 401, "/metrics of the daemon is open to anybody")
    must(monitoring_stack.get(page, "not-the-token")[0] == 401, "any token opens /metrics")
    texts = {"daemon": monitoring_stack.get(page, estate.tokens["viewer"])[1]}
    done = subprocess.run(["curl", "-s", "--unix-socket", str(estate.control),
                           "http://localhost/metrics"], text=True, capture_output=True, timeout=10,
                          check=False)
    must("pointsman_build_info" in done.stdout, "the control socket has no /metrics")
    for site in estate.sites:
        texts[site.name] = monitoring_stack.get(
            f"http://{site.address}:{estate.ports['metrics']}/metrics")[1]
    for name, text in texts.items():
        must("pointsman_build_info" in text, f"/metrics of {name}: {text[:200]}")
        for secret in estate.tokens.values():
            must(secret not in text, f"/metrics of {name} holds a token")
        judged = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                capture_output=True, timeout=20, check=False)
        must(judged.returncode == 0 and not judged.stderr + judged.stdout,
             f"promtool check metrics, {name}: {judged.stdout}{judged.stderr}")
    must(not stack.firing(), f"alerts of a calm pair: {stack.firing()}")


def check_alert(stack, died):
    """The failover is told: by Prometheus, by Alertmanager, by mail."""
    alert = "PointsmanFailedOver"
    wait_until(f"{alert} fires", 60, lambda: alert in stack.firing(), every=0.2)
    print(f"  {now() - died:6.1f} s  {alert} fires", flush=True)
    wait_until(f"{alert} at Alertmanager", 30, lambda: alert in stack.at_alertmanager(), every=0.2)
    must(stack.at_alertmanager()[alert] == ["urgent"],
         f"{alert} is routed to {stack.at_alertmanager()[alert]}, not to urgent")
    wait_until("a mail of the failover", 30, lambda: stack.mails_of(alert))
    to, text = stack.mails_of(alert)[0]
    must("oncall@example.net" in to, f"the mail of the failover went to {to}")
    must("im-api failed over: done" in text, f"the mail says: {text[-600:]}")
    print(f"  mail to {', '.join(to)}", flush=True)


def ask_panels(stack):
    """Every query of every panel, as Grafana would send it: {(where, query): it has data}"""
    answers = {}
    for name, dashboard in dashboards.load().items():
        for panel in dashboards.panels(dashboard):
            for target in panel["targets"]:
                expr = dashboards.filled(target["expr"], quickstart.SERVICE)
                answers[f"{name}: {panel['title']}", expr] = bool(stack.query(expr))
    return answers


def check_panels(before, after):
    """Each has data: of a pair (the lag of its standby), or after a move."""
    for (where, expr), answered in after.items():
        must(answered or before[where, expr], f"{where}: no data: {expr}")
    print(f"  {len(after)} queries of panels: {sum(before.values())} had data before the failover, "
          f"{sum(after.values())} after it", flush=True)


def check_names(stack):
    names = monitoring_stack.all_names(stack)
    foreign = {n for n in monitoring_stack.exporter_names() if not n.startswith("minio_")}
    must(foreign <= names, f"exporters do not have {sorted(foreign - names)}")
    ours = {n for n in monitoring_check.our_metrics() if n not in names
            and n + "_bucket" not in names}
    must(ours <= ABSENT, f"never served: {sorted(ours - ABSENT)}")


def play(estate, stack):
    began = now()
    estate.start()
    estate.wait_ready()
    estate.start_load()
    stack.start()
    stack.wait_scraped()
    print(f"  {now() - began:6.1f} s  every target is scraped", flush=True)
    time.sleep(3)
    check_doors(stack, estate)
    calm = ask_panels(stack)
    died = estate.kill_primary()
    wait_until("site-b is in power", 30, lambda: estate.status().get("primary") == "site-b")
    check_alert(stack, died)
    check_panels(calm, ask_panels(stack))
    check_names(stack)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    binaries = parser.parse_args().bin.resolve()
    if PRIVATE not in os.environ:
        in_private_network()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pm-monitoring-"))
    folder.chmod(0o700)
    estate = quickstart.Quickstart(folder, binaries)
    stack = monitoring_stack.Stack(estate)
    try:
        play(estate, stack)
    except (LabError, subprocess.TimeoutExpired) as error:
        must(False, str(error))
    finally:
        stack.end()
        estate.stop()
        if wrong:
            print(f"  logs are kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print("monitoring:", f"{len(wrong)} wrong" if wrong else "as it should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
