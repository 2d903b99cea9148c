"""A service whose records are at providers of any kind, and what a move did there."""

import re

from clouds import Cloud, Mirror, OtherDns, Program
from servers import wait_until

A, B = "192.0.2.10", "198.51.100.20"
CF_PORT, ALI_PORT, KNOT_PORT, POWERDNS_PORT = 8443, 8444, 5301, 5302

# What a call is, by the name under which the provider logs it.
READS = re.compile(r"GET \S*/dns_records\?|DescribeSubDomainRecords|DescribeLoadBalancerAttribute|"
                   r"GET /records|read$")
WRITES = re.compile(r"(PATCH|POST|PUT|DELETE) \S*/dns_records|UpdateDomainRecord$|"
                    r"AddDomainRecord$|DeleteDomainRecord$|SetBackendServers|POST /records|"
                    r"replace$|UPDATE ")
CALL = re.compile(r' provider-call provider=(\S+) call=("(?:[^"\\]|\\.)*"|\S+) writes=(\w+)'
                  r'(?: of_move=(\w+))? ')


def short(call):
    return re.sub(r"[0-9a-f]{32}|\?.*", "..", call)


class Estate:
    """Records of `kinds`: {kind: name}; a name is without its zone. At start all name site-a."""

    def __init__(self, lab, kinds, secrets=None):
        self.lab, self.kinds, secrets = lab, kinds, secrets or {}
        self.token = secrets.get("cloudflare", "cf-token-of-the-laboratory")
        self.ali = secrets.get("aliyun", "LTAIlaboratory:ali-secret-of-the-laboratory:")
        self.web_token = secrets.get("webhook", "web-token")
        self.own_token = secrets.get("exec", "own-token")
        self.accounts, self.dns, self.checks = {}, {}, []
        self.before = 0
        self.names, self.means = {}, {"i-a": A, "i-b": B}
        for kind, name in kinds.items():
            getattr(self, "_add_" + kind.replace("-", "_"))(f"{name}.example.test", kind)
        names = {name for name in kinds.values()} | {"api"}
        lab.bind.names = sorted(names)
        followed = list(self.accounts.values())
        if "rfc2136" not in kinds:  # Then users follow what the other server says.
            followed += self.dns.values()
            self.names |= {"api.example.test A": "api.example.test"} if self.dns else {}
        self.mirror = Mirror(lab.bind, followed, self.names, self.means)

    def _record(self, provider, name, account, **more):
        record = {"provider": provider, "zone": "example.test", "name": name, "type": "A"} | more
        self.lab.records.append(record)
        key = f"{record['name']} {record['type']}"
        self.checks.append((provider, account, key))
        if account is not None:
            self.names[key] = name

    def _cloud(self, kind, secret, port, place):
        account = self.accounts.setdefault(kind, Cloud(self.lab, kind, secret, port))
        account.places += (place,)
        return account

    def _add_rfc2136(self, name, kind):
        self._record("corp", name, None)

    def _add_knot(self, name, kind, port=KNOT_PORT):
        self.dns[kind] = OtherDns(self.lab, kind, port, A)
        self._record(kind, name, None)

    def _add_powerdns(self, name, kind):
        self._add_knot(name, kind, POWERDNS_PORT)

    def _add_cloudflare(self, name, kind):
        account = self._cloud("cloudflare", self.token, CF_PORT, f"{name}={A}")
        self._record("cf", name, account)

    def _add_cloudflare_proxied(self, name, kind):
        account = self._cloud("cloudflare", self.token, CF_PORT, f"{name}={A},proxied")
        self._record("cf", name, account)

    def _add_aliyun(self, name, kind):
        account = self._cloud("aliyun", self.ali, ALI_PORT, f"{name}={A}")
        self._record("ali", name, account)

    def _add_aliyun_slb(self, name, kind):
        account = self._cloud("aliyun", self.ali, ALI_PORT, "lb-1=i-a,i-b")
        self._record("slb", "lb-1", account, zone="cn-hangzhou", type="SLB",
                     values={"site-a": ["i-a"], "site-b": ["i-b"]})
        self.names["lb-1 SLB"] = name

    def _add_webhook_slow(self, name, kind):
        self._add_webhook(name, kind)
        self.accounts["webhook"].slow_s = 3

    def _add_webhook(self, name, kind):
        account = self.accounts["webhook"] = Program(self.lab, "webhook", name, A)
        self._record("edge", name, account)

    def _add_exec(self, name, kind):
        account = self.accounts[kind] = Program(self.lab, "exec", name, A, self.own_token)
        self._record("own", name, account)

    def start(self):
        """The accounts, and the settings that lead to them. After Lab.start_servers()."""
        for one in [*self.accounts.values(), *self.dns.values()]:
            one.start()
        bind = [f"{self.lab.bind.address}:53"]
        provider = {record["provider"] for record in self.lab.records}
        add = self.lab.providers
        access = dict(zip(("access_key_id", "access_key_secret", "security_token"),
                          self.ali.split(":"), strict=True))
        access = {key: value for key, value in access.items() if value}
        if "cf" in provider:
            add["cf"] = self.accounts["cloudflare"].settings(zone_id="a" * 32, authorities=bind)
            self.lab.credentials["cf"] = {"api_token": self.token}
        if "ali" in provider:
            add["ali"] = self.accounts["aliyun"].settings(authorities=bind)
            self.lab.credentials["ali"] = access
        if "slb" in provider:
            add["slb"] = self.accounts["aliyun"].settings() | {"type": "aliyun-slb"}
            self.lab.credentials["slb"] = access
        if "edge" in provider:
            add["edge"] = self.accounts["webhook"].settings()
            self.lab.credentials["edge"] = {"token": self.web_token}
        if "own" in provider:
            add["own"] = self.accounts["exec"].settings()
            self.lab.credentials["own"] = {"token": self.own_token}
        for kind, server in self.dns.items():
            add[kind] = server.settings()
            self.lab.credentials[kind] = server.credentials()
        self.mirror.start()

    def stop(self):
        self.mirror.stop()
        for account in self.accounts.values():
            account.stop()

    def log(self):
        return (self.lab.monitor.folder / "pointsmand.log").read_text(errors="replace")

    def wait_preflights(self, within=20):
        """Until every provider was found well: then authoritative servers are known too."""
        wait_until("pre-flights of all records passed", within, lambda: all(
            f"preflight-passed service=im-api record={k + 1} " in self.log()
            for k in range(len(self.lab.records))), every=0.2)

    def begin(self):
        """What is logged from here on belongs to the move."""
        self.before = len(self.log())

    def calls(self, provider, since=0):
        """[(call, of a move)] that the daemon logged, oldest first."""
        return [(found[2].strip('"'), found[4] == "true")
                for found in CALL.finditer(self.log()[since:]) if found[1] == provider]

    def judge(self, outcome, updates=1):
        """Everything names site-b, and no more was asked and written than a move needs."""
        for provider, account, key in self.checks:
            if account is not None:
                self._judge_account(outcome, provider, account, key)
        for kind, server in self.dns.items():
            outcome.must(server.lookup() == [B], f"{kind} holds {server.lookup()}")
            outcome.must("epoch=2 " in "".join(server.dig("_pointsman.api.example.test", "TXT")),
                         f"{kind} holds no mark of reign 2")
            outcome.must(server.serial() == 2, f"{kind}: serial {server.serial()}, wanted 2")
        for provider in {p for p, account, _ in self.checks if account is None}:
            made = [call for call, _ in self.calls(provider, self.before)]
            sent = sum(call.startswith("UPDATE") for call in made)
            outcome.must(sent == updates, f"{provider}: {sent} UPDATEs: {made}")
            outcome.notes.append(f"{provider}: {', '.join(made)}")
        for name, account in self.accounts.items():
            served, of = len(account.calls()), {p for p, a, _ in self.checks if a is account}
            logged = sum(len(self.calls(provider)) for provider in of)
            outcome.must(served == logged, f"{name} served {served} calls, {logged} are logged: "
                         f"{[what for _, what in account.calls()]}")
            outcome.notes.append(f"{name}: {served} calls in all, as many as are logged")

    def _judge_account(self, outcome, provider, account, key):
        found = account.sets()[key]
        wanted = ["i-b"] if key.endswith(" SLB") else [B]
        outcome.must(found["values"] == wanted, f"{provider} {key} holds {found}")
        marked = key.endswith(" SLB") or "epoch=2" in found["mark"] or "_e2_" in found["mark"]
        outcome.must(marked, f"{provider} {key} carries no mark of reign 2: {found}")
        calls = [call for call, of_move in self.calls(provider, self.before) if of_move]
        others = [f"name={k.split(' ')[0]}&" for p, _, k in self.checks if p == provider
                  and k != key]
        calls = [call for call in calls if not any(other in call for other in others)]
        writes = [k for k, call in enumerate(calls) if WRITES.search(call)]
        outcome.must(len(writes) == 1 + len(others),
                     f"{provider} {key}: {len(writes)} writes: {calls}")
        reads = [k for k, call in enumerate(calls) if READS.search(call)]
        # A record's own write is the first after its first reading.
        own = next((k for k in writes if reads and k > reads[0]), 0)
        before = sum(k < own for k in reads)
        outcome.must(before == 1, f"{provider} {key}: {before} reads before the write: {calls}")
        outcome.notes.append(f"{provider} {key}: {', '.join(map(short, calls))}")
