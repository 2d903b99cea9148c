#!/usr/bin/python3
"""Delegations, sound and broken, on real name servers: delegation_test.py --bin DIR

In a network namespace of its own: a BIND that is the parent zone `test` and this host's resolver,
one that holds the records of every service, and one that holds older copies of some. What
`pointsman check --online` says of each delegation must be true.
"""

import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

PARENT, HOLDER, OLD, LAME, NOBODY = (f"127.0.1.{k}" for k in range(1, 6))
RECORD, ELSEWHERE = "192.0.2.10", "203.0.113.7"
KEY, SECRET = "pm-key", base64.b64encode(bytes(range(32))).decode()

# zone: (servers by the parent, servers by the zone itself, what must be told, whether it is sound)
ZONES = {
    "sound": ([HOLDER], [HOLDER], "which say the same", True),
    "moved": ([OLD], [HOLDER], f"says {ELSEWHERE}", False),
    "stale": ([HOLDER, OLD], [HOLDER, OLD], f"says {ELSEWHERE}", False),
    "foreign": ([OLD, LAME], [HOLDER], f"says {ELSEWHERE}", False),
    "lame": ([HOLDER, LAME], [HOLDER], "it answered REFUSED", False),
    "quiet": ([HOLDER, NOBODY], [HOLDER], "no answer of", True),
}
HAS_OLD_COPY = ("moved", "stale", "foreign")


def name(address):
    return "ns" + address.rsplit(".", 1)[1]


def zone_text(zone, servers, value):
    lines = ["$TTL 60", f"@ SOA {name(HOLDER)} admin 1 3600 600 86400 60", f"api A {value}"]
    for address in servers:
        lines += [f"@ NS {name(address)}.{zone}.test.", f"{name(address)} A {address}"]
    return "\n".join(lines) + "\n"


def parent_text():
    lines = ["$TTL 60", "@ SOA ns1 admin 1 3600 600 86400 60", "@ NS ns1", f"ns1 A {PARENT}"]
    for zone, (servers, *_) in ZONES.items():
        for address in servers:
            lines += [f"{zone} NS {name(address)}.{zone}", f"{name(address)}.{zone} A {address}"]
    return "\n".join(lines) + "\n"


class Named:
    """One BIND at port 53 of `address`; `zones` maps a name to the text of its file."""

    def __init__(self, folder, address, zones, options="recursion no;"):
        folder.mkdir()
        conf = [f'options {{ directory "{folder}"; listen-on {{ {address}; }}; '
                "listen-on-v6 { none; }; pid-file none; session-keyfile none; notify no; "
                "dnssec-validation no; empty-zones-enable no; max-cache-size 8M; "
                f"{options} }}; controls {{ }};",
                f'key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};']
        for zone, text in zones.items():
            (folder / zone).write_text(text)
            conf.append(f'zone "{zone}" {{ type primary; file "{zone}"; '
                        f"allow-update {{ key {KEY}; }}; }};")
        (folder / "named.conf").write_text("\n".join(conf) + "\n")
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/named", "-g", "-n", "1", "-c", str(folder / "named.conf")],
                stdout=log, stderr=log)
        until = time.monotonic() + 15
        while not self.answers(address):
            if time.monotonic() > until or self.process.poll() is not None:
                sys.exit(f"named at {address} did not start:\n" + (folder / "log").read_text())
            time.sleep(0.05)

    @staticmethod
    def answers(address):
        done = subprocess.run(["dig", f"@{address}", "+time=1", "+tries=1", "+norecurse", "test",
                               "SOA"], capture_output=True, text=True, check=False)
        return "status: " in done.stdout

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)


def configuration(zone):
    return f"""[monitor]
name = "monitor-1"
state_dir = "state"
credentials = "credentials.toml"
control = "control.sock"
mode = "propose"
references = ["tcp://127.0.0.1:9", "tcp://127.0.0.2:9"]

[provider.corp]
type = "rfc2136"
server = "{HOLDER}:53"
authorities = ["{HOLDER}:53"]

[[service]]
name = "im-api"
ttl = 60
[[service.record]]
provider = "corp"
zone = "{zone}.test"
name = "api.{zone}.test"
type = "A"
[[service.probe]]
type = "http"
url = "http://{{address}}:8080/health"
expect_status = [200]
[[service.site]]
name = "hz"
address = "{RECORD}"
[[service.site]]
name = "sh"
address = "198.51.100.20"
"""


def check(binaries, folder, zone):
    """What `check --online` says of the delegation of `zone`, and all that it says."""
    folder.mkdir()
    (folder / "pointsman.toml").write_text(configuration(zone))
    secrets = folder / "credentials.toml"
    secrets.write_text(f'[corp]\nkey = "{KEY}"\nsecret = "{SECRET}"\n')
    secrets.chmod(0o600)
    done = subprocess.run([binaries / "pointsman", "check", "--online", "--json", "--config",
                           folder / "pointsman.toml"],
                          capture_output=True, text=True, timeout=60, check=False)
    everything = done.stdout + done.stderr
    items = json.loads(done.stdout).get("online", []) if done.stdout else []
    name_begins = f"delegation of {zone}.test"
    return [one for one in items if one["name"].startswith(name_begins)], everything


def run(binaries, folder):
    held = {f"{zone}.test": zone_text(zone, own, RECORD) for zone, (_, own, *_) in ZONES.items()}
    copies = {f"{zone}.test": zone_text(zone, ZONES[zone][0], ELSEWHERE) for zone in HAS_OLD_COPY}
    servers, wrong = [], []
    try:
        servers.append(Named(folder / "parent", PARENT, {"test": parent_text()},
                             "recursion yes; allow-recursion { any; };"))
        servers.append(Named(folder / "holder", HOLDER, held))
        servers.append(Named(folder / "old", OLD, copies))
        servers.append(Named(folder / "lame", LAME, {}))
        for zone, (_, _, told, sound) in ZONES.items():
            found, everything = check(binaries, folder / f"check-{zone}", zone)
            text = found[0]["text"] if len(found) == 1 else ""
            print(f"{zone}: {text}", flush=True)
            if told not in text:
                wrong.append(f"{zone}: {told!r} is not told in:\n{everything}")
            elif found[0]["ok"] != sound:
                wrong.append(f"{zone}: taken for {'broken' if sound else 'sound'}: {text}")
    finally:
        for server in servers:
            server.stop()
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    if not options.inside:
        # What is started in there ends with it.
        done = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                               "--mount-proc", sys.executable, __file__, "--bin", options.bin,
                               "--inside"], timeout=200, check=False)
        sys.exit(done.returncode)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (PARENT, HOLDER, OLD, LAME):
        subprocess.run(["ip", "addr", "add", f"{address}/8", "dev", "lo"], check=True)
    with tempfile.TemporaryDirectory(prefix="pm-delegation-") as name_of_folder:
        folder = pathlib.Path(name_of_folder)
        (folder / "resolv.conf").write_text(f"nameserver {PARENT}\n")
        subprocess.run(["mount", "--bind", folder / "resolv.conf", "/etc/resolv.conf"], check=True)
        wrong = run(pathlib.Path(options.bin).resolve(), folder)
        subprocess.run(["umount", "/etc/resolv.conf"], check=True)
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
