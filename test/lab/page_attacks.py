"""What pages of others, and a hundred tabs, try against the page and its session."""

import contextlib
import json
import pathlib
import re
import time

import attacks
from doors import TOKENS, WEB, Namespaces
from servers import LabError, now, wait_until

PORT, EVIL_PORT, PROXY_PORT = 8780, 9999, 8443
PAGE = f"http://127.0.0.1:{PORT}/"
EVIL = f"http://127.0.0.1:{EVIL_PORT}/evil.html"  # The same site to a browser, by its cookies.
STRANGE = f"http://127.0.0.2:{EVIL_PORT}/evil.html"  # Another one.
PAUSE = "/api/v1/services/im-api/pause"
# Each such call lacks the secret as well; that it came from elsewhere is asked first.
TOLD = "page-call-refused from=127.0.0.1 path=/api/v1/services/im-api/pause why=\"another page"

# Each tries to pause the service by the cookie of whoever looks at it.
TRIES = {
    "a form": """
        const form = document.createElement('form');
        form.method = 'POST'; form.action = url; form.target = 'sink'; form.enctype = 'text/plain';
        const field = document.createElement('input');
        field.name = '{"reason":"'; field.value = '"}'; form.append(field);
        document.body.append(form); form.submit();""",
    "a fetch that asks nobody": """
        fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}'})
          .catch(() => 0);""",
    "a fetch with a header": """
        fetch(url, {method: 'POST', credentials: 'include', body: '{}',
                    headers: {'content-type': 'application/json', 'x-pointsman-csrf': 'x'}})
          .catch(() => 0);""",
    "an image": "document.body.append(Object.assign(new Image(), {src: url}));",
    "a beacon": "navigator.sendBeacon(url, '{}');",
}


def start_evil_server(lab):
    folder = lab.monitor.folder / "evil"
    folder.mkdir()
    (folder / "evil.html").write_text(
        "<!doctype html><title>evil</title><body><iframe name=sink></iframe>")
    lab.monitor.spawn("evil", ["/usr/bin/python3", "-m", "http.server", str(EVIL_PORT), "--bind",
                               "0.0.0.0", "--directory", folder])
    wait_until("the other page's server", 10, lambda: "evil" in lab.monitor.run(
        ["curl", "-s", "-m", "1", EVIL], check=False))


def cross_site(browser, lab):
    """From another origin, of the same site and of another: nothing is paused, nothing is read."""
    wrong = []
    log = lab.monitor.folder / "pointsmand.log"
    for place in (EVIL, STRANGE):
        browser.open(place)
        before = log.read_text(errors="replace").count(TOLD)
        for what, script in TRIES.items():
            browser.run("const url = arguments[0];" + script, PAGE.rstrip("/") + PAUSE)
            time.sleep(0.3)
            if lab.status().get("held"):
                wrong.append(f"{what} at {place} paused the service")
        read = browser.ask("GET", PAGE + "api/v1/services")
        if read["status"] != 0:
            wrong.append(f"{place} could read the API: {read}")
        refused = log.read_text(errors="replace").count(TOLD) - before
        if place == EVIL and refused == 0:
            wrong.append("the cookie never came along from the same site: nothing was tried")
        framed = browser.do(lambda driver: driver.execute_async_script(
            "const [url, done] = arguments; const frame = document.createElement('iframe');"
            "frame.onload = () => { let seen = 'closed'; try { seen = frame.contentDocument ?"
            " 'ours' : 'closed'; } catch {} done(seen); };"
            "frame.src = url; document.body.append(frame); setTimeout(() => done('never'), 4000);",
            PAGE))
        complaint = [one for one in browser.complaints() if "frame-ancestors" in one]
        if not complaint:
            wrong.append(f"{place} could frame the page ({framed})")
    return wrong


def own_origin(browser, csrf):
    """From the page's own origin: the cookie alone orders nothing, and no script can read it."""
    wrong = []
    if browser.run("return document.cookie"):
        wrong.append("a script can read the session's cookie")
    for what, headers in (("the cookie alone", {}), ("a wrong secret", {"x-pointsman-csrf": "0"})):
        told = browser.ask("POST", PAUSE, headers | {"content-type": "application/json"}, "{}")
        if told["status"] != 403:
            wrong.append(f"{what} orders: {told}")
    told = browser.ask("POST", PAUSE, {"x-pointsman-csrf": csrf}, '{"no": "member"}')
    if told["status"] != 400:
        wrong.append(f"with its secret the page is refused otherwise: {told}")
    return wrong


def secret_of(browser):
    return json.loads(browser.ask("GET", "/api/v1/session")["text"])["csrf"]


def rebinding(browser):
    """A name of others that leads to us."""
    browser.open(f"http://evil.example:{PORT}/")
    seen = browser.text()
    return [] if "this host is not served here" in seen else [f"rebound name: {seen[:200]}"]


def hundred_tabs(lab, meanwhile):
    """A hundred streams from 21 addresses: twelve run, and everything else is answered.

    `meanwhile()` is what a person does beside them.
    """
    spaces = Namespaces(lab)
    view = attacks.Target("web", lab.daemon, ["127.0.0.2"],
                          lambda source: spaces.dial("monitor", WEB, source),
                          "/api/v1/services", token=TOKENS["viewer"])
    wrong, held, slowest = [], [], 0.0
    with contextlib.ExitStack() as stack:
        for number in range(100):
            with contextlib.suppress(OSError):
                # Sixty from twenty addresses, then forty from one.
                source = f"127.0.2.{number % 20 + 1}" if number < 60 else "127.0.3.1"
                connection = spaces.dial("monitor", WEB, source)
                stack.callback(connection.close)
                connection.sendall(view.head("GET", "/api/v1/events"))
                held.append(connection)
        end = now() + 3
        while now() < end:
            took = view.good()
            slowest = max(slowest, took or 9.0)
            time.sleep(0.1)
        if slowest > 1.0:
            wrong.append("beside a hundred event streams the API is not answered within 1 s")
        meanwhile()
        running = sum(streams(connection) for connection in held)
        # The listener may have cut one or two to make room for newcomers from elsewhere.
        if not 8 <= running <= 12:
            wrong.append(f"{running} event streams run; about 12 shall, and no more")
    return wrong, f"{running} of {len(held)} event streams run, slowest answer {slowest:.2f} s"


NGINX = """pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{server}
}}
"""


def start_proxy(lab):
    """nginx with TLS before the page, set up as the manual says."""
    manual = pathlib.Path(__file__).parents[2] / "docs/page.md"
    server = re.search(r"```nginx\n(.*?)```", manual.read_text(), re.S)[1]
    lab.monitor.run([lab.binaries / "pointsman", "certs", "issue", "monitor.example", "--dir",
                     lab.folder / "certs"])
    pair = lab.folder / "certs" / "monitor.example"
    for found, ours in (("listen 443 ssl", f"listen {PROXY_PORT} ssl"),
                        ("/etc/ssl/monitor.example.pem", f"{pair}.pem"),
                        ("/etc/ssl/monitor.example.key", f"{pair}.key")):
        if found not in server:
            raise LabError(f"docs/page.md: the sample for nginx has no {found}")
        server = server.replace(found, ours)
    folder = lab.monitor.folder / "nginx"
    folder.mkdir()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, server=server))
    lab.monitor.spawn("nginx-before-the-page", ["/usr/sbin/nginx", "-c", folder / "nginx.conf",
                                                "-g", "daemon off;"])
    wait_until("nginx before the page", 10, lambda: "pointsman" in lab.monitor.run(
        ["curl", "-sk", "-m", "1", "-H", f"Host: monitor.example:{PROXY_PORT}",
         f"https://127.0.0.1:{PROXY_PORT}/"], check=False))


def streams(connection):
    """Whether events came on it and it still stands."""
    connection.setblocking(False)
    said = b""
    with contextlib.suppress(OSError):
        while len(said) < attacks.MB:
            more = connection.recv(65536)
            if not more:
                return False
            said += more
    return said.startswith(b"HTTP/1.1 200") and b"event: displaced" not in said
