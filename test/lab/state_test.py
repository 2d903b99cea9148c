#!/usr/bin/python3
"""The daemons alone with a bad disk, a bad clock or too little of the host: state_test.py --bin DIR

Each process runs without a network (a namespace of its own). What the classes behind it do is shown
by unit tests; here the process: what it says, how it ends, that it answers, what it left alone.
"""

import argparse
import fcntl
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import config_text
from servers import LabError, now, wait_until

MONITOR = """
[monitor]
name = "monitor"
state_dir = "{folder}/state"
credentials = "{folder}/credentials.toml"
control = "{folder}/control.sock"
[provider.corp]
type = "rfc2136"
server = "192.0.2.53:53"
[[service]]
name = "im-api"
[[service.record]]
provider = "corp"
zone = "example.test"
name = "api.example.test"
type = "A"
[[service.probe]]
type = "tcp"
port = 8080
[[service.site]]
name = "hz"
address = "192.0.2.10"
[[service.site]]
name = "sh"
address = "198.51.100.20"
"""
CREDENTIALS = """[corp]
key = "k"
algorithm = "hmac-sha256"
secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""
AGENT = """
[agent]
site = "hz"
listen = "127.0.0.1:7443"
state_dir = "{folder}/state"
control = "{folder}/control.sock"
monitors = ["monitor"]
[tls]
ca = "{certs}/ca.pem"
cert = "{certs}/hz.pem"
key = "{certs}/hz.key"
[[service]]
name = "im-api"
peer = "https://198.51.100.20:7443"
[[service.unit]]
name = "worker"
start = ["/bin/true"]
stop = ["/bin/true"]
status = ["/bin/false"]
"""


class Daemon:
    """One program in a folder of its own; `before` are words put in front of its command."""

    def __init__(self, bench, program, before=()):
        self.bench, self.program = bench, program
        self.folder = bench.folder / f"{program}-{len(bench.daemons)}"
        self.state = self.folder / "state"
        self.state.mkdir(parents=True)
        self.before = list(before)
        self.popen = None
        self.log = self.folder / "log"
        text = MONITOR if program == "pointsmand" else AGENT
        self.config = self.folder / "config.toml"
        self.config.write_text(text.format(folder=self.folder, certs=bench.certs))
        config_text.secret_file(self.folder / "credentials.toml", CREDENTIALS)
        bench.daemons.append(self)

    def argv(self, *words):
        return ["unshare", "--net", "--", *self.before, self.bench.binaries / self.program,
                "--config", self.config, *words]

    def start(self, *words, stderr=None, environment=None):
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                self.argv(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=stderr or log,
                env=os.environ | (environment or {}))
        return self

    def told(self):
        return self.log.read_text(errors="replace")

    def cli(self, *words):
        done = subprocess.run(
            [self.bench.binaries / "pointsman", *words, "--json", "--config", self.config],
            capture_output=True, text=True, timeout=20, check=False)
        return done.returncode, done.stdout + done.stderr

    def answers(self):
        return self.popen.poll() is None and self.cli("status")[0] == 0

    def wait_answers(self, within=10):
        try:
            wait_until(f"{self.program} answers", within, self.answers, every=0.1)
        except LabError as error:
            raise LabError(f"{error}: {self.told()[-600:]}") from error
        return self

    def wait_log(self, word, within=10):
        try:
            wait_until(f"{self.program} says {word}", within, lambda: word in self.told(),
                       every=0.05)
        except LabError as error:
            raise LabError(f"{error}: {self.told()[-600:]}") from error

    def ends(self, within=10):
        """Its exit code, when it ends by itself; it says why."""
        try:
            return self.popen.wait(within)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.program} did not end: {self.told()[-600:]}") from error

    def stop(self, number=signal.SIGTERM):
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(number)
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


def must(holds, sentence):
    if not holds:
        raise LabError(sentence)


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())
            if path.is_file() and path.name not in ("pointsman.lock", "lock")}


class Bench:
    def __init__(self, binaries):
        self.binaries = binaries
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pm-state-"))
        self.certs = self.folder / "certs"
        self.daemons, self.mounts = [], []
        for words in (["init"], ["issue", "hz", "monitor"]):
            subprocess.run([binaries / "pointsman", "certs", *words, "--dir", self.certs],
                           check=True, capture_output=True)

    def close(self):
        for daemon in self.daemons:
            daemon.stop(signal.SIGKILL)
        for mount in self.mounts:
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def tmpfs(self, folder, options):
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        self.mounts.append(folder)

    # --- State of pointsmand.

    def used(self):
        """A daemon that has saved decisions and was stopped."""
        daemon = Daemon(self, "pointsmand").start().wait_answers()
        for word in ("pause", "resume", "pause"):
            code, said = daemon.cli(word, "im-api", *(["--reason", "r"] if word == "pause" else []))
            must(code == 0, f"{word}: {said}")
        daemon.stop()
        return daemon

    def refuses(self, what, daemon, code, *words):
        """It ends with that code, says these words and leaves every file as it was."""
        before = content(daemon.state)
        began = len(daemon.told())
        ended = daemon.start().ends()
        said = daemon.told()[began:]
        must(ended == code, f"{what}: exit {ended} and not {code}: {said[-600:]}")
        for word in words:
            must(word in said, f"{what}: does not say {word!r}: {said[-600:]}")
        must(len(said) < 3000, f"{what}: {len(said)} characters")
        must(content(daemon.state) == before, f"{what}: files were changed")

    def damaged_state(self):
        """Bits flipped, cut, emptied, foreign, gone, of a newer version: refused, untouched."""
        daemon = self.used()
        file = daemon.state / "pointsman.db"
        sound = file.read_bytes()
        pages = len(sound) // 4096
        refused = 0
        for page in range(pages):  # One may be empty, or of the history, which decides nothing.
            damaged = bytearray(sound)
            for at in range(page * 4096 + 2000, page * 4096 + 4096):
                damaged[at] ^= 0x55
            file.write_bytes(damaged)
            before = content(daemon.state)
            daemon.start()
            if wait_until("it ends or answers", 10, lambda: daemon.popen.poll() is not None
                          or daemon.answers(), every=0.02) and daemon.popen.poll() is not None:
                refused += 1
                must(daemon.popen.returncode == 2, f"page {page}: exit {daemon.popen.returncode}")
                must(content(daemon.state) == before, f"page {page}: files were changed")
            else:
                code, said = daemon.cli("status")
                must(json.loads(said)["services"][0]["held"], f"page {page}: not held: {said}")
                daemon.stop()
        must(refused >= 3, f"only {refused} of {pages} damaged pages were refused")
        print(f"    {refused} of {pages} pages damaged: refused; without the others it was held "
              "all the same", flush=True)
        for what, text, word in (("cut", sound[:len(sound) // 2], "corrupt"),
                                 ("cut within a page", sound[:-100], "corrupt"),
                                 ("emptied", b"", "is empty"), ("foreign", b"x" * 8192, "corrupt")):
            file.write_bytes(text)
            self.refuses(what, daemon, 2, "not-started", word, "adopt")
        file.unlink()
        self.refuses("gone", daemon, 2, "is gone, but held state before", "adopt")
        file.write_bytes(sound)
        with sqlite3.connect(file) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        self.refuses("newer", daemon, 2, "has schema 99", "newer version")
        file.write_bytes(sound)
        code, said = daemon.start().wait_answers().cli("history")
        must(code == 0 and "pause" in said, f"with the sound file again: {said[:300]}")

    def two_on_one_state(self):
        """The second is refused with who and where; the first goes on."""
        for program, word in (("pointsmand", "another pointsmand"), ("pointsman-agent", "locked")):
            first = Daemon(self, program).start()
            first.wait_log(" started ")
            again = subprocess.run(first.argv(), capture_output=True, text=True, timeout=10,
                                   check=False)
            must(again.returncode == 1, f"second {program}: exit {again.returncode}")
            must(word in again.stderr and str(first.state) in again.stderr,
                 f"second {program} says: {again.stderr[-400:]}")
            time.sleep(0.3)
            must(first.popen.poll() is None, f"the first {program} ended")
            if program == "pointsmand":
                must(first.answers(), "the first does not answer any more")

    def full_disk_at_start(self):
        daemon = Daemon(self, "pointsmand")
        self.tmpfs(daemon.state, "size=16k")
        (daemon.state / "ballast").write_bytes(b"x" * 16384)
        code = daemon.start().ends()
        must(code in (1, 2) and "not-started" in daemon.told() and "full" in daemon.told(),
             f"exit {code}: {daemon.told()[-400:]}")
        (daemon.state / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=4m", daemon.state], check=True)
        daemon.start().wait_answers()

    # --- State of an agent.

    def damaged_record(self):
        """An agent without a sound record refuses to start: never as one that never reigned."""
        daemon = Daemon(self, "pointsman-agent")
        file = daemon.state / "im-api.json"
        reign = {"epoch": "3", "id": "00000000000000ab"}
        sound = {"role": "standby", "reign": reign, "power": "sh", "peer": "sh", "highest": "3",
                 "highest_reign": reign, "highest_move": "m-1", "voided": {"epoch": "0", "id": ""},
                 "fence_epoch": "0", "widest_lease_ms": 3000, "widest_fence_bound_ms": 500,
                 "lease_ms": 3000, "monitor_counter": "7"}
        file.write_text(json.dumps(sound))
        daemon.start().wait_log(" started ")
        must("role=standby" in daemon.told(), daemon.told()[-400:])
        daemon.stop()
        whole = json.dumps(sound)
        for what, text in (("cut", whole[:60]), ("empty", ""), ("no JSON", "\0" * 100),
                           ("a member missing", json.dumps(sound | {"role": None})),
                           ("unknown role", json.dumps(sound | {"role": "king"})),
                           ("negative", json.dumps(sound | {"highest": "-1"}))):
            file.write_text(text)
            self.refuses(what, daemon, 1, "start-failed", "im-api.json")

    # --- Clock.

    def wall_clock_at_boot(self):
        """1970 and 2100: they run, decide and keep."""
        for year, when in ((1970, "1970-01-02 00:00:00"), (2100, "2100-01-01 00:00:00")):
            daemon = Daemon(self, "pointsmand").start(environment=faked(f"@{when}"))
            daemon.wait_answers()
            code, said = daemon.cli("pause", "im-api", "--reason", "clock")
            must(code == 0, f"{year}: {said}")
            code, said = daemon.cli("history")
            must(code == 0 and f"{year}-01-0" in said, f"{year}: {said[:400]}")
            daemon.stop()
            must(daemon.popen.returncode == 0, f"{year}: exit {daemon.popen.returncode}")
            agent = Daemon(self, "pointsman-agent").start(environment=faked(f"@{when}"))
            agent.wait_log(" started ")
            agent.stop()

    # --- Too little of the host.

    def no_threads(self):
        """No thread can be made: one sentence and an end, no abort."""
        owner = "61237"  # Nobody else's: the limit counts a user's threads.
        for program in ("pointsmand", "pointsman-agent"):
            ended = {}
            for most in (1, 4, 8):
                daemon = Daemon(self, program, before=[
                    "setpriv", "--reuid", owner, "--clear-groups", "prlimit", f"--nproc={most}"])
                for path in (daemon.folder, daemon.state, daemon.folder / "credentials.toml"):
                    os.chown(path, int(owner), -1)
                self.folder.chmod(0o755)
                self.certs.chmod(0o755)
                for path in self.certs.iterdir():
                    os.chown(path, int(owner), -1)
                daemon.start()
                try:
                    ended[most] = daemon.popen.wait(1.5)
                except subprocess.TimeoutExpired:
                    ended[most] = "runs"
                said = daemon.told()
                must(ended[most] in (1, "runs"), f"{program}, {most} threads: {ended[most]}: "
                     f"{said[-500:]}")
                if ended[most] == 1:
                    must("thread" in said, f"{program}, {most} threads: says {said[-400:]}")
                daemon.stop(signal.SIGKILL)
            must(ended[1] == 1, f"{program} runs with one thread")

    def no_descriptors(self):
        """Too few descriptors to start with: a sentence; never a crash."""
        for program in ("pointsmand", "pointsman-agent"):
            for most in (4, 6, 8, 10, 14, 20, 30):
                daemon = Daemon(self, program, before=["prlimit", f"--nofile={most}"]).start()
                try:
                    code = daemon.popen.wait(2)
                except subprocess.TimeoutExpired:
                    code = "runs"
                must(code in (1, 2, 127, "runs"),
                     f"{program}, {most} descriptors: {code}: {daemon.told()[-500:]}")
                if code in (1, 2):
                    must(daemon.told().strip(), f"{program}, {most} descriptors: says nothing")
                daemon.stop(signal.SIGKILL)

    def log_is_stuck(self):
        """Nobody reads standard error: decisions go on, and what was lost is counted."""
        read, write = os.pipe()
        fcntl.fcntl(write, 1031, 4096)  # F_SETPIPE_SZ
        daemon = Daemon(self, "pointsmand").start("--debug", stderr=write)
        os.close(write)
        daemon.wait_answers()
        for _ in range(40):  # Each tells of itself in the log.
            for word in ("pause", "resume"):
                code, said = daemon.cli(word, "im-api", *(["--reason", "x" * 200]
                                                          if word == "pause" else []))
                must(code == 0, f"with a stuck log, {word}: {said}")
        began = now()
        must(daemon.answers() and now() - began < 3, "it answers late")
        os.set_blocking(read, False)
        said, end = b"", now() + 10
        while b"log-lines-lost" not in said and now() < end:
            try:
                said += os.read(read, 65536)
            except BlockingIOError:
                daemon.cli("resume", "im-api")
                daemon.cli("pause", "im-api", "--reason", "r")
        must(b"log-lines-lost" in said, f"no line tells what was lost: {said[-300:]}")
        os.close(read)
        must(daemon.answers(), "it ended when its log was closed")
        daemon.stop()
        must(daemon.popen.returncode == 0, f"exit {daemon.popen.returncode}")


def faked(when):
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    must(library is not None, "libfaketime is not installed (packaging/install-deps lab)")
    return {"LD_PRELOAD": str(library), "FAKETIME": when, "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1"}


CASES = ("damaged_state", "two_on_one_state", "full_disk_at_start", "damaged_record",
         "wall_clock_at_boot", "no_threads", "no_descriptors", "log_is_stuck")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("names", nargs="*", choices=[*CASES, []], metavar="NAME")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("namespaces and mounts need root")
    wrong = []
    for name in options.names or CASES:
        began = now()
        bench = Bench(options.bin.resolve())
        try:
            getattr(bench, name)()
            print(f"  {name}: well ({now() - began:.1f} s)", flush=True)
        except (LabError, subprocess.SubprocessError, OSError) as error:
            wrong.append(f"{name}: {error}")
            print(f"  {name}: WRONG: {error}", flush=True)
        finally:
            bench.close()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
