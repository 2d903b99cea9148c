#!/usr/bin/python3
"""Captured messages of a monitor, sent again: replay_test.py --bin DIR [--keep]

Real agents under a monitor by hand. Every message is authentic, with the monitor's own certificate;
what is wrong with it is when, where or to whom it comes. None may have an effect.
"""

import argparse
import copy
import json
import sys
import time

import lab_config
from hand import Hand, reign_of
from lab import Lab, now, wait_until


class Capturing(Hand):
    """Keeps what it sends, as a wire-tapper with the monitor's key would."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sent = []
        for site, door in self.doors.items():
            door.ask = self._tapped(site, door.ask)

    def _tapped(self, site, ask):
        def tapped(method, path, body=None):
            self.sent.append((now(), site, path, copy.deepcopy(body)))
            del self.sent[:-400]
            return ask(method, path, body)
        return tapped

    def last(self, site, path, keep=lambda body: True):
        return next(body for _, to, where, body in reversed(self.sent)
                    if to == site and where == path and keep(body))

    def again(self, site, path, body, **changed):
        """(status, answer) of a captured message, sent again as it was or with members changed."""
        status, answer, _ = self.doors[site].ask("POST", path, body | changed)
        return status, answer


class Trial:
    def __init__(self, lab):
        self.lab = lab
        self.certs = lab_config.write_certificates(lab)
        for site, peer in ((lab.a, lab.b), (lab.b, lab.a)):
            lab_config.write_agent(lab, site, peer, self.certs)
        self.hand = Capturing(lab, self.certs)
        for site in lab.sites.values():
            site.start_agent()
        self.hand.start()
        wait_until("both agents answer", 15, lambda: len(self.hand.reports) == 2)

    def must_accept(self, *words, **more):
        reply = self.hand.order(*words, **more)
        assert reply["accepted"], f"{words}: {reply['reason']}"

    def record(self, site):
        kept = json.loads((site.place.folder / "agent/state/im-api.json").read_text())
        return {key: value for key, value in kept.items() if not key.startswith("widest")}

    def must_refuse(self, what, site, body, reason, **changed):
        """Sent again; refused for that reason, and nothing durable changed."""
        site_now = self.lab.sites[site]
        before = self.record(site_now)
        status, answer = self.hand.again(site, "/v1/order", body, **changed)
        told = str(answer.get("reason") or answer.get("detail"))
        assert not answer.get("accepted"), f"{what}: accepted: {told}"
        assert reason in told, f"{what}: {status} {told}"
        assert self.record(site_now) == before, f"{what}: the record changed"
        print(f"  {what}: {told}", flush=True)

    def reign(self):
        """site-a in power in 1, fenced and re-crowned with 3: orders worth capturing."""
        self.must_accept("site-a", "adopt", 1, "site-a")
        self.hand.vouching["site-a"] = reign_of(1)
        self.must_accept("site-b", "adopt", 1, "site-a")
        wait_until("site-a is open", 10, lambda: self.hand.reports["site-a"]["promoted"] == "1")
        self.must_accept("site-a", "fence", 2, "site-b")
        self.fence = self.hand.last("site-a", "/v1/order")
        wait_until("its fence is read back", 10,
                   lambda: self.hand.reports["site-a"]["fenced"] == "2")
        self.must_accept("site-a", "promote", 3, "site-a", old_fenced=True)
        self.promote = self.hand.last("site-a", "/v1/order")
        self.hand.vouching["site-a"] = reign_of(3)
        wait_until("site-a is open again", 10,
                   lambda: self.hand.reports["site-a"]["promoted"] == "3")

    def fresh(self, site):
        """What makes a captured order look new: the next number and the newest token."""
        self.hand.poll(site)
        return {"run": self.hand.run, "sequence": self.hand._next(),
                "token": self.hand.tokens[site]}

    def orders(self):
        fence, promote, hand = self.fence, self.promote, self.hand
        old = "older than a message already received"
        self.must_refuse("the fence, as it was", "site-a", fence, old)
        other = {"run": "f" * 16}
        self.must_refuse("in another run", "site-a", fence, "epoch 2 is below 3",
                         **self.fresh("site-a") | other)
        hand.run = other["run"]  # The former run counts no more.
        self.must_refuse("with a number of the future", "site-a", fence, "epoch 2 is below 3",
                         **self.fresh("site-a"))
        token = hand.tokens["site-a"]
        later = str(int(token["n"]) + 10**12)
        self.must_refuse("a token of the future", "site-a", fence, "token of the future",
                         **self.fresh("site-a") | {"token": token | {"n": later}})
        self.must_refuse("a token of the other agent", "site-a", fence, "token of another run",
                         **self.fresh("site-a") | {"token": hand.tokens["site-b"]})
        nine = {"reign": reign_of(9), "move": "move-9"}
        self.must_refuse("delivered to the wrong agent", "site-b", promote, "addressed to site-a",
                         **self.fresh("site-b") | nine)
        self.must_refuse("of another service", "site-a", fence, "no service",
                         **self.fresh("site-a") | nine, service="im-web")
        self.must_refuse("a reign of equal number", "site-a", fence, "epoch 3 is reign",
                         **self.fresh("site-a"), reign=reign_of(3) | {"id": "f" * 16})
        self.must_refuse("another move of the reign", "site-a", fence, "belongs to move",
                         **self.fresh("site-a"), reign=reign_of(3), move="move-x")
        self.must_refuse("a leap", "site-a", fence, "more than 1000 above",
                         **self.fresh("site-a"), reign=reign_of(5000), move="move-5000")
        self.must_refuse("a stranger in power", "site-a", fence, "is no site of this service",
                         **self.fresh("site-a") | nine, power="site-c")
        late = self.fresh("site-a") | nine
        time.sleep(5.5)
        self.must_refuse("delivered after its time", "site-a", fence, "ms old",
                         **late | {"sequence": hand._next()})

    def restarted(self):
        """The agent has forgotten whom it heard; its incarnation is another."""
        late = self.fresh("site-a")
        self.lab.a.agent.stop()
        self.lab.a.start_agent()
        wait_until("site-a's agent answers", 10, lambda: self.hand.poll("site-a")[0] == 200)
        another = "token of another run of this agent"
        self.must_refuse("after a restart, the fence", "site-a", self.fence, another)
        self.must_refuse("after a restart, the promotion", "site-a", self.promote, another,
                         run=self.hand.run, sequence=self.hand._next())
        self.must_refuse("after a restart, the latest token", "site-a", self.fence, another,
                         **late | {"reign": reign_of(9), "move": "move-9",
                                   "sequence": self.hand._next()})
        wait_until("and site-a holds its lease", 10,
                   lambda: self.hand.reports["site-a"]["lease_rest_ms"] > 1000)

    def vouches(self):
        """A captured vouch, sent for ever, keeps nobody in power."""
        captured = self.hand.last("site-a", "/v1/poll",
                                  lambda body: body["services"][0].get("vouch"))
        self.hand.polling = {site: False for site in self.hand.polling}
        self.lab.b.agent.stop()
        began = now()
        while now() < began + 12:
            number = captured["services"][0]["vouch"]
            number["number"] = str(int(number["number"]) + 1)
            status, answer = self.hand.again("site-a", "/v1/poll", captured,
                                             sequence=self.hand._next())
            rest = answer["services"][0]["lease_rest_ms"] if status == 200 else None
            if rest == 0:
                break
            time.sleep(0.1)
        took = now() - began
        assert rest == 0 and took < 4, f"the lease lasted {took:.1f} s, rest {rest}"
        wait_until("site-a is read-only", 3,
                   lambda: self.lab.a.mysql.sql("SELECT @@read_only").strip() == "1")
        print(f"  a vouch sent again: the lease ended after {took:.1f} s all the same", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    Lab.keep_all = options.keep
    with Lab(options.bin) as lab:
        lab.start_sites()
        trial = Trial(lab)
        for step in (trial.reign, trial.orders, trial.restarted, trial.vouches):
            step()
        trial.hand.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
