"""Fake clouds and further name servers of the laboratory, each as its vendor would run it.

A cloud (lab-cloud) keeps an account and stands behind a real nginx with TLS, which counts its
calls. What its account holds is handed on to the laboratory's BIND, the cloud's name server as it
were, so that the users of the laboratory follow it.
"""

import base64
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import threading
import time

from servers import ROOT, LabError, log_tail, now, wait_until

SAMPLES = ROOT / "docs" / "providers"


def sample(page):
    """The program that a page of the manual shows."""
    return (SAMPLES / page).read_text().split("```python\n")[1].split("```")[0]


def make_certificate(place, address):
    """A certificate for `address` that is its own authority: (certificate, key)."""
    cert, key = place.folder / "cloud.pem", place.folder / "cloud.key"
    if not cert.exists():
        place.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=cloud",
                   "-addext", f"subjectAltName=IP:{address}", "-keyout", key, "-out", cert])
    return cert, key


class Cloud:
    """One account at a fake cloud behind nginx: `kind` is cloudflare or aliyun."""

    def __init__(self, lab, kind, secret, port, *places):
        self.lab, self.kind, self.secret, self.port, self.places = lab, kind, secret, port, places
        self.place = lab.place("dns")
        self.address = lab.bind.address
        self.folder = self.place.folder / kind
        self.state = self.folder / "state.json"
        self.front = None
        self.cloud = None

    def start(self):
        self.folder.mkdir(exist_ok=True)
        log = open(self.folder / "cloud.log", "wb")
        self.cloud = subprocess.Popen(
            self.place.argv([self.lab.binaries / "lab-cloud", self.kind, self.state, self.secret,
                             *self.places]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        self.inside = "/".join(self.cloud.stdout.readline().strip().split("/")[:3])
        self.cert, key = make_certificate(self.place, self.address)
        (self.folder / "nginx.conf").write_text(f"""
user root; worker_processes 1; daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format calls '$msec $request_method $request_uri $http_x_acs_action $status';
  access_log {self.folder}/calls.log calls; proxy_temp_path {self.folder}/p;
  client_body_temp_path {self.folder}/b; fastcgi_temp_path {self.folder}/f;
  uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  server {{
    listen {self.address}:{self.port} ssl; ssl_certificate {self.cert}; ssl_certificate_key {key};
    location / {{ proxy_pass {self.inside}; proxy_set_header Host $http_host; }}
  }}
}}
""")
        self.open()

    def open(self):
        self.front = self.place.spawn(f"{self.kind}-front", [
            "/usr/sbin/nginx", "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", "stderr"])
        wait_until(f"nginx before {self.kind}", 10, self._answers, every=0.05)

    def shut(self):
        """Nobody listens at the cloud's address."""
        self.front.stop(within=2)

    def _answers(self):
        if not self.front.alive():
            raise LabError(f"nginx before {self.kind} ended:\n" +
                           log_tail(self.place, f"{self.kind}-front"))
        code = self.place.run(["curl", "-sk", "-m", "1", "-o", "/dev/null", "-w", "%{http_code}",
                               self.url()], check=False)
        return code not in ("", "000")

    def url(self):
        path = "/client/v4" if self.kind == "cloudflare" else ""
        return f"https://{self.address}:{self.port}{path}"

    def settings(self, **more):
        return {"type": self.kind, "endpoint": self.url(), "ca_file": str(self.cert), **more}

    def calls(self):
        """[(seconds of our clock, "PATCH /..." or the action)], oldest first."""
        log, found = self.folder / "calls.log", []
        ahead = time.time() - now()
        for line in log.read_text().splitlines() if log.exists() else []:
            at, method, uri, action, _ = line.split(" ", 4)
            if method == "GET" and uri in ("/client/v4", "/"):
                continue  # Our own question whether it is there.
            found.append((float(at) - ahead, f"{method} {uri}" if action == "-" else action))
        return found

    def sets(self):
        return json.loads(self.state.read_text())["sets"]

    def changes(self):
        return json.loads(self.state.read_text())["changes"]

    def stop(self):
        if self.cloud:
            self.cloud.stdin.close()
            self.cloud.wait(timeout=10)


class Program:
    """The provider that a page of the manual shows, on the monitor host, with a list of its calls:
    `webhook` serves, `exec` is run."""

    def __init__(self, lab, kind, name, value, token=""):
        self.lab, self.kind, self.name, self.value, self.token = lab, kind, name, value, token
        self.slow_s = 0  # Seconds that a list of all records takes.
        self.place = lab.monitor
        self.folder = self.place.folder / kind
        self.account = self.folder / "records.json"
        self.log = self.folder / "calls.log"

    def start(self):
        self.folder.mkdir(exist_ok=True)
        text = sample(f"{self.kind}.md")
        if self.kind == "webhook":
            text = self._webhook(text)
        else:
            text = self._exec(text)
        self.program = self.folder / "own"
        self.program.write_text(text)
        self.program.chmod(0o755)
        if self.kind == "webhook":
            self.place.spawn("webhook", [self.program, self.account, "8888"])
            wait_until("the webhook provider", 10, lambda: self.place.run(
                ["curl", "-s", "-m", "1", "-H",
                 "Accept: application/external.dns.webhook+json;version=1",
                 "http://127.0.0.1:8888/"], check=False), every=0.1)

    def _webhook(self, text):
        self.account.write_text(json.dumps({"serial": 0, "records": [
            {"dnsName": self.name, "recordType": "A", "recordTTL": 60,
             "targets": [self.value]}]}))
        quiet = "    def log_message(self, *unused):\n        pass\n"
        assert quiet in text
        listed = 'elif self.path == "/records":\n            with LOCK:\n                self.'
        assert listed in text
        text = text.replace(listed, listed.replace(
            "with LOCK", f"__import__('time').sleep({self.slow_s})\n            with LOCK"))
        return text.replace(quiet, f"""    def log_message(self, *words):
        import time
        with open({str(self.log)!r}, "a", encoding="utf-8") as log:
            log.write(f"{{time.monotonic()}} {{self.requestline.rsplit(' ', 1)[0]}}\\n")
""")

    def _exec(self, text):
        self.account.write_text(json.dumps({
            "serial": 0, "token": self.token, "servers": [f"{self.lab.bind.address}:53"],
            "sets": {f"{self.name} A": {"values": [self.value], "ttl": 60, "mark": ""}}}))
        start = "    asked, path = json.load(sys.stdin), sys.argv[1]\n"
        assert start in text
        return text.replace(start, start + f"""    import time
    with open({str(self.log)!r}, "a", encoding="utf-8") as log:
        log.write(f"{{time.monotonic()}} {{asked['verb']}}\\n")
""")

    def settings(self):
        if self.kind == "webhook":
            slow = {"timeout": f"{self.slow_s + 2}s"} if self.slow_s else {}
            return {"type": "webhook", "endpoint": "http://127.0.0.1:8888",
                    "authorities": [f"{self.lab.bind.address}:53"]} | slow
        return {"type": "exec", "argv": [str(self.program), str(self.account)]}

    def calls(self):
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        found = [(float(at), what) for at, what in (line.split(" ", 1) for line in lines)]
        # The first question to the webhook provider was our own, whether it is there.
        return found[1:] if self.kind == "webhook" else found

    def sets(self):
        account = json.loads(self.account.read_text())
        if self.kind == "exec":
            return account["sets"]
        marks = {one["dnsName"]: one["targets"][0] for one in account["records"]
                 if one["recordType"] == "TXT"}
        return {f"{one['dnsName']} {one['recordType']}": {
            "values": one["targets"], "mark": marks.get("_pointsman." + one["dnsName"], "")}
            for one in account["records"]}

    def changes(self):
        return json.loads(self.account.read_text())["serial"]

    def stop(self):
        pass  # Its place ends it.


class Mirror:
    """Hands what accounts hold on to BIND, as a vendor does to its name servers.

    `names` maps a set ("api.example.test A", "lb-1 SLB") to the name under which BIND has it, and
    `means` a value that is no address to one.
    """

    def __init__(self, bind, accounts, names, means=None):
        self.bind, self.accounts, self.names, self.means = bind, accounts, names, means or {}
        self.known = {}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._look()
        self.thread.start()

    def stop(self):
        self.ended.set()
        if self.thread.is_alive():
            self.thread.join()

    def _run(self):
        while not self.ended.wait(0.02):
            try:
                self._look()
            except (OSError, ValueError, LabError):
                continue  # Being written, or BIND is away: it is seen the next time.

    def _look(self):
        for account in self.accounts:
            for key, found in account.sets().items():
                name = self.names.get(key)
                values = sorted(self.means.get(value, value) for value in found["values"])
                if name is None or self.known.get(name) == values:
                    continue
                self.bind.update(f"update delete {name} A",
                                 *(f"update add {name} 60 A {value}" for value in values))
                self.known[name] = values


class OtherDns:
    """Knot or PowerDNS with the zone example.test and a TSIG key, beside BIND on another port."""

    def __init__(self, lab, kind, port, first_address):
        self.lab, self.kind, self.port, self.first = lab, kind, port, first_address
        self.place = lab.place("dns")
        self.address = lab.bind.address
        self.folder = self.place.folder / kind
        self.key = f"{kind}-key"
        self.secret = base64.b64encode(os.urandom(32)).decode()

    def settings(self):
        return {"type": "rfc2136", "server": f"{self.address}:{self.port}"}

    def credentials(self):
        return {"key": self.key, "algorithm": "hmac-sha256", "secret": self.secret}

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        (self.folder / "example.test.zone").write_text(
            f"$ORIGIN example.test.\n$TTL 60\n@ SOA ns1 admin 1 3600 600 86400 60\n@ NS ns1\n"
            f"ns1 A {self.address}\napi 60 A {self.first}\n")
        argv = self._knot() if self.kind == "knot" else self._powerdns()
        self.process = self.place.spawn(self.kind, argv)
        wait_until(f"{self.kind} at {self.address}:{self.port}", 15, self.lookup, every=0.1)

    def _knot(self):
        (self.folder / "knot.conf").write_text(f"""
server:
    listen: {self.address}@{self.port}
    rundir: "{self.folder}"
database:
    storage: "{self.folder}"
log:
  - target: stderr
    any: warning
key:
  - id: {self.key}
    algorithm: hmac-sha256
    secret: {self.secret}
acl:
  - id: ours
    key: [{self.key}]
    action: [update]
    update-type: [A, TXT]
zone:
  - domain: example.test
    storage: "{self.folder}"
    acl: [ours]
""")
        return ["/usr/sbin/knotd", "-c", self.folder / "knot.conf"]

    def _powerdns(self):
        zones = self.folder / "zones.sqlite3"
        (self.folder / "pdns.conf").write_text(
            f"launch=gsqlite3\ngsqlite3-database={zones}\nlocal-address={self.address}\n"
            f"local-port={self.port}\nsocket-dir={self.folder}\ndaemon=no\nguardian=no\nsetuid=\n"
            "setgid=\ndnsupdate=yes\nallow-dnsupdate-from=\nsecurity-poll-suffix=\n"
            "zone-cache-refresh-interval=0\nloglevel=4\n")
        schema = pathlib.Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
        with sqlite3.connect(zones) as base:
            base.executescript(schema.read_text())
        self.place.run(["pdnsutil", f"--config-dir={self.folder}", "load-zone", "example.test",
                        self.folder / "example.test.zone"])
        with sqlite3.connect(zones) as base:
            base.execute("insert into tsigkeys (name, algorithm, secret) values (?, ?, ?)",
                         (self.key, "hmac-sha256", self.secret))
            for kind, content in (("TSIG-ALLOW-DNSUPDATE", self.key),
                                  ("ALLOW-DNSUPDATE-FROM", "0.0.0.0/0"),
                                  ("SOA-EDIT-DNSUPDATE", "INCREASE")):
                base.execute("insert into domainmetadata (domain_id, kind, content) "
                             "select id, ?, ? from domains", (kind, content))
        base.close()
        return ["/usr/sbin/pdns_server", f"--config-dir={self.folder}"]

    def dig(self, name, kind):
        out = self.place.run(["dig", f"@{self.address}", "-p", self.port, "+time=1", "+tries=1",
                              "+norecurse", "+short", name, kind], check=False)
        return [line for line in out.split("\n") if line and not line.startswith(";")]

    def lookup(self):
        return self.dig("api.example.test", "A")

    def sets(self):
        return {"api.example.test A": {"values": self.lookup()}}

    def serial(self):
        return int(self.dig("example.test", "SOA")[0].split()[2])
