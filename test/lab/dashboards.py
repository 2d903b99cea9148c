"""The dashboards of etc/monitoring, as data: their panels and what these ask of Prometheus."""

import json
import pathlib
import re

MONITORING = pathlib.Path(__file__).resolve().parents[2] / "etc" / "monitoring"
DASHBOARDS = MONITORING / "grafana" / "dashboards"


def load():
    """{file name: dashboard}"""
    return {path.name: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboard):
    """Every panel but rows, those inside a row included."""
    for panel in dashboard["panels"]:
        inner = panel.get("panels", [])
        yield from (each for each in [panel, *inner] if each["type"] != "row")


def filled(expr, service, window="30s"):
    """What Grafana would send."""
    expr = expr.replace("$__rate_interval", window).replace("$__range", "1h")
    return expr.replace("$service", service)


# Words of the query language; what is left of a query are names of metrics and of labels.
WORDS = set("""by without on ignoring group_left group_right and or unless bool offset sum avg count
    min max rate increase changes histogram_quantile vector abs label_values absent quantile
    humanizeDuration stddev topk predict_linear scalar time""".split())


def metric_names(expr):
    """The names of metrics that a query reads."""
    bare = re.sub(r'"[^"]*"', "", expr)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    bare = re.sub(r"\boffset\s+\w+", "", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    return {name for name in re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare)} - WORDS
