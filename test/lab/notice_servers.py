"""Who is told, in the test of notices: a mail server with TLS and a login, an Alertmanager, and
robots of chat programs, SMS and webhooks that check every signature by a code of their own."""

import base64
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from servers import wait_until

SECRETS = {"mail": "mail-secret-of-the-laboratory", "ding": "SECding-secret-of-the-laboratory",
           "ding token": "ding-token-of-the-laboratory", "feishu": "feishu-secret-of-the-lab",
           "feishu hook": "feishu-hook-of-the-laboratory", "wecom": "wecom-key-of-the-laboratory",
           "sms": "sms-secret-of-the-laboratory", "hook": "hook-secret-of-the-laboratory",
           "beat": "heartbeat-path-of-the-laboratory"}


def free_port(address="127.0.0.1"):
    with socket.socket() as one:
        one.bind((address, 0))
        return one.getsockname()[1]


class MailServer:
    """aiosmtpd: STARTTLS demanded, and a login unless it offers none."""

    def __init__(self, cert, key, login=True):
        self.mails, self.offers_login = [], login
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.controller = Controller(
            self, hostname="127.0.0.1", port=free_port(), tls_context=context,
            require_starttls=True, authenticator=self._login, auth_required=login)
        self.controller.start()
        self.port = self.controller.port

    @staticmethod
    def _login(server, session, envelope, mechanism, data):
        ok = data.login == b"pointsman" and data.password == SECRETS["mail"].encode()
        return AuthResult(success=ok, handled=True)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return [line for line in responses if self.offers_login or "AUTH" not in line]

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        self.mails.append({"subject": mail["subject"], "text": mail.get_content(),
                           "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                           "login": session.authenticated})
        return "250 taken"

    def stop(self):
        self.controller.stop()


def quoted(text):
    return urllib.parse.quote(text, safe="-_.~")


def aliyun_proof(method, url, headers, body):
    """Aliyun's signature V3 over what arrived."""
    names = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    query = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
    canonical = "&".join(f"{quoted(k)}={quoted(v)}" for k, v in sorted(query))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    request = "\n".join([method, url.path, canonical, lines, ";".join(names),
                         hashlib.sha256(body).hexdigest()])
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(request.encode()).hexdigest()
    return hmac.new(SECRETS["sms"].encode(), text.encode(), hashlib.sha256).hexdigest()


class FarSide:
    """All HTTP receivers in one server. `script` has what each answers instead of a receipt."""

    def __init__(self):
        self.got = {}     # Who -> [(seconds, what)], with sound signatures alone.
        self.wrong = []   # Sentences about what arrived unsound.
        self.script = {}  # Who -> [answer, ...], one used up a request; or an answer for ever.
        self.lock = threading.Lock()
        far_side = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                far_side.serve(self)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        who = {"/cgi-bin/webhook/send": "wecom", "/robot/send": "ding", "/hook": "hook",
               "/beat/" + SECRETS["beat"]: "beat", "/": "sms"}.get(url.path, "feishu")
        if query.get("access_token", "").startswith("muted"):
            who = "muted"
        problem = getattr(self, "_check_" + who)(handler.command, url, headers, body)
        with self.lock:
            if problem:
                self.wrong.append(f"{who}: {problem}")
                answer = {"errcode": 310000, "code": 19021, "Code": "SignatureDoesNotMatch"}
            else:
                answer = self._scripted(who, {"errcode": 0, "code": 0, "Code": "OK"})
                self.got.setdefault(who, []).append((time.monotonic(), query, body.decode()))
        text = json.dumps(answer).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def _scripted(self, who, usual):
        script = self.script.get(who)
        if isinstance(script, list):
            return script.pop(0) if script else usual
        return script or usual

    @staticmethod
    def _check_wecom(_method, url, _headers, _body):
        return "" if url.query == "key=" + SECRETS["wecom"] else f"key: {url.query}"

    @staticmethod
    def _check_muted(*_):
        return ""

    @staticmethod
    def _check_ding(_method, url, _headers, _body):
        query = dict(urllib.parse.parse_qsl(url.query))
        text = f"{query['timestamp']}\n{SECRETS['ding']}"
        proof = hmac.new(SECRETS["ding"].encode(), text.encode(), hashlib.sha256).digest()
        if abs(int(query["timestamp"]) / 1000 - time.time()) > 3600:
            return "timestamp"
        return "" if query["sign"] == base64.b64encode(proof).decode() else "sign"

    @staticmethod
    def _check_feishu(_method, url, _headers, body):
        said = json.loads(body)
        key = f"{said['timestamp']}\n{SECRETS['feishu']}".encode()
        proof = base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
        right = url.path == "/open-apis/bot/v2/hook/" + SECRETS["feishu hook"]
        return "" if right and said["sign"] == proof else "sign or hook"

    @staticmethod
    def _check_hook(_method, _url, headers, body):
        text = headers["x-pointsman-timestamp"].encode() + b"." + body
        proof = hmac.new(SECRETS["hook"].encode(), text, hashlib.sha256).hexdigest()
        return "" if headers.get("x-pointsman-signature") == "sha256=" + proof else "signature"

    @staticmethod
    def _check_beat(method, *_):
        return "" if method == "GET" else "no GET"

    @staticmethod
    def _check_sms(method, url, headers, body):
        if headers.get("x-acs-action") != "SendSms" or headers.get("x-acs-version") != "2017-05-25":
            return "no SendSms"
        proof = headers["authorization"].split("Signature=")[1]
        return "" if proof == aliyun_proof(method, url, headers, body) else "signature"

    def texts(self, who):
        """What people read there."""
        with self.lock:
            arrived = list(self.got.get(who, []))
        texts = []
        for _, query, body in arrived:
            said = json.loads(body) if body else {}
            if who == "sms":
                texts.append(query["TemplateParam"])
            elif who == "hook":
                texts.append(said.get("title", said.get("event", "")))
            else:
                texts.append((said.get("text") or said.get("content") or {}).get("content", "")
                             or said.get("content", {}).get("text", ""))
        return texts


class Alertmanager:
    """The distribution's own."""

    def __init__(self, place, port):
        self.url = f"http://127.0.0.1:{port}"
        config = place.folder / "alertmanager.yml"
        config.write_text("route:\n  receiver: none\nreceivers:\n- name: none\n")
        place.spawn("alertmanager", [
            "prometheus-alertmanager", f"--config.file={config}", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={place.folder}/am"])
        wait_until("Alertmanager is ready", 30, self._ready)

    def _ready(self):
        try:
            return urllib.request.urlopen(self.url + "/-/ready", timeout=1).status == 200
        except OSError:
            return False

    def active(self):
        """{alertname: labels} of what fires now."""
        answer = urllib.request.urlopen(self.url + "/api/v2/alerts?active=true", timeout=5)
        return {one["labels"]["alertname"]: one["labels"] for one in json.load(answer)}
