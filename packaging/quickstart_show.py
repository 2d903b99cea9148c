"""What packaging/quickstart shows: the failover as it happens, the move, the writes."""

import json

from measure import move_marks
from servers import now

NS = 1e9


def parsed(done):
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return {}


def service_of(done):
    services = parsed(done).get("services") or [{}]
    return services[0]


def closed_gates(done):
    gates = parsed(done).get("gates")
    return {gate["name"] for gate in gates if not gate["open"]} if gates else {"no answer"}


def print_command(done, shown):
    print(f"\n$ {shown}\n{done.stdout}{done.stderr}", flush=True)


def print_sites(quickstart):
    ports = quickstart.ports
    for site, role in ((quickstart.a, "primary"), (quickstart.b, "standby")):
        print(f"  {site.name:8} {site.address:10} app :{ports['app']}  MariaDB :{ports['MariaDB']}"
              f"  Redis :{ports['Redis']}  agent :{ports['agent']}  {role}")
    print(f"  dns      {quickstart.bind.address:10} BIND :{ports['dns']} (UPDATE with TSIG), "
          f"api.example.test A {quickstart.a.address}, TTL 60")
    print(f"  monitor  127.0.0.1  pointsmand, API http://127.0.0.1:{ports['web']}"
          "  (SQLite state)\n", flush=True)


def read_writes(log):
    """[(id, sent, done, address, result)] of the client, in order of the answers."""
    found = []
    for line in log.read_text().splitlines():
        if line.startswith("W "):
            _, own, sent, done, address, result = line.split(" ", 5)
            found.append((own, int(sent) / NS, int(done) / NS, address, result))
    return sorted(found, key=lambda write: write[2])


class Live:
    """Prints each change of the daemon's view and of what a client sees, once, with its time."""

    def __init__(self, died):
        self.died = died
        self.last = {}
        self.told = set()
        self.seen = 0
        self.taken_by = None
        self.failing = False
        self.phase, self.primary = None, None
        self.news = []
        self.say(died, "site-a dies")

    def say(self, at, what):
        self.news.append((max(0.0, at - self.died), what))

    def print_news(self):
        """What one look brought, in the order in which it happened."""
        for at, what in sorted(self.news):
            print(f"  {at:6.2f} s  {what}", flush=True)
        self.news.clear()

    def change(self, key, value, at, text):
        if self.last.get(key) != value:
            self.last[key] = value
            self.say(at, text)

    def update(self, status, log):
        at = now()
        self.client(log)
        for site in status.get("sites", []):
            if site["verdict"] == "suspect":
                self.change(f"{site['name']} verdict", "suspect", at,
                            f"{site['name']} is suspect: probed every 250 ms")
        for name in ("current_move", "last_move"):
            self.marks(status.get(name))
        self.phase, self.primary = status.get("phase"), status.get("primary")
        self.print_news()

    def marks(self, move):
        for at, what in move_marks(move):
            key = (move.get("id"), what)
            if at > self.died - 1.0 and key not in self.told:
                self.told.add(key)
                self.say(at, what)

    def client(self, log):
        lines = log.read_text().splitlines()
        for line in lines[self.seen:]:
            words = line.split(" ")
            if words[0] == "A":
                at = int(words[1]) / NS
                if at > self.died:
                    self.say(at, f"the authoritative server answers {words[2]}")
            elif words[0] == "W" and int(words[2]) / NS > self.died:
                self.write(int(words[3]) / NS, words[4], words[5])
        self.seen = len(lines)

    def write(self, at, address, result):
        if result == "200" and self.taken_by != address:
            self.taken_by = address
            self.say(at, f"a client's write is taken at {address}")
        elif result != "200" and not self.failing:
            self.failing = True
            self.say(at, f"a client's write fails ({result})")

    def over(self):
        return self.phase == "steady" and self.primary == "site-b" and self.taken_by is not None


def print_move(move):
    """The steps of a move, each with when it started and how long it took."""
    if not move:
        print("  there was none")
        return
    print(f"  {move['kind']} {move['from']} -> {move['to']}, epoch {move['epoch']}: "
          f"{move['outcome'] or 'under way'}, {move['took_s']:.2f} s")
    for step in move["steps"]:
        print(f"    {step['name']:10} {step['state']:8} at {step.get('at_s', 0):5.2f} s, took "
              f"{step.get('took_s', 0):5.2f} s  {step.get('detail', '')}")


def print_count(writes, died, there, sites):
    """What the clients had, and what was lost; the sentences of what went wrong."""
    before = [w for w in writes if w[2] <= died and w[4] == "200"]
    failed = [w for w in writes if w[1] > died and w[4] not in ("200", "late")]
    after = [w for w in writes if w[1] > died and w[4] == "200" and w[3] == sites["site-b"]]
    lost = [sum(w[0] not in store for w in before) for store in there]
    print("\nWrites of the client, 50 a second, each acknowledged only when both stores took it:")
    print(f"  before the death  {len(before):5} acknowledged; missing at site-b: {lost[0]} in "
          f"MariaDB, {lost[1]} in Redis")
    print(f"  without a primary {len(failed):5} refused or unanswered, and told so")
    print(f"  after, by site-b  {len(after):5} acknowledged", flush=True)
    if not after:
        return ["site-b took no write"]
    gap = after[0][2] - died
    print(f"  first write at site-b {gap:.2f} s after the death (a client that resolves each time; "
          "one that caches adds up to the TTL, 60 s)", flush=True)
    return [] if before else ["site-a took no write before its death"]


def print_next_steps(quickstart):
    config = quickstart.monitor.folder / "pointsman.toml"
    port = quickstart.ports["web"]
    tool = quickstart.binaries / "pointsman"
    print(f"""Everything goes on running. To look around:
  export PATH={tool.parent}:$PATH
  pointsman status --watch --config {config}
  pointsman explain im-api --config {config}
  pointsman history im-api --verify --config {config}
  http://127.0.0.1:{port}/  in a browser on this host (or ssh -L {port}:127.0.0.1:{port}); to order
    something log in with the token {quickstart.tokens['operator']}
  dig +short @{quickstart.bind.address} -p {quickstart.ports['dns']} api.example.test
  curl -H 'Authorization: Bearer {quickstart.tokens['viewer']}' \\
    http://127.0.0.1:{port}/api/v1/services
To stop it:
  packaging/quickstart --stop
For a service of your own:
  1. take {config} and site-a/agent.toml beside it as
     samples; every key is told in docs/configuration.md
  2. `pointsman certs init` and `pointsman certs issue monitor SITE-A SITE-B`, then copy to each
     host ca.pem and its own pair
  3. `pointsman check --config FILE --online` finds what would fail at night: keys, accounts, gates
  4. set read_only=1 in the configuration of both MariaDB servers, start the two agents, then the
     daemon with mode = "observe"; "auto" when `pointsman explain SERVICE` shows open gates""")
