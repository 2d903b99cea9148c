#!/usr/bin/python3
"""Real processes on a bad disk, a bad clock and a starved host: faults_test.py --bin DIR [NAME...]

Each fault is made under load in a laboratory that is ready to move, and is over before the end.
What must hold in all: never two writers, no effect without a durable intent, site-a served as long
as anybody may vouch for it, and a named end. Needs root.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import measure
from crash_lab import VICTIMS, CrashLab, Episode, state_of, two_writers
from lab import Lab, LabError, now
from servers import wait_until
from state_test import faked


class Fault(Episode):
    """One fault; its steps are those of a person at the laboratory."""

    def __init__(self, lab):
        super().__init__(lab, "pointsmand", "")
        self.state = lab.monitor.folder / "state"
        self.mounts = []
        self.marks = {}

    # --- What was said and taken.

    def log_of(self, victim):
        place = self.lab.monitor if victim == "pointsmand" else self.lab.site_of(victim).place
        name = "pointsmand" if victim == "pointsmand" else "agent"
        text = (place.folder / f"{name}.log").read_text(errors="replace")
        return text[self.marks.get(victim, 0):]

    def listen(self):
        """From here on is what log_of() tells."""
        self.marks = {}
        self.marks = {victim: len(self.log_of(victim)) for victim in VICTIMS}

    def wait_log(self, victim, word, within=15):
        self.until(f"{victim} says {word}", within, lambda: word in self.log_of(victim))

    def serves(self, site, seconds, ask=lambda: None):
        """So long `site` takes writes without a gap of two seconds; `ask` is asked meanwhile."""
        end = now() + seconds
        while now() < end:
            ask()
            time.sleep(0.3)
            last = measure.last_taken(self.lab, site)
            self.must(last is not None and last > now() - 2.5,
                      f"{site} took no write for {now() - (last or 0):.1f} s")
            if self.problems:
                return

    def no_move(self, epoch):
        seen = self.lab.status()
        if seen:
            self.must(seen.get("epoch") == epoch, f"epoch {epoch} became {seen.get('epoch')}")
            self.must(seen.get("phase") in ("steady", "suspect"), f"phase {seen.get('phase')}")
            for site in seen.get("sites", []):
                self.must(site["verdict"] != "down", f"{site['name']} is held to be down")

    def epoch(self):
        return self.lab.status().get("epoch")

    # --- What is done.

    def tmpfs(self, folder, size):
        self.lab._empty(folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
        self.mounts.append(folder)

    @staticmethod
    def fill(folder):
        try:
            with open(folder / "ballast", "wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
        except OSError:
            pass

    def restart_daemon(self, between=lambda: None):
        self.lab.daemon.stop()
        between()
        self.lab.start("pointsmand")

    def moves_on(self, within=60):
        """The order that was given comes to its end, and all that must hold of a move holds."""
        self.until("site-b in power, the move over", within, self.moved)
        self.until("all agents answer", 20, self.agents_answer)
        self.judge()

    def adopt(self, site):
        self.lab.cli("adopt", "im-api", "--primary", site)
        self.until(f"steady at {site} after adopt", 30, lambda: self.steady_at(site))

    def close(self):
        self.end_order()
        self.lab.stop_load()
        for victim in VICTIMS:
            if self.lab.process(victim):
                self.lab.process(victim).kill()
        for folder in self.mounts:
            subprocess.run(["umount", "-l", folder], check=False)

    # --- State of the monitor (rows 37, 38).

    def state_lost(self):
        """The monitor's state is gone: it touches nothing and closes nobody until adopt."""
        self.get_ready()
        self.restart_daemon(lambda: self.lab._empty(self.state))
        self.until("unadopted", 15, lambda: self.lab.status().get("phase") == "unadopted")
        self.serves("site-a", 7)  # Longer than a lease: by the standby's vouch.
        code, said = self.lab.cli("failover", "im-api", "--to", "site-b", "--yes", check=False)
        self.must(code != 0, f"a failover without a state: {said}")
        self.must(self.lab.status().get("phase") == "unadopted", "something was adopted")
        self.nothing_done("without a state")
        self.adopt("site-a")
        self.must(self.epoch() > 50, f"adopted in epoch {self.epoch()}, not far above all others")
        self.serves("site-a", 2)

    def old_backup(self):
        """A state from before a move is put back: it proposes only, until adopt."""
        self.get_ready()
        backup = self.lab.folder / "backup"
        self.restart_daemon(lambda: shutil.copytree(self.state, backup, dirs_exist_ok=True))
        self.until("steady", 20, lambda: self.steady_at("site-a"))
        self.until("gates open", 40, lambda: set(self.lab.closed_gates()) <= {"witness"})
        self.order()
        self.moves_on()
        self.lab.start_load()
        self.serial, self.numbers = self.lab.serial(), self.lab.highest()
        self.listen()

        def put_back():
            self.lab._empty(self.state)
            shutil.copytree(backup, self.state, dirs_exist_ok=True)
        self.restart_daemon(put_back)
        self.wait_log("pointsmand", "restored-state")
        self.until("site-b takes writes", 5,
                   lambda: measure.last_taken(self.lab, "site-b") is not None)
        self.serves("site-b", 7)
        code, said = self.lab.cli("failover", "im-api", "--yes", check=False)
        self.must(code != 0, f"a failover by an older state: {said}")
        self.nothing_done("by an older state")
        self.adopt("site-b")
        self.serves("site-b", 2)

    # --- Disk (rows 33, 34, 35).

    def disk_full(self):
        """No room for the intent: no effect, and vouching goes on; then the move goes on."""
        self.tmpfs(self.state, "4m")
        self.get_ready()
        self.listen()
        self.fill(self.state)
        self.order()
        self.wait_log("pointsmand", "store-failed")
        self.serves("site-a", 7)
        self.nothing_done("with a full disk")
        shown = str(self.lab.explain()) + str(self.lab.cli("status", check=False))
        self.must("full" in shown, f"neither status nor explain tells of the disk: {shown[:900]}")
        (self.state / "ballast").unlink()
        self.wait_log("pointsmand", "store-recovered")
        self.moves_on()

    def agent_disk_full(self):
        """The standby cannot keep its word, so it does not give it; with room again it does."""
        folder = self.lab.b.place.folder / "agent" / "state"
        self.tmpfs(folder, "64k")
        self.get_ready()
        self.listen()
        self.fill(folder)
        self.order()
        self.wait_log("agent-b", "save-failed")
        self.wait_log("agent-b", "cannot keep it")
        self.serves("site-a", 5)
        self.must(self.lab.serial() == self.serial, "the zone changed")
        (folder / "ballast").unlink()
        self.moves_on()

    def shim(self, victim):
        self.disk = self.lab.folder / "disk"
        return {victim: {"LD_PRELOAD": str(self.lab.binaries.parent / "lib" / "libdisk_shim.so"),
                         "POINTSMAN_DISK": str(self.disk)}}

    def fsync_fails(self):
        """One fsync fails while the intent is saved: read anew, saved again, done once."""
        self.get_ready(self.shim("pointsmand"))
        self.listen()
        self.disk.write_text("eio-once")
        self.order()
        self.moves_on()
        self.must("store-failed" in self.log_of("pointsmand"), "no fsync failed")
        self.must("store-recovered" in self.log_of("pointsmand"), "it did not recover")

    def fsync_fails_long(self):
        """Every fsync fails for a while, at the monitor and then at the standby."""
        self.get_ready(self.shim("pointsmand") | {"agent-b": self.shim("pointsmand")["pointsmand"]})
        self.listen()
        self.disk.write_text("eio")
        self.order()
        self.wait_log("pointsmand", "store-failed")
        self.serves("site-a", 6)
        self.nothing_done("while fsync fails")
        self.disk.unlink()
        self.moves_on()

    def slow_disk(self):
        """Each fsync takes 400 ms: the loop turns, leases are granted, the move ends late."""
        self.get_ready(self.shim("pointsmand"))
        self.listen()
        self.disk.write_text("slow 400")
        self.serves("site-a", 4)
        self.order()
        longest = 0.0
        while not self.steady_at("site-b") and longest < 60:
            began = now()
            self.lab.status()
            self.must(now() - began < 3, f"status took {now() - began:.1f} s")
            longest += now() - began + 0.2
            time.sleep(0.2)
        self.moves_on()
        told = self.log_of("pointsmand")
        self.must("store-slow" in told, "no save was slow")
        self.must("loop-late" not in told, "the loop waited for the disk")
        self.must("lease-ended" not in self.log_of("agent-a"), "a lease ended for a slow disk")

    # --- Clock (row 15).

    def wall_clock_jumps(self):
        """An hour on and back at every process: no lease ends, no order is late."""
        clocks = {victim: self.lab.folder / f"{victim}.clock" for victim in VICTIMS}
        environment = {}
        for victim, path in clocks.items():
            path.write_text("+0s")
            environment[victim] = faked("") | {"FAKETIME_TIMESTAMP_FILE": str(path)}
            del environment[victim]["FAKETIME"]
        self.get_ready(environment)
        self.listen()
        epoch = self.epoch()
        for offset in ("+3600s", "-3000s", "+0s"):
            for path in clocks.values():
                path.write_text(offset)
                self.serves("site-a", 2, lambda: self.no_move(epoch))
        stamps = self.log_of("agent-a") + self.log_of("agent-b") + self.log_of("pointsmand")
        for victim in ("agent-a", "agent-b"):
            self.must("lease-ended" not in self.log_of(victim), f"{victim}: a lease ended")
        self.must("loop-late" not in stamps, "a jump of the wall clock was taken for lateness")
        days = {line[:13] for line in stamps.splitlines() if line[:2] == "20"}
        self.must(len(days) > 2, f"the clocks did not jump: {days}")
        clocks["agent-a"].write_text("-3000s")
        clocks["agent-b"].write_text("+3600s")
        self.until("gates open", 40, lambda: set(self.lab.closed_gates()) <= {"witness"})
        self.order()
        self.moves_on()

    # --- Too little of the host (rows 2, 4, 5, 7, 12).

    @staticmethod
    def first_free_descriptor(pid):
        """The lowest number that is not in use all the time; a limit there leaves none to open."""
        kept = None
        for _ in range(100):
            now_open = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
            kept = now_open if kept is None else kept & now_open
            time.sleep(0.02)
        return next(number for number in range(len(kept) + 1) if number not in kept)

    def no_descriptors(self):
        """The monitor can open nothing more: what it cannot ask is unknown, and nothing moves."""
        self.get_ready()
        self.listen()
        epoch, pid = self.epoch(), self.lab.daemon.pid
        few = self.first_free_descriptor(pid)
        kept = [number for number in range(3, few)
                if os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"]
        limit = subprocess.run(["prlimit", "--pid", str(pid), "--nofile", "--raw", "--noheadings",
                                "-o", "SOFT,HARD"], check=True, capture_output=True,
                               text=True).stdout.split()
        subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={few}:"], check=True)
        answered = []

        def watch():
            self.no_move(epoch)
            answered.append(bool(self.lab.status()))
        self.serves("site-a", 10, watch)
        # What the server keeps for a caller helps only where the limit lies above it; a limit that
        # falls under it is made by this test alone.
        self.must(any(answered) or not kept, "the control socket answered nobody")
        self.must("descriptors-out" in self.log_of("pointsmand"), "it told nobody")
        self.nothing_done("without descriptors")
        subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={limit[0]}:"], check=True)
        self.until("steady again", 20, lambda: self.steady_at("site-a"))
        self.no_move(epoch)
        self.until("gates open", 40, lambda: set(self.lab.closed_gates()) <= {"witness"})
        self.order()
        self.moves_on()

    def starved(self):
        """The monitor gets a twentieth of the time: late, and therefore in doubt of itself."""
        self.get_ready()
        self.listen()
        epoch = self.epoch()
        end = now() + 12
        while now() < end:
            self.lab.daemon.send(signal.SIGSTOP)
            time.sleep(1.4)
            self.lab.daemon.send(signal.SIGCONT)
            time.sleep(0.07)
        self.must("loop-late" in self.log_of("pointsmand"), "it did not notice how late it was")
        self.no_move(epoch)
        self.nothing_done("starved")
        self.serves("site-a", 2)
        self.until("steady again", 20, lambda: self.steady_at("site-a"))
        self.no_move(epoch)

    def crash_loop(self):
        """The monitor dies again and again: the standby vouches, nothing moves."""
        self.get_ready()
        epoch = self.epoch()
        for _ in range(8):
            self.lab.daemon.kill()
            time.sleep(0.3)
            self.lab.start("pointsmand")
            self.serves("site-a", 0.9)
        self.until("steady again", 20, lambda: self.steady_at("site-a"))
        self.no_move(epoch)
        self.nothing_done("in a loop of crashes")

    def site_frozen(self):
        """All of site-a stands still for 12 s and wakes up when site-b has its place."""
        self.get_ready()
        time.sleep(max(0, 11 - (now() - self.began)))
        net = self.lab.net.netns("site-a")
        pids = subprocess.run(["ip", "netns", "pids", net], capture_output=True, text=True,
                              check=True).stdout.split()
        for pid in map(int, pids):
            if state_of(pid) and pathlib.Path(f"/proc/{pid}/comm").read_text() != "lab-client\n":
                os.kill(pid, signal.SIGSTOP)
        froze = now()
        try:
            self.until("site-b in power", 40, lambda: self.steady_at("site-b"))
            time.sleep(max(0, froze + 12 - now()))
        finally:
            for pid in map(int, pids):
                if state_of(pid):
                    os.kill(pid, signal.SIGCONT)
        time.sleep(2)
        self.until("all agents answer", 20, self.agents_answer)
        self.until("site-a is closed", 10,
                   lambda: self.lab.a.mysql.sql("SELECT @@read_only").strip() == "1")
        self.judge()
        self.problems += measure.two_writers(self.lab)

    # --- The same order twice (row 58).

    def two_orders(self):
        """Two people order the same move in the same moment: one move, and both are told."""
        self.get_ready()
        argv = self.lab.monitor.argv([
            self.lab.binaries / "pointsman", "failover", "im-api", "--to", "site-b", "--yes",
            "--json", "--config", self.lab.monitor.folder / "pointsman.toml"])
        both = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for _ in range(2)]
        self.ordering = both[0]
        said = [one.communicate(timeout=60) for one in both]
        self.moves_on()
        moves = [json.loads(out)["id"] for out, _ in said if out.strip().startswith("{")
                 and "id" in json.loads(out)]
        self.must(len(set(moves)) == 1, f"moves {moves}")
        told = [out + error for (out, error), one in zip(said, both, strict=True)
                if one.returncode != 0]
        self.must(len(moves) == 2 or all(text.strip() for text in told),
                  f"one of them was told nothing: {said}")


NAMES = [name for name, value in vars(Fault).items() if callable(value) and value.__doc__
         and name not in vars(Episode) and name not in ("serves", "listen", "moves_on")]


def run(lab, name):
    fault = Fault(lab)
    fault.began = began = now()
    try:
        getattr(fault, name)()
        fault.lab.stop_load()
        fault.problems += two_writers(lab)
    except LabError as error:
        fault.problems.append(f"{error}; status: {json.dumps(lab.status())[:1500]}")
    finally:
        fault.close()
    print(f"  {name}: {'well' if not fault.problems else 'WRONG'} ({now() - began:.1f} s)",
          flush=True)
    for problem in dict.fromkeys(fault.problems):
        print(f"    {problem}", flush=True)
    return [f"{name}: {problem}" for problem in dict.fromkeys(fault.problems)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--keep", action="store_true", help="keep logs and say where")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("namespaces and mounts need root")
    Lab.keep_all = options.keep
    wrong = []
    with CrashLab(options.bin, programs="") as lab:
        lab.start_sites()
        lab.configure()
        for name in options.names or NAMES:
            wrong += run(lab, name)
        lab.keep = lab.keep or bool(wrong)
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
