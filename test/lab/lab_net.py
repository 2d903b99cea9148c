"""Network namespaces joined by a router, and the ways to cut them.

Every host stands alone behind the namespace `wan`, which forwards; a cut is a rule in its forward
chain, so that both ends keep their interfaces and learn nothing.
"""

import os
import pathlib
import signal
import subprocess

ADDRESS = {
    "site-a": "192.0.2.10",
    "near-a": "192.0.2.99",     # A client beside site-a; no cut of its link parts them.
    "site-b": "198.51.100.20",
    "near-b": "198.51.100.99",
    "dns": "203.0.113.53",
    "monitor": "203.0.113.5",
    "client": "203.0.113.99",
}
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

    def restore(self):
        self._rules.clear()
        self._load()

    def close(self):
        for host in self._made:
            _end_namespace(self.netns(host))
        self._made.clear()
