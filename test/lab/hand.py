"""A monitor by hand: polls and orders of the agents' protocol, for tests of agents alone.

Each agent has a Door: a thread in the monitor's network namespace with one kept connection.
"""

import concurrent.futures
import ctypes
import http.client
import json
import os
import secrets
import ssl
import threading

from servers import now

CLONE_NEWNET = 0x40000000


def enter_namespace(name):
    """Moves the calling thread, and no other, into a network namespace."""
    libc = ctypes.CDLL("libc.so.6", use_errno=True)
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {name}")
    finally:
        os.close(fd)


class Door:
    """The way to one agent; exchanges are made one at a time, within `within` seconds."""

    def __init__(self, netns, address, context, within=0.5):
        self.address, self.context, self.within = address, context, within
        self.pool = concurrent.futures.ThreadPoolExecutor(
            1, initializer=enter_namespace, initargs=(netns,))
        self.connection = None

    def ask(self, method, path, body=None):
        return self.pool.submit(self._ask, method, path, body).result()

    def _ask(self, method, path, body):
        """(status, JSON, seconds); status 0 when there was no answer."""
        began = now()
        try:
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(
                    self.address, 7443, timeout=self.within, context=self.context)
            self.connection.request(method, path, json.dumps(body) if body is not None else None,
                                    {"content-type": "application/json"})
            answer = self.connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text), now() - began
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            return 0, {"error": repr(error)}, now() - began


class Hand:
    """The monitor: vouches as it is told to, and gives orders."""

    def __init__(self, lab, certs, lease=3.0, name="monitor"):
        self.lab, self.lease, self.name = lab, lease, name
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(certs / "ca.pem"))
        context.check_hostname = False
        context.load_cert_chain(certs / f"{name}.pem", certs / f"{name}.key")
        self.doors = {site: Door(lab.net.netns("monitor"), one.address, context)
                      for site, one in lab.sites.items()}
        self.run, self.sequence, self.vouch_number = secrets.token_hex(8), 0, 0
        self.lock = threading.Lock()
        self.vouching = {}    # Site -> reign that is vouched for.
        self.tokens, self.reports, self.took = {}, {}, []
        self.polling = {site: True for site in self.doors}
        self.lone = False
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._poll_on, args=(site,), daemon=True)
                        for site in self.doors]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _next(self):
        with self.lock:
            self.sequence += 1
            return str(self.sequence)

    def _poll_on(self, site):
        while not self.ended.wait(self.lease / 6):
            if self.polling[site]:
                self.poll(site)

    def poll(self, site, **more):
        ms = int(self.lease * 1000)
        others = [{"site": s, "spec": {
            "name": f"im-api/{s}/0", "type": "tcp", "address": one.address, "port": 8080}}
            for s, one in self.lab.sites.items()]
        service = {"service": "im-api", "lease_ms": ms, "prepare_ttl_ms": 10000,
                   "spec_version": "1", "hurry": [], **more}
        if self.reports.get(site, {}).get("spec_version") != "1":
            service["witness"] = others
        reign, token = self.vouching.get(site), self.tokens.get(site)
        if reign and token:
            with self.lock:
                self.vouch_number += 1
                number = str(self.vouch_number)
            service["vouch"] = {"number": number, "reign": reign, "token": token,
                                "lease_ms": 86400000 if self.lone else ms, "lone": self.lone}
        body = {"run": self.run, "sequence": self._next(), "sender": self.name, "counter": "1",
                "services": [service]}
        status, answer, took = self.doors[site].ask("POST", "/v1/poll", body)
        if status == 200 and answer["services"]:
            self._keep(site, answer["services"][0])
            self.took.append(took)
        return status, answer

    def _keep(self, site, report):
        self.reports[site], self.tokens[site] = report, report["token"]

    def order(self, site, verb, epoch, power, **more):
        if site not in self.tokens or "token" not in more:
            self.poll(site)
        order = {"run": self.run, "sequence": self._next(), "sender": self.name,
                 "service": "im-api", "site": site, "verb": verb, "reign": reign_of(epoch),
                 "power": power, "move": f"move-{epoch}", "token": self.tokens.get(site),
                 "automatic": False, "old_fenced": False, "asserted_off": False,
                 "replication_forced": False, "lease_ms": int(self.lease * 1000),
                 "order_ttl_ms": 5000, "prepare_ttl_ms": 10000, "max_lag_ms": 1000,
                 "counter": "1", "dry_run": False, **more}
        status, answer, _ = self.doors[site].ask("POST", "/v1/order", order)
        if status == 200:
            self._keep(site, answer["report"])
        return answer if status == 200 else {"accepted": False, "reason": str(answer)}


def reign_of(epoch):
    return {"epoch": str(epoch), "id": f"{epoch:016x}"}
