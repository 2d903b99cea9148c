"""The distribution's Prometheus, Alertmanager and exporters, over the sites of the quick start.

All with the files of etc/monitoring as they are shipped, but for what an operator fills in, and for
intervals of a second in place of 5 and 15 so that a test need not wait for them.
"""

import json
import pathlib
import shutil
import socketserver
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

import dashboards
from servers import LabError, Place, log_tail, wait_until

PROMETHEUS = "http://127.0.0.1:9090"
ALERTMANAGER = "http://127.0.0.1:9093"


def get(url, token=None, within=5):
    """(status, text) of a page."""
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=within) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


class Mail(socketserver.ThreadingTCPServer):
    """A mail server that takes everything and keeps it: [(recipients, text)]."""

    allow_reuse_address = True
    daemon_threads = True

    class Session(socketserver.StreamRequestHandler):
        timeout = 20

        def say(self, text):
            self.wfile.write(text.encode() + b"\r\n")

        def data(self):
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.decode(errors="replace"))
            return "".join(lines)

        def handle(self):
            to = []
            self.say("220 sink")
            while line := self.rfile.readline().decode(errors="replace").strip():
                word = line.split(":")[0].split(" ")[0].upper()
                if word == "RCPT":
                    to.append(line.partition(":")[2].strip(" <>"))
                if word == "DATA":
                    self.say("354 go on")
                    self.server.taken.append((to, self.data()))
                self.say("221 bye" if word == "QUIT" else "250 ok")
                if word == "QUIT":
                    return

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Mail.Session)
        self.taken = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def place(self):
        return f"127.0.0.1:{self.server_address[1]}"


class Stack:
    def __init__(self, quickstart):
        self.quickstart = quickstart
        self.folder = quickstart.state / "monitoring"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.place = Place(self.folder)
        self.mail = Mail()

    def start(self):
        self.start_exporters()
        self.start_alertmanager()
        self.start_prometheus()

    def end(self):
        self.place.end_all()
        self.mail.shutdown()
        self.mail.server_close()

    def start_exporters(self):
        sites = self.quickstart.sites
        for address in ["127.0.0.1", *(site.address for site in sites)]:
            self.place.spawn(f"node-{address}", ["prometheus-node-exporter",
                                                 f"--web.listen-address={address}:9100"])
        for site in sites:
            self.place.spawn(f"mysql-{site.name}", [
                "env", f"DATA_SOURCE_NAME=root@unix({site.mysql.socket})/",
                "prometheus-mysqld-exporter", f"--web.listen-address={site.address}:9104"])
            self.place.spawn(f"redis-{site.name}", [
                "prometheus-redis-exporter", f"-web.listen-address={site.address}:9121",
                f"-redis.addr=redis://{site.redis.address}:{site.redis.port}"])

    def start_alertmanager(self):
        text = (dashboards.MONITORING / "alertmanager" / "alertmanager.yml").read_text()
        kept = [line for line in text.splitlines() if "smtp_auth" not in line]
        text = "\n".join(kept).replace("smtp.example.net:587", self.mail.place())
        config = self.folder / "alertmanager.yml"
        config.write_text(text.replace("smtp_require_tls: true", "smtp_require_tls: false"))
        self.place.spawn("alertmanager", [
            "prometheus-alertmanager", f"--config.file={config}",
            f"--storage.path={self.folder / 'alertmanager'}", "--cluster.listen-address=",
            "--web.listen-address=127.0.0.1:9093"])

    def start_prometheus(self):
        folder = self.folder / "prometheus"
        shutil.copytree(dashboards.MONITORING / "prometheus", folder)
        config = folder / "prometheus.yml"
        text = config.read_text()
        for usual in ("scrape_interval: 15s", "scrape_interval: 5s", "evaluation_interval: 15s"):
            if usual not in text:
                raise LabError(f"prometheus.yml no longer holds {usual}")
            text = text.replace(usual, usual.split(":")[0] + ": 1s")
        config.write_text(text)
        token = folder / "pointsman.token"
        token.write_text(self.quickstart.tokens["viewer"])
        token.chmod(0o600)
        (folder / "targets").mkdir(exist_ok=True)
        done = self.quickstart.cli("render", "prometheus", "--dir", str(folder / "targets"))
        if done.returncode != 0:
            raise LabError(f"render prometheus: exit {done.returncode}: {done.stderr}")
        done = subprocess.run(["promtool", "check", "config", str(config)], text=True,
                              capture_output=True, timeout=30, check=False)
        if done.returncode != 0 or "WARNING" in done.stdout + done.stderr:
            raise LabError(f"promtool check config: {done.stdout}{done.stderr}")
        self.place.spawn("prometheus", [
            "prometheus", f"--config.file={config}",
            f"--storage.tsdb.path={self.folder / 'data'}", "--web.listen-address=127.0.0.1:9090"])

    # Asking.

    def ask(self, path, **parameters):
        """The `data` of an answer of Prometheus' API."""
        url = f"{PROMETHEUS}/api/v1/{path}"
        if parameters:
            url += "?" + urllib.parse.urlencode(parameters)
        status, text = get(url)
        if status == 0:
            return {}
        answer = json.loads(text)
        if answer["status"] != "success":
            raise LabError(f"Prometheus on {parameters or path}: {answer.get('error')}")
        return answer["data"]

    def query(self, expr):
        return self.ask("query", query=expr).get("result", [])

    def unhealthy(self):
        """{target: why} of what Prometheus cannot scrape; empty only when all was scraped."""
        targets = self.ask("targets").get("activeTargets", [])
        bad = {f"{one['labels']['job']} {one['scrapeUrl']}": one["lastError"] or one["health"]
               for one in targets if one["health"] != "up"}
        return bad if len(targets) >= 12 else {f"only {len(targets)} targets": ""} | bad

    def wait_scraped(self, within=30):
        try:
            wait_until("every target is scraped", within, lambda: not self.unhealthy(), every=0.3)
        except LabError as error:
            logs = "".join(f"\n{name}:\n{log_tail(self.place, name)}" for name in
                           ("prometheus", "alertmanager"))
            raise LabError(f"{error}: {self.unhealthy()}{logs}") from error

    def firing(self):
        """{alert: labels} at Prometheus."""
        return {one["metric"]["alertname"]: one["metric"]
                for one in self.query('ALERTS{alertstate="firing"}')}

    @staticmethod
    def at_alertmanager():
        """{alert: receivers}"""
        status, text = get(f"{ALERTMANAGER}/api/v2/alerts")
        alerts = json.loads(text) if status == 200 else []
        return {one["labels"]["alertname"]: [r["name"] for r in one["receivers"]]
                for one in alerts}

    def mails_of(self, alert):
        return [(to, text) for to, text in list(self.mail.taken) if alert in text]


def all_names(stack):
    return set(stack.ask("label/__name__/values"))


def exporter_names():
    path = pathlib.Path(__file__).resolve().parents[1] / "data/monitoring/exporter_metrics.txt"
    return set(path.read_text().split())
