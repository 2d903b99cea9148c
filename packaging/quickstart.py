"""The part of packaging/quickstart after the build: two sites, a failover, and what it cost."""

import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "test" / "lab"))
sys.path.insert(0, str(TOP / "packaging"))
sys.dont_write_bytecode = True

import config_text  # noqa: E402
import quickstart_show as show  # noqa: E402
from servers import (App, Bind, LabError, MariaDb, Place, Redis, log_tail,  # noqa: E402
                     mariadb_template, now, port_free, wait_until)

SERVICE = "im-api"
SITES = {"site-a": "127.0.1.1", "site-b": "127.0.2.1"}
DNS = "127.0.0.1"  # BIND serves only addresses that an interface has, not all of 127/8.
WEB = "127.0.0.1"


def choose_port(addresses, wanted, what):
    """The wanted port, or the next one that is free on all addresses; says so when it differs."""
    for port in (wanted, *range(wanted + 10000, wanted + 10050)):
        if all(port_free(address, port) for address in addresses):
            if port != wanted:
                print(f"  port {wanted} for {what} is in use on {' or '.join(addresses)}: "
                      f"taking {port}")
            return port
    raise LabError(f"no free port for {what} on {', '.join(addresses)} from {wanted} on")


class Site:
    def __init__(self, state, name, number, ports):
        self.name, self.address = name, SITES[name]
        self.place = Place(state / name, outlive=True)
        self.mysql = MariaDb(self.place, self.address, ports["MariaDB"], number)
        self.redis = Redis(self.place, self.address, ports["Redis"])
        self.app = App(self.place, name, f"{self.address}:{ports['app']}", self.mysql, self.redis)
        self.agent = None


class Quickstart:
    def __init__(self, state, binaries):
        self.state, self.binaries = state, binaries
        self.control = state / "monitor" / "control.sock"
        self.tokens = {"operator": secrets.token_urlsafe(24), "viewer": secrets.token_urlsafe(24)}

    # Ending what a run left behind.

    def stop(self):
        """Ends the processes of a former run, each known by its id and its start time."""
        ended = 0
        for folder in ("client", "monitor", "site-a", "site-b", "dns"):
            place = Place(self.state / folder)
            for unit in sorted(place.folder.glob("*.pid")):
                script = str(unit.with_suffix(""))
                runs = subprocess.run([script, "status"], check=False, timeout=20).returncode == 0
                subprocess.run([script, "stop"], check=False, timeout=20)
                ended += runs
            for process in place.remembered():
                if process.alive():
                    process.stop()
                    ended += 1
            (place.folder / "pids.json").unlink(missing_ok=True)
        return ended

    def clear(self):
        for folder in ("client", "monitor", "site-a", "site-b", "dns", "certs"):
            shutil.rmtree(self.state / folder, ignore_errors=True)

    # Starting.

    def start(self):
        addresses = list(SITES.values())
        self.ports = {what: choose_port(addresses, port, what) for what, port in
                      (("MariaDB", 3306), ("Redis", 6379), ("app", 8080), ("agent", 7443),
                       ("metrics", 9780))}
        self.ports["dns"] = choose_port([DNS], 5300, "DNS")
        self.ports["web"] = choose_port([WEB], 8780, "the API")
        self.sites = [Site(self.state, name, 201 + i, self.ports) for i, name in enumerate(SITES)]
        self.a, self.b = self.sites
        self.bind = Bind(Place(self.state / "dns", outlive=True), DNS, self.ports["dns"])
        self.monitor = Place(self.state / "monitor", outlive=True)
        self.client = Place(self.state / "client", outlive=True)
        self.start_servers()
        self.configure()
        self.start_pointsman()

    def start_servers(self):
        template = mariadb_template(self.state / "mariadb-template")
        for site in self.sites:
            site.mysql.start(template)
            site.redis.start()
        self.bind.write(self.a.address)
        self.bind.start()
        for site in self.sites:
            site.mysql.wait_ready()
            site.redis.wait_ready()
        self.bind.wait_ready()
        # Only a lease may open a store; this pair has had none yet, so a person opens one.
        self.a.mysql.sql("SET GLOBAL read_only=0")
        self.b.mysql.follow(self.a.mysql)
        self.b.redis.follow(self.a.redis)
        wait_until("MariaDB of site-b follows", 15, self.b.mysql.following)
        wait_until("Redis of site-b follows", 15, self.b.redis.following)

    def configure(self):
        certs = self.state / "certs"
        certs.mkdir()
        tool = self.binaries / "pointsman"
        self.monitor.run([tool, "certs", "init", "--dir", certs])
        self.monitor.run([tool, "certs", "issue", "monitor", *SITES, "--dir", certs])
        for site, peer in ((self.a, self.b), (self.b, self.a)):
            self.write_agent(site, peer, certs)
        self.write_monitor(certs)

    @staticmethod
    def tls(certs, name):
        return {"ca": str(certs / "ca.pem"), "cert": str(certs / f"{name}.pem"),
                "key": str(certs / f"{name}.key")}

    def write_agent(self, site, peer, certs):
        folder = site.place.folder
        (folder / "state").mkdir()
        app = config_text.write_unit(
            folder, "app", " ".join(str(word) for word in site.app.argv(self.binaries)))
        worker = config_text.write_unit(folder, "worker", "sleep infinity")
        site.place.run([folder / "app", "start"])
        if site is self.a:
            site.place.run([folder / "worker", "start"])
        settings = {
            "service": SERVICE, "listen": f"{site.address}:{self.ports['agent']}",
            "state_dir": str(folder / "state"), "control": str(folder / "control.sock"),
            "metrics": f"{site.address}:{self.ports['metrics']}",
            "tls": self.tls(certs, site.name),
            "peer": f"https://{peer.address}:{self.ports['agent']}",
            "mysql_password_file": config_text.secret_file(folder / "mysql.password",
                                                           "pointsman-secret\n"),
            "repl_password_file": config_text.secret_file(folder / "repl.password",
                                                          "repl-secret\n"),
            "seed_password_file": config_text.secret_file(folder / "seed.password",
                                                          "seed-secret\n"),
            "units": [app | {"run": "always"}, worker]}
        (folder / "agent.toml").write_text(config_text.agent_toml(site, settings))

    def write_monitor(self, certs):
        folder = self.monitor.folder
        (folder / "state").mkdir()
        credentials = config_text.secret_file(
            folder / "credentials.toml", config_text.credentials_toml(self.bind, self.tokens))
        server = f"{DNS}:{self.ports['dns']}"
        monitor = {"monitor": {"name": "monitor", "state_dir": str(folder / "state"),
                               "credentials": credentials, "control": str(self.control),
                               "references": [f"tcp://{server}"]},
                   "web": {"listen": f"{WEB}:{self.ports['web']}"},
                   "tls": self.tls(certs, "monitor")}
        service = {"name": SERVICE,
                   "probe": {"type": "http",
                             "url": f"http://{{address}}:{self.ports['app']}/health",
                             "host": "api.example.test", "expect_status": [200]}}
        sites = [{"name": site.name, "address": site.address,
                  "agent": f"https://{site.address}:{self.ports['agent']}"}
                 for site in self.sites]
        provider = {"server": server, "authorities": [server]}
        (folder / "pointsman.toml").write_text(
            config_text.monitor_toml(monitor, provider, service, sites))

    def start_pointsman(self):
        for site in self.sites:
            site.agent = site.place.spawn("agent", [self.binaries / "pointsman-agent", "--config",
                                                    site.place.folder / "agent.toml"])
        self.daemon = self.monitor.spawn("pointsmand", [
            self.binaries / "pointsmand", "--config", self.monitor.folder / "pointsman.toml"])

    def start_load(self):
        self.log = self.client.folder / "client.events"
        self.load = self.client.spawn("client", [
            self.binaries / "lab-client", "write", "--prefix", "client", "--rate", "50",
            "--dns", f"{DNS}:{self.ports['dns']}", "--name", "api.example.test",
            "--port", self.ports["app"], "--log", self.log])

    # Asking.

    def cli(self, *words):
        return subprocess.run(
            [str(self.binaries / "pointsman"), *words, "--config",
             str(self.monitor.folder / "pointsman.toml")],
            capture_output=True, text=True, timeout=20, check=False)

    def require_running(self):
        for process, place in ((self.daemon, self.monitor), (self.a.agent, self.a.place),
                               (self.b.agent, self.b.place)):
            if not process.alive():
                raise LabError(f"{process.name} ended; the end of its log:\n"
                               f"{log_tail(place, process.name, 15)}")

    def status(self):
        self.require_running()
        return show.service_of(self.cli("status", SERVICE, "--json"))

    def wait_ready(self):
        def ready():
            status = self.status()
            verdicts = [site["verdict"] for site in status.get("sites", [])]
            return status.get("phase") == "steady" and verdicts == ["up", "up"]
        wait_until("both sites up and the pair adopted", 60, ready, every=0.2)
        wait_until("every gate but witness open", 60,
                   lambda: show.closed_gates(self.cli("explain", SERVICE, "--json"))
                   <= {"witness"}, every=0.3)

    # The main job.

    def kill_primary(self):
        """Ends app, MariaDB and Redis of site-a at once and without warning."""
        pid = int((self.a.place.folder / "app.pid").read_text().split()[0])
        print(f"\nKilling the primary, site-a: app (pid {pid}), MariaDB (pid "
              f"{self.a.mysql.process.pid}), Redis (pid {self.a.redis.process.pid}). "
              "Its agent lives.\n", flush=True)
        died = now()
        os.kill(pid, 9)
        self.a.mysql.process.kill()
        self.a.redis.process.kill()
        return died

    def failover(self):
        """Kills the primary and shows what follows; the sentences of what went wrong."""
        died = self.kill_primary()
        live = show.Live(died)
        end = died + 60
        while now() < end:
            live.update(self.status(), self.log)
            if live.over():
                break
            time.sleep(0.05)
        time.sleep(2.0)
        live.update(self.status(), self.log)
        print("\nThe steps of the move, as the daemon kept them:")
        show.print_move(self.status().get("last_move"))
        return self.count(died)

    def count(self, died):
        writes = show.read_writes(self.log)
        there, there_redis = self.b.mysql.ids(), self.b.redis.ids()
        wrong = show.print_count(writes, died, (there, there_redis), SITES)
        if self.bind.lookup() != [self.b.address]:
            wrong.append(f"api.example.test is {self.bind.lookup()}, not {self.b.address}")
        if self.status().get("primary") != "site-b":
            wrong.append("site-b is not the primary")
        return wrong


def run(quickstart, once):
    if quickstart.stop():
        print("Ended what an earlier run had left running.")
    quickstart.clear()
    print("Starting two sites, BIND, two agents and the daemon:", flush=True)
    quickstart.start()
    show.print_sites(quickstart)
    quickstart.wait_ready()
    quickstart.start_load()
    time.sleep(4.0)
    show.print_command(quickstart.cli("status"), "pointsman status")
    wrong = quickstart.failover()
    show.print_command(quickstart.cli("status"), "pointsman status")
    if once:
        quickstart.stop()
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    if not once and not wrong:
        show.print_next_steps(quickstart)
    return 1 if wrong else 0


def main():
    mode, state, binaries = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    quickstart = Quickstart(state, binaries)
    if mode == "stop":
        print(f"Ended {quickstart.stop()} processes; .quickstart/ may be removed.")
        return 0
    try:
        return run(quickstart, mode == "once")
    except (LabError, subprocess.TimeoutExpired, KeyboardInterrupt) as error:
        print(f"\nThe quickstart ended early: {error or 'interrupted'}\n"
              f"Logs are in {state}. Ending what it had started.", file=sys.stderr)
        quickstart.stop()
        return 1


if __name__ == "__main__":
    sys.exit(main())
