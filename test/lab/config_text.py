"""pointsman's configuration files for a pair of sites, as text; see docs/configuration.md."""

import json


def _toml(table):
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items())


def agent_toml(site, settings):
    """`site` has name, address, mysql, redis; `settings` the rest of the agent's surroundings."""
    parts = ["[agent]", _toml({
        "site": site.name, "listen": settings["listen"], "state_dir": settings["state_dir"],
        "control": settings["control"], "monitors": ["monitor"]}
        | {key: settings[key] for key in ("metrics",) if key in settings})]
    parts += ["[tls]", _toml(settings["tls"])]
    parts += ["[[service]]", _toml({"name": settings["service"], "peer": settings["peer"]})]
    parts += ["[service.mysql]", _toml({
        "socket": str(site.mysql.socket), "user": "pointsman",
        "password_file": settings["mysql_password_file"], "replication_user": "repl",
        "replication_password_file": settings["repl_password_file"],
        "seed_user": "seed", "seed_password_file": settings["seed_password_file"],
        "advertise": f"{site.mysql.address}:{site.mysql.port}"})]
    parts += ["[service.redis]", _toml({
        "address": f"{site.redis.address}:{site.redis.port}",
        "advertise": f"{site.redis.address}:{site.redis.port}"})]
    if settings.get("deadman"):
        parts += ["[service.deadman]", _toml(settings["deadman"])]
    for unit in settings["units"]:
        parts += ["[[service.unit]]", _toml(unit)]
    return "\n".join(parts) + "\n"


RECORD = {"provider": "corp", "zone": "example.test", "name": "api.example.test", "type": "A"}


def record_toml(record):
    text = _toml({key: value for key, value in record.items() if key != "values"})
    if "values" in record:
        text += "\n[service.record.values]\n" + _toml(record["values"])
    return text


def monitor_toml(monitor, provider, service, sites, more=None, records=()):
    """Tables of section [monitor], the provider `corp`, [[service]] and its sites.

    `more` are further providers, NAME: table; `records` all records, else the one at `corp`.
    """
    own = {key: value for key, value in service.items()
           if not isinstance(value, dict) and key != "record"}
    parts = ["[monitor]", _toml(monitor["monitor"])]
    if monitor.get("web"):
        parts += ["[web]", _toml(monitor["web"])]
    parts += ["[tls]", _toml(monitor["tls"])]
    parts += ["[provider.corp]", _toml({"type": "rfc2136"} | provider)]
    for name, table in (more or {}).items():
        parts += [f"[provider.{name}]", _toml(table)]
    parts += ["[[service]]", _toml(own)]
    for record in (records or [RECORD]) if service.get("record", True) else ():
        parts += ["[[service.record]]", record_toml(record)]
    for name, table in service.get("tables", {}).items():
        parts += [f"[service.{name}]", _toml(table)]
    parts += ["[[service.probe]]", _toml(service["probe"])]
    for site in sites:
        parts += ["[[service.site]]", _toml(site)]
    return "\n".join(parts) + "\n"


def credentials_toml(bind, tokens=None, more=None):
    text = "[corp]\n" + _toml({"key": bind.key, "algorithm": "hmac-sha256",
                               "secret": bind.secret}) + "\n"
    for name, table in (more or {}).items():
        text += f"[{name}]\n" + _toml(table) + "\n"
    if tokens:
        text += "[web.tokens]\n" + _toml(tokens) + "\n"
    return text


UNIT_SCRIPT = """#!/bin/bash
# A unit without systemd: {name} start|stop|status. A process is known by its id and start time, so
# that an id used again by another program is never taken for ours.
pidfile={folder}/{name}.pid
started() {{ sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" {{print $20}}'; }}
running() {{
  [ -s $pidfile ] && read -r pid at <$pidfile && [ -n "$at" ] && [ "$(started "$pid")" = "$at" ]
}}
case $1 in
  start)
    running && exit 0
    setsid {command} >>{folder}/{name}.log 2>&1 </dev/null &
    echo "$! $(started $!)" >$pidfile ;;
  stop)
    running || exit 0
    kill "$pid"
    for _ in $(seq 50); do running || exit 0; sleep 0.1; done
    kill -9 "$pid" ;;
  status) running ;;
  *) echo "usage: $0 start|stop|status" >&2; exit 2 ;;
esac
"""


def write_unit(folder, name, command):
    """The script and the [[service.unit]] table of a unit that is started by argument lists."""
    script = folder / name
    script.write_text(UNIT_SCRIPT.format(folder=folder, name=name, command=command))
    script.chmod(0o755)
    argv = {verb: [str(script), verb] for verb in ("start", "stop", "status")}
    return {"name": name, **argv}


def secret_file(path, content):
    path.write_text(content)
    path.chmod(0o600)
    return str(path)
