#!/usr/bin/env python3
"""Checks etc/monitoring without any server: dashboards, rules, configuration, compose file.

usage: test/monitoring_check.py

Prometheus' and Alertmanager's own tools judge their files, docker-compose its own by its schema.
Grafana is no package of Debian, so its dashboards are checked here: unique ids, a data source that
is provisioned, and only metrics that exist. What these queries answer is asked of a real Prometheus
by test/lab/monitoring_test.py.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "test" / "lab"))
sys.dont_write_bytecode = True

import dashboards  # noqa: E402

MONITORING = TOP / "etc" / "monitoring"
SEVERITIES = {"urgent", "admin"}
# Made by Prometheus itself.
BUILT_IN = {"up", "ALERTS"}
problems = []


def must(holds, sentence):
    if not holds:
        problems.append(sentence)


def our_metrics():
    """Every `constexpr Metric` of the sources, and what a histogram makes of its name."""
    names = set()
    for path in [*TOP.glob("*/*.cc"), *TOP.glob("orchestrator/shell/*.cc")]:
        names |= set(re.findall(r'constexpr Metric k\w+\{\s*"(\w+)"', path.read_text()))
    must(len(names) > 40, f"only {len(names)} metrics were found in the sources")
    return names


def known_metrics():
    foreign = (TOP / "test" / "data" / "monitoring" / "exporter_metrics.txt").read_text().split()
    ours = our_metrics()
    shapes = {name + end for name in ours if name.endswith("_seconds")
              for end in ("_bucket", "_sum", "_count")}
    return ours | shapes | set(foreign) | BUILT_IN


def check_dashboards(known):
    sources = yaml.safe_load(
        (MONITORING / "grafana/provisioning/datasources/pointsman.yml").read_text())
    uids = {source["uid"] for source in sources["datasources"]}
    seen = {}
    for name, dashboard in dashboards.load().items():
        must(dashboard["uid"] not in seen, f"{name}: uid {dashboard['uid']} is another's too")
        seen[dashboard["uid"]] = name
        ids = [panel["id"] for panel in dashboard["panels"]]
        must(len(ids) == len(set(ids)), f"{name}: two panels have one id")
        variables = {one["name"] for one in dashboard["templating"]["list"]}
        for panel in dashboards.panels(dashboard):
            check_panel(f"{name}: {panel['title']}", panel, (uids, variables, known))
    for name, dashboard in dashboards.load().items():
        for link in dashboard["links"]:
            must(link["url"].removeprefix("/d/") in seen, f"{name}: no dashboard {link['url']}")


def check_panel(where, panel, allowed):
    uids, variables, known = allowed
    must(panel["targets"], f"{where}: asks nothing")
    grid = panel["gridPos"]
    must(grid["x"] + grid["w"] <= 24, f"{where}: is wider than the page")
    for target in panel["targets"]:
        expr = target["expr"]
        must(target["datasource"]["uid"] in uids, f"{where}: its data source is not provisioned")
        used = set(re.findall(r"\$(\w+)", expr)) - {"__rate_interval", "__range"}
        must(used <= variables, f"{where}: no variable {used - variables}")
        for name in dashboards.metric_names(dashboards.filled(expr, "im-api")) - known:
            problems.append(f"{where}: no metric {name}")


def rules_of(path):
    for group in yaml.safe_load(path.read_text())["groups"]:
        yield from group["rules"]


def check_rules(known):
    tested = "".join(path.read_text() for path in (MONITORING / "prometheus/tests").glob("*.yml"))
    manual = (TOP / "docs" / "monitoring.md").read_text()
    runbooks = (TOP / "docs" / "runbooks.md").read_text()
    for path in sorted((MONITORING / "prometheus/rules").glob("*.yml")):
        for rule in rules_of(path):
            name = rule["alert"]
            must(rule["labels"]["severity"] in SEVERITIES, f"{name}: severity of no route")
            must(rule["annotations"].get("summary"), f"{name}: says nothing")
            must(f'alertname="{name}"' in tested, f"{name}: no test has it fire")
            must(f"`{name}`" in manual, f"{name} is not in docs/monitoring.md")
            must(f"`{name}`" in runbooks, f"{name} is not in docs/runbooks.md")
            for metric in dashboards.metric_names(rule["expr"]) - known:
                problems.append(f"{name}: no metric {metric}")
    for name in our_metrics():
        told = f"`{name}`" in manual or f"`{name}{{" in manual
        must(told, f"{name} is not in docs/monitoring.md")


def run(*argv, cwd=None):
    done = subprocess.run(argv, cwd=cwd, text=True, capture_output=True, timeout=120, check=False)
    text = (done.stdout + done.stderr).strip()
    must(done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}: {text}")
    return text


def check_tools():
    """Each file by the program that will read it, as an operator would have filled it in."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "monitoring"
        shutil.copytree(MONITORING, copy)
        for secret in ("prometheus/pointsman.token", "grafana/admin.password"):
            (copy / secret).write_text("not-a-real-secret\n")
        for job in ("pointsman", "pointsman-agent", "node", "mysql", "redis", "minio"):
            (copy / "prometheus/targets").mkdir(exist_ok=True)
            (copy / f"prometheus/targets/{job}.json").write_text(
                '[{"targets":["192.0.2.10:9100"],"labels":{"site":"hz"}}]\n')
        text = run("promtool", "check", "config", "prometheus/prometheus.yml", cwd=copy)
        must("WARNING" not in text, f"promtool check config: {text}")
        tests = sorted(str(path) for path in (copy / "prometheus/tests").glob("*.yml"))
        run("promtool", "test", "rules", *tests)
        config = str(copy / "alertmanager/alertmanager.yml")
        run("amtool", "check-config", config)
        for severity, receiver in (("urgent", "urgent"), ("admin", "admin"), ("other", "admin")):
            run("amtool", "config", "routes", "test", f"--config.file={config}",
                f"--verify.receivers={receiver}", f"severity={severity}", "service=im-api")
        run("docker-compose", "-f", "compose.yaml", "config", "--quiet", cwd=copy)
        check_mounts(copy)


def check_mounts(copy):
    compose = yaml.safe_load((copy / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            there = (copy / source).exists() if source.startswith(".") else (
                source == "/" or source in compose["volumes"])
            must(there, f"compose.yaml: {name} mounts {source}, which is not there")


def self_test():
    """The reader of queries finds what it must."""
    query = 'histogram_quantile(0.9, sum by (a_b, le) (rate(no_such_bucket{x="y z"}[5m])))'
    query += " > on (s) w"
    found = dashboards.metric_names(query)
    assert found == {"no_such_bucket", "w"}, found


def main():
    self_test()
    known = known_metrics()
    check_dashboards(known)
    check_rules(known)
    check_tools()
    for problem in problems:
        print(problem)
    print(f"monitoring: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
