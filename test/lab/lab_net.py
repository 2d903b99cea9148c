"""Network namespaces joined by a router, and the ways to cut them.

Every host stands alone behind the namespace `wan`, which forwards; a cut is a rule in its forward
chain, so that both ends keep their interfaces and learn nothing.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

ADDRESS = {
    "site-a": "192.0.2.10",
    "near-a": "192.0.2.99",     # A client beside site-a; no cut of its link parts them.
    "site-b": "198.51.100.20",
    "near-b": "198.51.100.99",
    "dns": "203.0.113.53",
    "monitor": "203.0.113.5",
    "client": "203.0.113.99",
}
ADDRESS6 = {"site-a": "2001:db8:a::10", "site-b": "2001:db8:b::20"}  # In records alone.
PREFIX = "pmsites"


def _ip(*words, netns=None):
    where = ["-n", netns] if netns else []
    subprocess.run(["ip", *where, *words], check=True, capture_output=True, text=True)


def _end_namespace(name):
    """Whatever still runs in a namespace of ours was started by us: units, workers, agents."""
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True,
                          check=False).stdout.split()
    for pid in map(int, pids):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    subprocess.run(["ip", "netns", "del", name], check=False)


def _remove_left_behind():
    """Namespaces of runs whose process is gone; nobody else uses this prefix and form."""
    for path in pathlib.Path("/run/netns").glob(f"{PREFIX}*-*"):
        pid = path.name[len(PREFIX):].split("-")[0]
        if pid.isdigit() and not pathlib.Path(f"/proc/{pid}").exists():
            _end_namespace(path.name)


class Net:
    """All hosts, up and joined; close() takes them away."""

    def __init__(self):
        _remove_left_behind()
        self.prefix = f"{PREFIX}{os.getpid()}"
        self._rules = {}
        self._lines = {}
        self._made = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        self._make("wan")
        _ip("addr", "add", "169.254.0.1/32", "dev", "lo", netns=self.netns("wan"))
        self._sysctl("wan", "net.ipv4.ip_forward=1")
        for number, (host, address) in enumerate(ADDRESS.items()):
            self._join(host, address, f"h{number}")
        self._load()

    def netns(self, host):
        return f"{self.prefix}-{host}"

    def _make(self, host):
        _ip("netns", "add", self.netns(host))
        self._made.append(host)
        _ip("link", "set", "lo", "up", netns=self.netns(host))

    def _sysctl(self, host, setting):
        subprocess.run(["ip", "netns", "exec", self.netns(host), "sysctl", "-qw", setting],
                       check=True)

    def _join(self, host, address, port):
        self._make(host)
        wan, inside = self.netns("wan"), self.netns(host)
        _ip("link", "add", port, "netns", wan, "type", "veth", "peer", "name", "eth0", "netns",
            inside)
        _ip("addr", "add", f"{address}/32", "dev", "eth0", netns=inside)
        _ip("link", "set", "eth0", "up", netns=inside)
        _ip("link", "set", port, "up", netns=wan)
        _ip("addr", "add", "169.254.0.1/32", "dev", port, netns=wan)
        _ip("route", "add", f"{address}/32", "dev", port, netns=wan)
        _ip("route", "add", "default", "via", "169.254.0.1", "dev", "eth0", "onlink",
            netns=inside)

    def _load(self):
        body = "\n".join(rule for rules in self._rules.values() for rule in rules)
        text = ("add table inet lab\nflush table inet lab\n"
                "table inet lab { chain forward { type filter hook forward priority 0;\n"
                + body + "\n}\n}\n")
        subprocess.run(["ip", "netns", "exec", self.netns("wan"), "nft", "-f", "-"], input=text,
                       check=True, text=True)

    def cut_site(self, site):
        """Parts a site, and the client beside it, from the rest of the world."""
        inside = f"{{ {ADDRESS[site]}, {ADDRESS[site.replace('site', 'near')]} }}"
        self._rules[site] = [f"ip saddr {inside} ip daddr != {inside} drop",
                             f"ip daddr {inside} ip saddr != {inside} drop"]
        self._load()

    def cut_host(self, host):
        self._rules[host] = [f"ip saddr {ADDRESS[host]} drop", f"ip daddr {ADDRESS[host]} drop"]
        self._load()

    def cut_pair(self, one, other):
        self.drop_one_way(one, other)
        self.drop_one_way(other, one)

    def drop_one_way(self, source, target):
        self._rules[f"{source}>{target}"] = [
            f"ip saddr {ADDRESS[source]} ip daddr {ADDRESS[target]} drop"]
        self._load()

    def lose(self, one, other, percent):
        """Drops packets between two hosts at random, in both directions."""
        self._rules[f"{one}~{other}"] = [
            f"ip saddr {ADDRESS[source]} ip daddr {ADDRESS[target]} "
            f"numgen random mod 100 < {percent} drop"
            for source, target in ((one, other), (other, one))]
        self._load()

    def slow(self, host, delay_ms, jitter_ms=0):
        """Every packet to and from `host` takes longer, each way, through a line of its own."""
        self.end_slow(host)
        number = list(ADDRESS).index(host)
        device, table = f"slow{number}", str(100 + number)
        line = subprocess.Popen(
            ["ip", "netns", "exec", self.netns("wan"), sys.executable,
             pathlib.Path(__file__).with_name("delay_line.py"), "--device", device,
             "--ms", str(delay_ms), "--jitter-ms", str(jitter_ms)], stdin=subprocess.DEVNULL)
        self._lines[host] = (line, device, table)
        wan = self.netns("wan")
        for _ in range(200):
            if subprocess.run(["ip", "-n", wan, "link", "show", device], check=False,
                              capture_output=True).returncode == 0:
                break
            time.sleep(0.02)
        _ip("link", "set", device, "up", netns=wan)
        for setting in (f"net.ipv4.conf.{device}.rp_filter=0", "net.ipv4.conf.all.rp_filter=0"):
            self._sysctl("wan", setting)
        _ip("route", "add", "default", "dev", device, "table", table, netns=wan)
        # What comes out of the line goes on; what is of this host goes in.
        _ip("rule", "add", "priority", "10", "iif", device, "lookup", "main", netns=wan)
        _ip("rule", "add", "priority", "20", "to", ADDRESS[host], "lookup", table, netns=wan)
        _ip("rule", "add", "priority", "20", "from", ADDRESS[host], "lookup", table, netns=wan)

    def end_slow(self, host):
        if host not in self._lines:
            return
        line, device, table = self._lines.pop(host)
        wan = self.netns("wan")
        _ip("rule", "del", "to", ADDRESS[host], "lookup", table, netns=wan)
        _ip("rule", "del", "from", ADDRESS[host], "lookup", table, netns=wan)
        _ip("rule", "del", "iif", device, "lookup", "main", netns=wan)
        line.terminate()
        line.wait()

    def heal(self, key):
        """Ends one cut: a site or host by its name, a direction "from>to", a loss "one~other"."""
        if self._rules.pop(key, None) is not None:
            self._load()

    def restore(self):
        for host in list(self._lines):
            self.end_slow(host)
        self._rules.clear()
        self._load()

    def close(self):
        for line, _, _ in self._lines.values():
            line.kill()
            line.wait()
        self._lines.clear()
        for host in self._made:
            _end_namespace(self.netns(host))
        self._made.clear()
