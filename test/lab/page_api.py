"""The OpenAPI file that the daemon serves, held against what the daemon answers."""

import http.client
import json
import time

from doors import TOKENS, WEB
from servers import now

try:
    import jsonschema
except ImportError:  # missing() says so.
    jsonschema = None


def missing():
    return [] if jsonschema else ["python3-jsonschema"]


def ask(method, path, token=None, body=None, headers=None):
    """(status, type, text) of one call; from within the monitor's namespace."""
    connection = http.client.HTTPConnection(*WEB, timeout=10)
    try:
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return (answer.status, answer.getheader("Content-Type", "").split(";")[0],
                answer.read().decode())
    finally:
        connection.close()


class Described:
    """The file, and judgements by it."""

    def __init__(self):
        status, kind, text = ask("GET", "/api/v1/openapi.json")
        self.wrong = [] if (status, kind) == (200, "application/json") else [
            f"/api/v1/openapi.json: {status} {kind}"]
        self.file = json.loads(text)
        self.asked = set()
        for name, schema in self.file["components"]["schemas"].items():
            try:
                jsonschema.Draft202012Validator.check_schema(schema)
            except jsonschema.SchemaError as error:
                self.wrong.append(f"schema {name}: {error.message}")
        self._find_dangling(self.file)

    def _find_dangling(self, node):
        """Every reference leads somewhere."""
        if isinstance(node, dict):
            if "$ref" in node:
                try:
                    self.resolve(node)
                except (KeyError, ValueError):
                    self.wrong.append(f"a reference to nothing: {node['$ref']}")
            for value in node.values():
                self._find_dangling(value)
        elif isinstance(node, list):
            for value in node:
                self._find_dangling(value)

    def resolve(self, node):
        while "$ref" in node:
            found = self.file
            for key in node["$ref"].removeprefix("#/").split("/"):
                found = found[key]
            node = found
        return node

    def errors(self, schema, value):
        whole = {"components": self.file["components"], **schema}
        found = jsonschema.Draft202012Validator(whole).iter_errors(value)
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
                for error in found]

    def judge(self, template, method, answer, sent=None):
        """Whether `answer` = (status, type, text) to `template` is one that the file knows."""
        status, kind, text = answer
        call = f"{method} {template} -> {status}"
        operation = self.file["paths"][template][method.lower()]
        self.asked.add((method, template))
        told = operation["responses"].get(str(status))
        if told is None:
            self.wrong.append(f"{call}: the file knows {sorted(operation['responses'])}: {text}")
            return
        content = self.resolve(told).get("content", {})
        if kind not in content:
            self.wrong.append(f"{call}: {kind}, the file knows {sorted(content)}")
            return
        if kind.endswith("json"):
            self.wrong += [f"{call}: {one}"
                           for one in self.errors(content[kind]["schema"], json.loads(text))]
        if sent is not None:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self.wrong += [f"{call}: what was sent: {one}" for one in self.errors(schema, sent)]

    def call(self, method, template, token=None, sent=None, **places):
        """Asks, judges, and answers (status, JSON)."""
        path = template
        for name, value in places.items():
            path = path.replace("{" + name + "}", value)
        query = places.get("query", "")
        body = json.dumps(sent) if sent is not None else None
        answer = ask(method, path + query, token, body)
        # What is refused may well be of another shape than the file allows.
        self.judge(template, method, answer, sent if answer[0] < 400 else None)
        return answer[0], json.loads(answer[2])


def events(count, token, within=25.0):
    """The first events of a stream: [(name, JSON)]; where all seats are taken, of a later one."""
    end = now() + within
    answer = first_events(count, token)
    while answer[0] == 503 and now() < end:  # Streams of before are noticed to be gone in a while.
        time.sleep(0.5)
        answer = first_events(count, token)
    return answer


def first_events(count, token):
    connection = http.client.HTTPConnection(*WEB, timeout=10)
    try:
        connection.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        found, name = [], ""
        while answer.status == 200 and len(found) < count:
            line = answer.readline().decode()
            if not line:
                break
            line = line.rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                found.append((name, json.loads(line[6:])))
        return answer.status, answer.getheader("Content-Type"), found
    finally:
        connection.close()


def judge_reads(move):
    """Every read, as it is answered by a daemon that works; `move` is the id of one."""
    file, view = Described(), TOKENS["viewer"]
    for template in ("/healthz", "/readyz"):
        file.call("GET", template)
    one = {"service": "im-api"}
    for query in ("", "?explain=1"):
        file.call("GET", "/api/v1/services", view, query=query)
    file.call("GET", "/api/v1/services/{service}", view, **one)
    for query in ("", "?by=operator", "?kind=switchover"):
        file.call("GET", "/api/v1/services/{service}/explain", view, query=query, **one)
    for query in ("", "?limit=3", "?service=im-api"):
        file.call("GET", "/api/v1/history", view, query=query)
    file.call("GET", "/api/v1/history/verify", view)
    file.call("GET", "/api/v1/moves/{id}", view, id=move)
    file.call("GET", "/api/v1/session", view)
    file.judge("/metrics", "GET", ask("GET", "/metrics", view))
    file.judge("/", "GET", ask("GET", "/"))
    file.judge("/api/v1/openapi.json", "GET", ask("GET", "/api/v1/openapi.json"))
    file.call("GET", "/api/v1/services")  # 401
    file.call("GET", "/api/v1/services/{service}", view, service="nobody")  # 404
    file.call("GET", "/api/v1/moves/{id}", view, id="m-0")
    status, kind, told = events(2, view)
    if (status, kind) != (200, "text/event-stream") or [name for name, _ in told] != ["state"] * 2:
        file.wrong.append(f"events: {status} {kind} {[name for name, _ in told]}")
    for _, state in told:
        file.wrong += [f"event: {one}" for one in file.errors(
            {"$ref": "#/components/schemas/Services"}, state)]
        if "explain" not in state["services"][0]:
            file.wrong.append("event: a service without explain")
    file.asked.add(("GET", "/api/v1/events"))
    return file


def judge_orders(file):
    """Orders that change nothing for long, and refusals of the others."""
    order, one = TOKENS["operator"], {"service": "im-api"}
    base = "/api/v1/services/{service}/"
    for kind in ("switchover", "failover"):
        status, plan = file.call("POST", base + kind, order, {"dry_run": True}, **one)
        if status != 200 or "plan" not in plan:
            file.wrong.append(f"dry run of a {kind}: {status} {plan}")
        for token, sent in ((TOKENS["viewer"], {}), (order, {"to": "elsewhere"}),
                            (None, {}), (order, {"dryrun": True})):
            file.call("POST", base + kind, token, sent, **one)
        file.call("POST", base + kind, order, {"to": "site-a"}, service="nobody")
    file.call("POST", base + "failback", order, {"dry_run": True}, **one)
    file.call("POST", base + "rejoin", order, {"site": "nowhere"}, **one)
    file.call("POST", base + "pause", order, {"for": "30s", "reason": "a test"}, **one)
    file.call("POST", base + "resume", order, {}, **one)
    file.call("POST", "/api/v1/pause", order, {"reason": "a test"})
    file.call("POST", "/api/v1/resume", order, {})
    file.call("POST", base + "ack", order, {}, **one)
    file.call("POST", base + "cancel", order, {}, **one)  # 409: no move.
    file.call("POST", base + "adopt", order, {"primary": "nobody"}, **one)
    file.call("POST", "/api/v1/session", None, {"token": "x"})  # 403: no page sent it.
    file.call("DELETE", "/api/v1/session", None)
    described = {(method.upper(), path) for path, methods in file.file["paths"].items()
                 for method in methods}
    file.wrong += [f"never asked: {call}" for call in sorted(described - file.asked)]
    return file.wrong
