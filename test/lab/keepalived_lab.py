"""Two sites on one LAN beside the laboratory's network, and a real keepalived at each.

The LAN is a bridge in a namespace of its own; VRRP and the users of the virtual address go over it,
everything else over the usual lines.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import lab_net
from lab import SERVICE, Lab, now
from servers import Nginx, wait_until

LAN = {"site-a": "172.31.51.10", "site-b": "172.31.51.20", "client": "172.31.51.99"}
VIP = "172.31.51.100"
ROOT = pathlib.Path(__file__).resolve().parents[2]


def _ip(netns, *words):
    subprocess.run(["ip", "-n", netns, *words], check=True, capture_output=True, text=True)


class Lan:
    """A switch with both sites and a user; close() goes with the laboratory's namespaces."""

    def __init__(self, net):
        self.net = net
        net._make("lan")
        self.netns = net.netns("lan")
        _ip(self.netns, "link", "add", "switch", "type", "bridge")
        _ip(self.netns, "link", "set", "switch", "up")
        for host, address in LAN.items():
            inside, port = net.netns(host), host[-6:]
            _ip(self.netns, "link", "add", port, "type", "veth", "peer", "name", "eth1", "netns",
                inside)
            _ip(self.netns, "link", "set", port, "master", "switch", "up")
            _ip(inside, "addr", "add", f"{address}/24", "dev", "eth1")
            _ip(inside, "link", "set", "eth1", "up")
        self.cut()

    def cut(self, *rules):
        """Drops what the rules name, and nothing else."""
        text = ("add table bridge lab\nflush table bridge lab\ntable bridge lab { chain forward "
                "{ type filter hook forward priority 0;\n" + "\n".join(rules) + "\n}\n}\n")
        subprocess.run(["ip", "netns", "exec", self.netns, "nft", "-f", "-"], input=text,
                       check=True, text=True)

    def cut_vrrp(self):
        self.cut("meta protocol ip ip protocol 112 drop")

    def cut_site(self, site):
        self.cut(f'iifname "{site[-6:]}" drop', f'oifname "{site[-6:]}" drop')


class Holder:
    """When a site had the virtual address, as its kernel tells."""

    def __init__(self, place):
        self.changes = []  # [(time, holds)]
        self.monitor = subprocess.Popen(place.argv(["ip", "monitor", "address"]),
                                        stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.monitor.stdout:
            if VIP in line:
                self.changes.append((now(), not line.startswith("Deleted")))

    def holds(self):
        return bool(self.changes) and self.changes[-1][1]

    def since(self, after):
        """When it got the address for the first time after that."""
        return next((at for at, holds in self.changes if holds and at >= after), None)

    def close(self):
        self.monitor.kill()
        self.monitor.wait()


class Keepalived:
    """keepalived of one site, with the configuration that `pointsman render` wrote."""

    def __init__(self, site, config, scripts):
        self.site, self.config, self.scripts = site, config, scripts
        self.process = None

    def start(self):
        folder = self.site.place.folder
        self.process = self.site.place.spawn("keepalived", [
            "/usr/sbin/keepalived", "--dont-fork", "--log-console", "--no-syslog", "--log-detail",
            "--vrrp", f"--use-file={self.config}", f"--pid={folder}/keepalived.pid",
            f"--vrrp_pid={folder}/vrrp.pid"])

    def pids(self):
        """The parent, and the child that speaks VRRP."""
        text = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, text.read_text().split())]

    def send(self, number):
        for pid in self.pids():
            os.kill(pid, number)

    def kill(self):
        """Both at once, so that none of them can clean up."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()


class Sites:
    """The laboratory with a LAN, keepalived at both sites and a user behind the address."""

    def __init__(self, lab, peers):
        self.lab = lab
        self.lan = Lan(lab.net)
        for site in lab.sites.values():
            site.nginx = Nginx(site.place, "*", 8080, 8081)
        # keepalived runs no script below a folder that others may write to.
        self.scripts = pathlib.Path(f"/run/{lab_net.PREFIX}{lab.folder.name.split('-')[2]}")
        shutil.rmtree(self.scripts, ignore_errors=True)
        shutil.copytree(ROOT / "packaging/keepalived", self.scripts)
        (self.scripts / "pointsman-agent").symlink_to(lab.binaries / "pointsman-agent")
        agent = f"{lab.folder}/{{site}}/agent"
        self.settings = {"addresses": [f"{VIP}/24"], "interface": "eth1", "router_id": 51,
                         "peers": peers, "credentials": "vrrp", "scripts": str(self.scripts),
                         "agent_config": f"{agent}/agent.toml", "agent_state": f"{agent}/state"}
        lab.service = {"tables": {"keepalived": self.settings}}
        if peers == "unicast":
            lab.service["tables"]["keepalived.unicast"] = {
                name: LAN[name] for name in lab.sites}
        self.keepalived, self.holders = {}, {}

    def render(self):
        """`pointsman render keepalived` writes the pair that the sites run."""
        credentials = self.lab.monitor.folder / "credentials.toml"
        credentials.write_text(credentials.read_text() + '[vrrp]\nauth_pass = "s3cr3t-1"\n')
        folder = self.lab.folder / "rendered"
        folder.mkdir(exist_ok=True)
        _, answer = self.lab.cli("render", "keepalived", SERVICE, "--dir", str(folder))
        assert all(one["checked"] for one in answer["written"]), answer
        for one in answer["written"]:
            site = self.lab.sites[one["site"]]
            self.keepalived[one["site"]] = Keepalived(site, one["file"], self.scripts)
        return answer

    def start(self):
        for name, one in self.keepalived.items():
            self.holders[name] = Holder(self.lab.sites[name].place)
            one.start()
        wait_until("site-a has the virtual address", 15, self.holders["site-a"].holds, every=0.1)

    def start_user(self):
        """50 writes/s to the virtual address, from the LAN."""
        lab = self.lab
        lab._load(lab.client, "user", [lab.binaries / "lab-client", "write", "--prefix", "user",
                                       "--rate", "50", "--address", VIP])

    def user_writes(self):
        """[(sent, done, result)] of the user."""
        found = []
        for line in self.lab.events("client", "user"):
            if line.startswith("W "):
                _, _, sent, done, _, result = line.split(" ", 5)
                found.append((int(sent) / 1e9, int(done) / 1e9, result))
        return found

    def longest_gap(self, after):
        """The longest time between two writes of the user that were taken, after that."""
        took = sorted(done for sent, done, result in self.user_writes()
                      if result == "200" and done >= after)
        return max((late - early for early, late in zip([after, *took], took)), default=0.0)

    def holding(self):
        return {name for name, holder in self.holders.items() if holder.holds()}

    def close(self):
        for holder in self.holders.values():
            holder.close()
        shutil.rmtree(self.scripts, ignore_errors=True)


@contextlib.contextmanager
def live_sites(outcome, binaries, peers="multicast", record=True):
    """A pair under load with the virtual address at site-a, that could be moved at any moment."""
    with Lab(binaries) as lab:
        sites = Sites(lab, peers)
        try:
            lab.service["record"] = record
            lab.configure()
            sites.render()
            lab.start_sites()
            lab.start_pointsman()
            if not record:  # Nothing names a site: a person says who is in power.
                wait_until("adopted", 15, lambda: lab.cli(
                    "adopt", SERVICE, "--primary", "site-a", check=False)[0] == 0, every=0.5)
            lab.wait_steady()
            sites.start()
            lab.start_load()
            sites.start_user()
            lab.wait_ready_to_move()
            time.sleep(max(3.0, lab.agents_since + 10.5 - now()))
            yield sites
        finally:
            lab.keep = lab.keep or bool(outcome.wrong)
            sites.close()
