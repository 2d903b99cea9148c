"""What a running daemon takes over by SIGHUP."""

import signal

from lab import wait_until
from scenarios_move import Outcome, fresh_lab

CONFIG = "pointsman.toml"
CREDENTIALS = "credentials.toml"


class Reload:
    """Rewrites the daemon's files, sends SIGHUP and reads what the log says of it since."""

    def __init__(self, lab):
        self.lab = lab
        self.folder = lab.monitor.folder
        self.sound = {name: (self.folder / name).read_text() for name in (CONFIG, CREDENTIALS)}
        self.seen = 0

    def log(self):
        return (self.folder / "pointsmand.log").read_text(errors="replace")

    def hup(self, name, found, wrong):
        """`name` as it was at first, but for `found`, which becomes `wrong`."""
        assert found in self.sound[name]
        (self.folder / name).write_text(self.sound[name].replace(found, wrong, 1))
        self.seen = len(self.log())
        self.lab.daemon.send(signal.SIGHUP)

    def told(self, *words, within=10.0):
        """Waits for one line since the last SIGHUP that has all of `words`."""
        wait_until(f"the log tells {words}", within, lambda: any(
            all(word in line for word in words) for line in self.log()[self.seen:].splitlines()),
            every=0.1)


def gate(lab, name):
    return next(each for each in lab.explain()["gates"] if each["name"] == name)


def reload(binaries):
    outcome = Outcome("reload")
    with fresh_lab(outcome, binaries) as lab:
        lab.start_sites()
        lab.start_pointsman()
        lab.wait_steady()
        ask = Reload(lab)

        # Credentials: the provider is asked with the new secret at once.
        ask.hup(CREDENTIALS, lab.bind.secret, "A" * 43 + "=")
        ask.told("reload", "provider.corp.credentials.secret: changed (not shown)")
        wait_until("the gate `provider` shut", 10, lambda: not gate(lab, "provider")["open"])
        outcome.must("BADSIG" in gate(lab, "provider")["reason"], f"{gate(lab, 'provider')}")
        ask.hup(CREDENTIALS, lab.bind.secret, lab.bind.secret)
        wait_until("the gate `provider` open", 10, lambda: gate(lab, "provider")["open"])
        outcome.must(lab.bind.secret not in ask.log(), "the log shows the secret")

        # A file with an error changes nothing.
        ask.hup(CONFIG, 'host = "api', 'hots = "api')
        ask.told("reload-refused", CONFIG, "hots", "host")

        # Probes: what was seen by the former ones counts no more.
        ask.hup(CONFIG, "/health", "/nothing-here")
        ask.told("reload", "service.im-api.probe.0")
        wait_until("the new probe's answer", 10, lambda: "404" in str(lab.site_status("site-b")))
        ask.hup(CONFIG, "/health", "/health")
        lab.wait_steady()

        # What promises rest on waits for a restart; the service keeps all its old settings.
        ask.hup(CONFIG, 'name = "im-api"', 'name = "im-api"\nlease = "6s"\nfall = 5')
        ask.told("reload-needs-restart", "service.im-api.lease: 3s -> 6s")
        ask.told("reload-needs-restart", "service.im-api.fall: 3 -> 5")

        # While a move is on it is put off. BIND frozen: the move can't end.
        lab.wait_ready_to_move()
        lab.bind.process.send(signal.SIGSTOP)
        lab.monitor.spawn("failover", [
            lab.binaries / "pointsman", "failover", "im-api", "--to", "site-b", "--yes",
            "--config", ask.folder / CONFIG])
        wait_until("a move is on", 10, lambda: lab.status().get("current_move"))
        ask.hup(CONFIG, 'name = "im-api"', 'name = "im-api"\nmax_moves_per_day = 7')
        ask.told("reload-waits")
        lab.bind.process.send(signal.SIGCONT)
        lab.wait_steady("site-b", within=30)
        ask.told("reload", "max_moves_per_day: 4 -> 7", within=20)
    return outcome
