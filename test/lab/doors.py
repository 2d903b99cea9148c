"""The doors of a running laboratory as targets: web, control sockets, the agents' TLS."""

import concurrent.futures
import socket
import ssl
import subprocess

import attacks
import lab_net
from hand import enter_namespace
from lab import now

TOKENS = {"operator": "operator-token-0123456789abcdef", "viewer": "viewer-token-0123456789abcdef"}
WEB = ("127.0.0.1", 8780)


class Namespaces:
    """Dials from within the namespace of a host."""

    def __init__(self, lab):
        self.lab, self.pools = lab, {}

    def dial(self, host, address, source=None):
        if host not in self.pools:
            self.pools[host] = concurrent.futures.ThreadPoolExecutor(
                8, initializer=enter_namespace, initargs=(self.lab.net.netns(host),))
        return self.pools[host].submit(attacks.plain, socket.AF_INET, address, source).result()


def context(certs, name=None, ca="ca.pem"):
    """A client's TLS settings; `name` without a file has no certificate."""
    made = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(certs / ca))
    made.check_hostname = False
    if name:
        made.load_cert_chain(certs / f"{name}.pem", certs / f"{name}.key")
    return made


def wrapped(connection, settings):
    try:
        return settings.wrap_socket(connection)
    except (OSError, ssl.SSLError):
        connection.close()
        raise


class UnixTarget(attacks.Target):
    """A control socket; there a process is a source, so the good client is one of its own."""

    def __init__(self, name, process, path, good_path):
        self.socket = str(path)
        super().__init__(name, process, ["a", "b"],
                         lambda source: attacks.plain(socket.AF_UNIX, self.socket), good_path,
                         "control")

    def good(self, within=1.0):
        began = now()
        done = subprocess.run(
            ["curl", "-s", "-m", str(within), "-o", "/dev/null", "-w", "%{http_code}",
             "--unix-socket", self.socket, f"http://control{self.path}"],
            capture_output=True, text=True, check=False)
        return now() - began if done.stdout == "200" else None


class Doors:
    def __init__(self, lab, certs):
        self.lab, self.certs, self.spaces = lab, certs, Namespaces(lab)
        self.stranger = context(certs, "stranger")

    def web(self, token=None):
        return attacks.Target(
            "web", self.lab.daemon, ["127.0.0.2", "127.0.0.3", "127.0.0.4"],
            lambda source: self.spaces.dial("monitor", WEB, source), "/healthz", token=token)

    def control(self):
        return UnixTarget("control socket", self.lab.daemon, self.lab.monitor.folder /
                          "control.sock", "/api/v1/services")

    def agent_control(self, site):
        return UnixTarget("agent's control socket", site.agent,
                          site.place.folder / "agent" / "control.sock", "/v1/status")

    def agent(self, site, settings=None):
        """As one with a certificate of our CA that means nothing; `settings` for another."""
        settings = settings or self.stranger
        return attacks.Target(
            f"{site.name}'s agent", site.agent, ["client", "near-a", "dns"],
            lambda source: wrapped(self.agent_bare(site, source), settings), "/v1/version")

    def agent_bare(self, site, source):
        """TCP alone: what comes before any certificate."""
        return self.spaces.dial(source, (lab_net.ADDRESS[site.name], 7443))
