"""The laboratory: two sites with real stores, a real BIND and a monitor, in network namespaces.

    with Lab(binaries) as lab:
        lab.start_sites(); lab.start_pointsman(); lab.wait_steady()
        lab.start_load()
        ...

Times are seconds of CLOCK_MONOTONIC. Sites are called site-a and site-b, the service is `im-api`.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import lab_config
import lab_net
from servers import App, Bind, LabError, MariaDb, Nginx, Place, Redis, SetUpError, log_tail
from servers import mariadb_template, now, wait_until

SITES = ("site-a", "site-b")
NEAR = {"site-a": "near-a", "site-b": "near-b"}
SERVICE = "im-api"


FOLDERS = "pm-sites-"


def remove_left_behind():
    """Folders of runs that were killed; those that were kept on purpose have another name."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{FOLDERS}*-*"):
        pid = folder.name[len(FOLDERS):].split("-")[0]
        if pid.isdigit() and not pathlib.Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def kill_now(pid):
    """Ends a process that one of ours had started."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Site:
    """One site: its stores, its app behind nginx, its agent."""

    def __init__(self, lab, name, server_id):
        self.lab, self.name = lab, name
        self.address = lab_net.ADDRESS[name]
        self.place = lab.place(name)
        self.mysql = MariaDb(self.place, self.address, 3306, server_id, lab.semi_sync)
        self.redis = Redis(self.place, self.address, 6379)
        self.app = App(self.place, name, "127.0.0.1:8081", self.mysql, self.redis)
        self.nginx = Nginx(self.place, self.address, 8080, 8081)
        self.agent = None

    def start_stores(self, template):
        self.mysql.start(template)
        self.redis.start()

    def start_http(self):
        self.app.start(self.lab.binaries)
        self.nginx.start()

    def kill_http(self):
        """The whole HTTP service dies: nginx and its workers, and the app."""
        workers = self.nginx.children()
        self.nginx.process.kill()
        for pid in workers:
            kill_now(pid)
        self.app.process.kill()

    def start_agent(self):
        config = self.place.folder / "agent" / "agent.toml"
        self.agent = self.place.spawn(
            "agent", [self.lab.binaries / "pointsman-agent", "--config", config])


class Lab:
    """Everything, and the hand of the operator."""

    keep_all = False  # Logs stay, for a person who looks for the cause of something.

    def __init__(self, binaries, semi_sync=False):
        self.binaries = pathlib.Path(binaries).resolve()
        self.semi_sync, self.keep = semi_sync, Lab.keep_all
        remove_left_behind()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{FOLDERS}{os.getpid()}-"))
        self.net = None
        self.daemon = None
        self.configured = False
        self.agents_since = 0.0
        self.loads = []
        self.places = {}
        self.service = {}  # Further or other keys of [[service]], for a scenario.
        self.web, self.tokens = {}, {}  # Section [web] and its tokens.
        self.providers, self.credentials = {}, {}  # Beside `corp`: NAME: table.
        self.records = []  # All records; none: one at `corp`.

    def __enter__(self):
        try:
            self.net = lab_net.Net()
            self.monitor = self.place("monitor")
            self.client = self.place("client")
            self.bind = Bind(self.place("dns"), lab_net.ADDRESS["dns"])
            self.sites = {name: Site(self, name, 101 + i) for i, name in enumerate(SITES)}
            self.a, self.b = (self.sites[name] for name in SITES)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, error, trace):
        self.keep = self.keep or error is not None
        self.close()

    def close(self):
        for place in self.places.values():
            place.end_all()
        if self.net:
            self.net.close()
        if self.keep:
            kept = self.folder.with_name(self.folder.name.replace(FOLDERS, "pm-kept-"))
            self.folder.rename(kept)
            print(f"  logs are kept in {kept}", flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def place(self, host):
        if host not in self.places:
            self.places[host] = Place(self.folder / host, self.net.netns(host))
        return self.places[host]

    # The sites, as an operator sets them up.

    def start_servers(self):
        """Every server, with both stores as their configuration opens them; nobody follows."""
        template = mariadb_template(self.binaries.parent / "lab-mariadb")
        for site in self.sites.values():
            site.start_stores(template)
        self.bind.write(self.a.address)
        self.bind.start()
        self.client.spawn("reference", ["/usr/bin/python3", "-m", "http.server", "8000",
                                        "--directory", self.client.folder])
        for site in self.sites.values():
            site.mysql.wait_ready()
            site.redis.wait_ready()
        self.bind.wait_ready()

    def make_pair(self):
        """site-a writable, site-b following it: a live pair that nobody watches yet."""
        self.a.mysql.sql("SET GLOBAL read_only=0")
        self.b.mysql.follow(self.a.mysql)
        self.b.redis.follow(self.a.redis)
        wait_until("site-b's MariaDB follows", 15, self.b.mysql.following)
        wait_until("site-b's Redis follows", 15, self.b.redis.following)

    def start_sites(self):
        try:
            self.start_servers()
            self.make_pair()
            for site in self.sites.values():
                site.start_http()
            for site in self.sites.values():
                wait_until(f"the app at {site.name}", 10, lambda s=site: self.healthy(s))
        except LabError as error:
            raise SetUpError(str(error)) from error

    def healthy(self, site):
        out = self.client.run(["curl", "-s", "-m", "1", "-o", "/dev/null", "-w", "%{http_code}",
                               f"http://{site.address}:8080/health"], check=False)
        return out == "200"

    # pointsman itself.

    def configure(self):
        """Certificates and configuration; the primary's unit runs, as in a live pair."""
        lab_config.write_all(self)
        self.a.place.run([self.a.place.folder / "agent" / "worker", "start"])
        self.configured = True

    def start_pointsman(self, daemon=True):
        if not self.configured:
            self.configure()
        for site in self.sites.values():
            site.start_agent()
        self.agents_since = now()
        if daemon:
            self.start_daemon()

    def start_daemon(self, dry_run=False, debug=False):
        argv = [self.binaries / "pointsmand", "--config", self.monitor.folder / "pointsman.toml"]
        argv += [word for word, wanted in (("--dry-run", dry_run), ("--debug", debug)) if wanted]
        self.daemon = self.monitor.spawn("pointsmand", argv)

    def cli(self, *words, check=True, within=30.0):
        """`pointsman` with --json at the daemon's control socket: (exit code, answer)."""
        done = subprocess.run(
            self.monitor.argv([self.binaries / "pointsman", *words, "--json", "--config",
                               self.monitor.folder / "pointsman.toml"]),
            capture_output=True, text=True, timeout=within, check=False)
        if check and done.returncode != 0:
            raise LabError(f"pointsman {' '.join(words)}: exit {done.returncode}: "
                           f"{(done.stderr or done.stdout).strip()}")
        try:
            return done.returncode, json.loads(done.stdout)
        except json.JSONDecodeError:
            return done.returncode, {"text": done.stdout + done.stderr}

    def status(self):
        """The service as `status --json` shows it; empty when the daemon does not answer."""
        code, answer = self.cli("status", SERVICE, check=False)
        return answer["services"][0] if code == 0 and answer.get("services") else {}

    def site_status(self, name):
        return next((s for s in self.status().get("sites", []) if s["name"] == name), {})

    def explain(self):
        _, answer = self.cli("explain", SERVICE, check=False)
        return answer

    def closed_gates(self):
        """{gate: reason} of the gates that keep the move from being made now."""
        gates = self.explain().get("gates")
        if not gates:
            return {"no answer": "the daemon does not answer"}
        return {gate["name"]: gate["reason"] for gate in gates if not gate["open"]}

    def wait_steady(self, primary="site-a", within=30.0):
        """Until the service is in nobody's hands but `primary`'s, and ready to be moved."""
        def steady():
            for site in self.sites.values():
                self.require(site.agent, site.place)
            self.require(self.daemon, self.monitor)
            now_is = self.status()
            verdicts = {s["name"]: s["verdict"] for s in now_is.get("sites", [])}
            return (now_is.get("phase") == "steady" and now_is.get("primary") == primary
                    and verdicts.get(primary) == "up")
        wait_until(f"steady with {primary} in power", within, steady, every=0.1)

    def wait_ready_to_move(self, within=30.0):
        """Until no gate but `witness` (nobody is down) would keep a failover from being made."""
        try:
            wait_until("gates open", within, lambda: set(self.closed_gates()) <= {"witness"},
                       every=0.2)
        except LabError as error:
            raise LabError(f"{error}; closed: {self.closed_gates()}") from error

    def snapshot(self):
        """All that pointsman could have changed: stores, packet filters, zone, units."""
        seen = {"soa": self.bind.dig("example.test", "SOA"), "record": self.bind.lookup(),
                "mark": self.bind.marks()}
        for name, site in self.sites.items():
            replica = site.mysql.replica()
            seen[f"{name} mysql"] = (
                site.mysql.sql("SELECT @@read_only, @@gtid_domain_id").strip(),
                replica.get("Master_Host"), replica.get("Slave_IO_Running"))
            redis = site.redis.cli("INFO", "replication")
            seen[f"{name} redis"] = (
                [line for line in redis.splitlines() if line.startswith(("role:", "master_host:"))],
                site.redis.cli("CONFIG", "GET", "min-replicas-to-write").split())
            # The lease itself is renewed all the time; that it is there is what counts.
            seen[f"{name} filter"] = re.sub(r" timeout \w+( expires \w+)?", "",
                                            site.place.run(["nft", "-s", "list", "ruleset"]))
            unit = site.place.folder / "agent" / "worker.pid"
            seen[f"{name} worker"] = unit.read_text() if unit.exists() else ""
        return seen

    # The users.

    def start_load(self):
        """100 writes/s by name from the client, and witnesses in and beside each site."""
        tool = self.binaries / "lab-client"
        dns = f"{self.bind.address}:{self.bind.port}"
        self._load(self.client, "client", [tool, "write", "--prefix", "client", "--dns", dns,
                                           "--name", "api.example.test", "--rate", "100"])
        for name, site in self.sites.items():
            near = self.place(NEAR[name])
            self._load(near, "near", [tool, "write", "--prefix", NEAR[name], "--rate", "50",
                                      "--address", site.address])
            self._load(near, "try", [
                tool, "try", "--prefix", f"try-{name[-1]}", "--mysql", f"{site.address}:3306",
                "--redis", f"{site.address}:6379", "--every-ms", "50"])
            self._load(site.place, "watch", [
                tool, "watch", "--mysql-socket", site.mysql.socket, "--redis", "127.0.0.1:6379"])

    def _load(self, place, name, argv):
        log = place.folder / f"{name}.events"
        self.loads.append((place, place.spawn(name, argv + ["--log", log])))

    def stop_load(self):
        for _, process in self.loads:
            process.send(signal.SIGTERM)
        for _, process in self.loads:
            process.stop(within=3)
        self.loads.clear()

    def events(self, host, name):
        path = self.folder / host / f"{name}.events"
        return path.read_text().splitlines() if path.exists() else []

    @staticmethod
    def require(process, place):
        """A process that should be there and is not ends the scenario with its last words."""
        if process is None or not process.alive():
            name = process.name if process else "a process"
            raise LabError(f"{name} in {place.folder.name} ended:\n{log_tail(place, name)}")


__all__ = ["Lab", "LabError", "SITES", "SERVICE", "now", "wait_until"]
