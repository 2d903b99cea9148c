"""Real servers, started privately: MariaDB, Redis, BIND, nginx and the laboratory's app.

Used by the laboratory (lab.py) and by packaging/quickstart. Nothing here touches a service that it
did not start: every server has a folder, a configuration and ports of its own, and is ended by its
recorded process id, after a look that this id still belongs to the process that was started.
"""

import base64
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import zlib

APP_PASSWORD = "app"
ROOT = pathlib.Path(__file__).resolve().parents[2]


class LabError(Exception):
    """Something the laboratory needs could not be had; the text says what and where to look."""


class SetUpError(LabError):
    """A server of the laboratory did not start; nothing of ours had begun yet."""


def now():
    """The clock of all logs: CLOCK_MONOTONIC in seconds, the same in every namespace."""
    return time.monotonic()


def wait_until(what, within, ask, every=0.02):
    """Asks until the answer is true and gives it back; LabError when `within` seconds passed."""
    end = now() + within
    while True:
        answer = ask()
        if answer:
            return answer
        if now() > end:
            raise LabError(f"{what}: not within {within:g} s")
        time.sleep(every)


def _die_with_parent():
    ctypes.CDLL("libc.so.6", use_errno=True).prctl(1, signal.SIGKILL)


def _started_at(pid):
    """The kernel's start time of a process: with the id it names one process for ever."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


class Process:
    """A process that we started, perhaps in an earlier run."""

    def __init__(self, name, pid, started, popen=None):
        self.name, self.pid, self.started, self._popen = name, pid, started, popen

    def alive(self):
        if self._popen is not None:
            return self._popen.poll() is None
        return _started_at(self.pid) == self.started

    def send(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def stop(self, within=10.0, number=signal.SIGTERM):
        """Asks it to end, and ends it when it has not by then."""
        self.send(signal.SIGCONT)
        self.send(number)
        end = now() + within
        while self.alive() and now() < end:
            time.sleep(0.02)
        self.send(signal.SIGKILL)
        while self.alive():
            time.sleep(0.01)

    def kill(self):
        self.send(signal.SIGKILL)
        if self._popen is not None:
            self._popen.wait()
        while self.alive():
            time.sleep(0.01)


class Place:
    """Where servers run: a network namespace, or (netns None) this host as it is.

    With `outlive` the servers go on after this program and are remembered in `pids.json`.
    """

    def __init__(self, folder, netns=None, outlive=False):
        self.folder = pathlib.Path(folder)
        self.netns, self.outlive = netns, outlive
        self.spawned = []
        self.folder.mkdir(parents=True, exist_ok=True)

    def argv(self, argv):
        prefix = ["nsenter", f"--net=/run/netns/{self.netns}"] if self.netns else []
        return prefix + [str(a) for a in argv]

    def spawn(self, name, argv):
        log = open(self.folder / f"{name}.log", "ab")
        popen = subprocess.Popen(
            self.argv(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
            start_new_session=True, preexec_fn=None if self.outlive else _die_with_parent)
        log.close()
        process = Process(name, popen.pid, _started_at(popen.pid), popen)
        self.spawned.append(process)
        if self.outlive:
            self._remember(process)
        return process

    def end_all(self):
        """Ends what this program started here, the latest first."""
        for process in reversed(self.spawned):
            process.kill()
        self.spawned.clear()

    def _remember(self, process):
        pids = self.folder / "pids.json"
        known = json.loads(pids.read_text()) if pids.exists() else []
        known.append([process.name, process.pid, process.started])
        pids.write_text(json.dumps(known))

    def remembered(self):
        """The processes that an earlier run left here, latest first."""
        pids = self.folder / "pids.json"
        known = json.loads(pids.read_text()) if pids.exists() else []
        return [Process(*one) for one in reversed(known)]

    def run(self, argv, text=None, within=20.0, check=True):
        done = subprocess.run(self.argv(argv), input=text, text=True, capture_output=True,
                              timeout=within, check=False)
        if check and done.returncode != 0:
            raise LabError(f"{' '.join(map(str, argv))}: exit {done.returncode}: "
                           f"{(done.stderr or done.stdout).strip()}")
        return done.stdout


def log_tail(place, name, lines=8):
    log = place.folder / f"{name}.log"
    text = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join("    " + line for line in text[-lines:])


def port_free(address, port):
    """Neither TCP nor UDP has a listener there."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


# The account `pointsman` may do what the driver needs and no more; `app` is a plain user, so that
# read_only stops it; `seed` copies the other site's databases when a site comes back.
ACCOUNTS = """
FLUSH PRIVILEGES;
CREATE DATABASE app;
CREATE TABLE app.writes (id VARCHAR(40) PRIMARY KEY, site VARCHAR(16) NOT NULL,
  at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)) ENGINE=InnoDB;
CREATE TABLE app.ready (one INT) ENGINE=InnoDB;
CREATE USER app@'%' IDENTIFIED BY 'app';
GRANT SELECT, INSERT ON app.* TO app@'%';
CREATE USER app@localhost IDENTIFIED BY 'app';
GRANT SELECT, INSERT ON app.* TO app@localhost;
CREATE USER repl@'%' IDENTIFIED BY 'repl-secret';
GRANT REPLICATION SLAVE ON *.* TO repl@'%';
CREATE USER seed@'%' IDENTIFIED BY 'seed-secret';
GRANT SELECT, INSERT, CREATE, DROP, ALTER, INDEX, REFERENCES, LOCK TABLES, SHOW VIEW, CREATE VIEW,
  CREATE ROUTINE, ALTER ROUTINE, TRIGGER, EVENT, RELOAD, PROCESS, SUPER, SET USER, BINLOG ADMIN,
  BINLOG MONITOR, READ_ONLY ADMIN, REPLICATION SLAVE, REPLICATION SLAVE ADMIN ON *.* TO seed@'%';
CREATE USER pointsman@localhost IDENTIFIED BY 'pointsman-secret';
GRANT RELOAD, PROCESS, SUPER, BINLOG ADMIN, BINLOG MONITOR, CONNECTION ADMIN, READ_ONLY ADMIN,
  REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR ON *.* TO pointsman@localhost;
"""


def mariadb_template(folder):
    """A data directory with the accounts, made once and copied for every server."""
    folder = pathlib.Path(f"{folder}-{zlib.crc32(ACCOUNTS.encode()):08x}")  # Of these accounts.
    if folder.exists():
        return folder
    making = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(making, ignore_errors=True)
    making.parent.mkdir(parents=True, exist_ok=True)
    common = ["--no-defaults", f"--datadir={making}", "--innodb-log-file-size=8M"]
    for argv, text in (
            (["mariadb-install-db", *common, "--user=root", "--skip-test-db",
              "--auth-root-authentication-method=normal"], None),
            (["/usr/sbin/mariadbd", *common, "--user=root", "--bootstrap"], ACCOUNTS)):
        done = subprocess.run(argv, input=text, text=True, capture_output=True, timeout=120,
                              check=False)
        if done.returncode != 0:
            raise LabError(f"{argv[0]}: {done.stderr[-800:]}")
    try:
        making.rename(folder)
    except OSError:
        shutil.rmtree(making)
    return folder


class MariaDb:
    """One MariaDB that opens read-only, as one that is failed over must."""

    def __init__(self, place, address, port, server_id, semi_sync=False):
        self.place, self.address, self.port = place, address, port
        self.server_id, self.semi_sync = server_id, semi_sync
        self.data = place.folder / "mysql"
        self.socket = place.folder / "mysql.sock"
        if len(str(self.socket)) > 100:  # The kernel's limit is 107.
            self.socket = pathlib.Path(f"/tmp/pointsman-{os.getpid()}-{server_id}.sock")
        self.process = None

    def argv(self):
        argv = [
            "/usr/sbin/mariadbd", "--no-defaults", "--user=root", f"--datadir={self.data}",
            f"--socket={self.socket}", f"--bind-address={self.address}", f"--port={self.port}",
            f"--pid-file={self.data}/pid", f"--server-id={self.server_id}", "--log-bin=binlog",
            "--log-slave-updates=1", "--gtid-strict-mode=1", "--read-only=1",
            "--skip-name-resolve", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M",
            "--slave-net-timeout=5", "--skip-slave-start=0", "--max-connections=400",
            "--aria-pagecache-buffer-size=8M", "--key-buffer-size=8M"]
        if self.semi_sync:
            argv += ["--rpl-semi-sync-master-enabled=1", "--rpl-semi-sync-slave-enabled=1",
                     "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
                     "--rpl-semi-sync-slave-kill-conn-timeout=1"]
        return argv

    def start(self, template=None):
        if template is not None and not self.data.exists():
            shutil.copytree(template, self.data, symlinks=True)
        self.process = self.place.spawn("mariadb", self.argv())

    def wait_ready(self, within=30.0):
        def ready():
            if not self.process.alive():
                raise LabError("MariaDB ended:\n" + log_tail(self.place, "mariadb"))
            return self.sql("SELECT 1", check=False).strip() == "1"
        wait_until(f"MariaDB at {self.address}:{self.port}", within, ready, every=0.1)

    def sql(self, text, check=True, within=10.0):
        """Rows as lines with tabs, as root over the socket."""
        return self.place.run(
            ["mariadb", "--no-defaults", "-uroot", f"--socket={self.socket}", "-N", "-B",
             "--connect-timeout=3", "-e", text], check=check, within=within)

    def follow(self, primary):
        self.sql(f"CHANGE MASTER TO MASTER_HOST='{primary.address}', MASTER_PORT={primary.port}, "
                 "MASTER_USER='repl', MASTER_PASSWORD='repl-secret', MASTER_CONNECT_RETRY=1, "
                 "MASTER_HEARTBEAT_PERIOD=1, MASTER_USE_GTID=slave_pos; START SLAVE")

    def replica(self):
        """SHOW REPLICA STATUS as a dictionary; empty when it follows nobody."""
        text = self.place.run(
            ["mariadb", "--no-defaults", "-uroot", f"--socket={self.socket}", "-e",
             "SHOW REPLICA STATUS\\G"])
        pairs = (line.strip().partition(": ") for line in text.splitlines() if ":" in line)
        return {key.rstrip(":"): value for key, _, value in pairs}

    def following(self):
        status = self.replica()
        return status.get("Slave_IO_Running") == status.get("Slave_SQL_Running") == "Yes"

    def end_clients(self):
        """Kills the sessions that sleep on purpose, holding a lock."""
        for number in self.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE "
                               "INFO LIKE 'SELECT SLEEP(%'").split():
            self.sql(f"KILL {number}", check=False)

    def ids(self):
        return set(self.sql("SELECT id FROM app.writes", within=30.0).split())

    def position(self):
        return self.sql("SELECT @@gtid_current_pos").strip()


class Redis:
    """One Redis without persistence on disk: its copy at the other site is what counts."""

    def __init__(self, place, address, port):
        self.place, self.address, self.port = place, address, port
        self.process = None

    def start(self):
        folder = self.place.folder / "redis"
        folder.mkdir(exist_ok=True)
        listen = {self.address, "127.0.0.1"} if self.place.netns else {self.address}
        self.process = self.place.spawn("redis", [
            "/usr/bin/redis-server", "--port", self.port, "--bind", *sorted(listen),
            "--protected-mode", "no", "--dir", folder, "--save", "", "--daemonize", "no",
            "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0",
            "--repl-timeout", "5", "--repl-ping-replica-period", "1",
            "--logfile", "", "--loglevel", "notice"])

    def wait_ready(self, within=10.0):
        wait_until(f"Redis at {self.address}:{self.port}", within,
                   lambda: self.cli("PING", check=False).strip() == "PONG")

    def cli(self, *words, check=True):
        return self.place.run(["redis-cli", "-h", self.address, "-p", self.port, "--raw", *words],
                              check=check)

    def follow(self, primary):
        self.cli("REPLICAOF", primary.address, str(primary.port))

    def following(self):
        return "master_link_status:up" in self.cli("INFO", "replication")

    def ids(self):
        return set(self.cli("SMEMBERS", "writes").split())


class Bind:
    """One authoritative BIND with a TSIG key that may change one name and its mark."""

    def __init__(self, place, address, port=53):
        self.place, self.address, self.port = place, address, port
        self.secret = base64.b64encode(os.urandom(32)).decode()
        self.key = "pointsman-key"
        self.names = ["api"]  # Within example.test; each with the first address.
        self.process = None

    def write(self, first_address, ttl=60):
        folder = self.place.folder / "bind"
        folder.mkdir(exist_ok=True)
        grants = "\n".join(f"    grant {self.key} name {name}.example.test. A AAAA CNAME TXT;\n"
                           f"    grant {self.key} name _pointsman.{name}.example.test. TXT;"
                           for name in self.names)
        (folder / "named.conf").write_text(f"""
key "{self.key}" {{ algorithm hmac-sha256; secret "{self.secret}"; }};
options {{
  directory "{folder}"; listen-on port {self.port} {{ {self.address}; }}; listen-on-v6 {{ none; }};
  pid-file none; session-keyfile none; lock-file none; recursion no; dnssec-validation no;
  notify no; allow-transfer {{ none; }}; allow-query {{ any; }};
}};
controls {{ }};
zone "example.test" {{
  type primary; file "example.test.zone";
  update-policy {{
{grants}
  }};
}};
""")
        (folder / "example.test.zone").write_text(f"""$TTL 60
@ IN SOA ns1 admin 1 3600 600 86400 60
@ IN NS ns1
ns1 IN A {self.address}
""" + "".join(f"{name} {ttl} IN A {first_address}\n" for name in self.names))
        # A copy: AppArmor confines the program at its own path to the distribution's folders.
        shutil.copy("/usr/sbin/named", folder / "named")

    def start(self):
        folder = self.place.folder / "bind"
        self.process = self.place.spawn(
            "named", [folder / "named", "-g", "-n", "1", "-c", folder / "named.conf"])

    def wait_ready(self, within=10.0):
        wait_until(f"BIND at {self.address}:{self.port}", within, self.lookup)

    def dig(self, name, kind):
        out = self.place.run(["dig", f"@{self.address}", "-p", self.port, "+time=1", "+tries=1",
                              "+norecurse", "+short", name, kind], check=False)
        return [line for line in out.split("\n") if line and not line.startswith(";")]

    def lookup(self):
        return self.dig("api.example.test", "A")

    def marks(self):
        return self.dig("_pointsman.api.example.test", "TXT")

    def update(self, *lines):
        """nsupdate with our key: the hand of an operator."""
        text = "\n".join([f"server {self.address} {self.port}", "zone example.test", *lines,
                          "send"])
        self.place.run(["nsupdate", "-y", f"hmac-sha256:{self.key}:{self.secret}"], text + "\n")


class Nginx:
    """nginx in front of the app, as a plain reverse proxy."""

    def __init__(self, place, address, port, app_port):
        self.place, self.address, self.port, self.app_port = place, address, port, app_port
        self.process = None

    def start(self):
        folder = self.place.folder / "nginx"
        folder.mkdir(exist_ok=True)
        (folder / "nginx.conf").write_text(f"""
user root; worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; proxy_temp_path {folder}/p; client_body_temp_path {folder}/b;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen {self.address}:{self.port};
    location / {{ proxy_pass http://127.0.0.1:{self.app_port}; proxy_connect_timeout 1s;
      proxy_set_header X-Real-IP $remote_addr; }}
  }}
}}
""")
        self.process = self.place.spawn("nginx", ["/usr/sbin/nginx", "-p", folder, "-c",
                                                  folder / "nginx.conf", "-e", "stderr"])

    def children(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in text.read_text().split()]


class App:
    """The product: lab-app over the site's two stores."""

    def __init__(self, place, site, listen, mysql, redis):
        self.place, self.site, self.listen = place, site, listen
        self.mysql, self.redis = mysql, redis
        self.process = None

    def argv(self, binaries):
        return [binaries / "lab-app", "--site", self.site, "--listen", self.listen,
                "--mysql-socket", self.mysql.socket,
                "--redis", f"{self.redis.address}:{self.redis.port}"]

    def start(self, binaries):
        self.process = self.place.spawn("app", self.argv(binaries))
