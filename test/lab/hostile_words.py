"""What hostile clients say once they are let in: JSON, tokens, names, certificates."""

import contextlib
import ssl

import attacks
import doors
from attacks import CLOSED

DEEP = 100_000


def bad_json():
    """(what, body): none of it is JSON by our rules."""
    return [
        ("many '['", b"[" * DEEP),
        ("many objects", b'{"a":' * (DEEP // 2)),
        ("33 levels", b"[" * 33 + b"]" * 33),
        ("a key twice", b'{"reason":"a","reason":"b"}'),
        ("a key twice, in disguise", b'{"reason":"a","r\\u0065ason":"b"}'),
        ("a huge number", b'{"for":' + b"9" * 5000 + b"}"),
        ("an endless exponent", b'{"for":1e99999}'),
        ("a tiny number of 40 digits", b'{"for":1.' + b"1" * 40 + b"e-336}"),
        ("no UTF-8", b'{"reason":"\xff\xfe"}'),
        ("an overlong slash", b'{"reason":"\xc0\xaf"}'),
        ("a NUL", b'{"reason":"a\x00b"}'),
        ("a lone surrogate", b'{"reason":"\\ud800"}'),
        ("a raw surrogate", b'{"reason":"\xed\xa0\x80"}'),
        ("a line break in a text", b'{"reason":"a\nb"}'),
        ("text after the end", b'{"reason":"a"} {}'),
        ("a comment", b'{/* a */"reason":"a"}'),
        ("a comma too much", b'{"reason":"a",}'),
        ("NaN", b'{"for":NaN}'),
        ("half", b'{"reason":"a'),
        ("a list", b"[]"),
        ("a byte order mark", b'\xef\xbb\xbf{"reason":"a"}'),
        ("an unknown member", b'{"reasons":"a"}'),
        ("another type", b'{"reason":["a"]}'),
    ]


def judge_json(all_doors):
    """Orders that are none, with the rights to give them: 400 each, in the end nothing changed."""
    wrong = []
    agent = all_doors.agent(all_doors.lab.a, doors.context(all_doors.certs, "monitor"))
    places = [(all_doors.web(doors.TOKENS["operator"]), "/api/v1/services/im-api/pause"),
              (all_doors.control(), "/api/v1/pause"),
              (agent, "/v1/order"), (agent, "/v1/poll")]
    for target, path in places:
        for what, body in bad_json():
            status, said = target.ask("POST", path, body)
            if status != 400:
                wrong.append(f"{target.name} {path}: {what}: {status} {said[:200]!r}")
        status, _ = target.ask("POST", path, b"[" * 2_000_000)
        if status not in (413, CLOSED):
            wrong.append(f"{target.name} {path}: 2 MB of '[': {status}")
        if target.good() is None:
            wrong.append(f"{target.name}: no good answer after bad JSON")
    # What was meant as a rehearsal must never become the thing itself.
    web = all_doors.web(doors.TOKENS["operator"])
    for body in (b'{"dry_run":"true"}', b'{"dry-run":true}', b'{"dryRun":true}',
                 b'{"to":"site-b","dry_run":1}', b'{"force":"witness"}'):
        status, said = web.ask("POST", "/api/v1/services/im-api/failover", body)
        if status != 400:
            wrong.append(f"failover with {body!r}: {status} {said[:200]!r}")
    return wrong


def judge_tokens(all_doors):
    web, viewer, operator = (all_doors.web(token) for token in
                             (None, doors.TOKENS["viewer"], doors.TOKENS["operator"]))
    pause, see = "/api/v1/services/im-api/pause", "/api/v1/services"
    op = doors.TOKENS["operator"]
    table = [("no token", web, "GET", see, (), 401), ("no token", web, "POST", pause, (), 401),
             ("no token, no such service", web, "POST", "/api/v1/services/x/pause", (), 401),
             ("the viewer looks", viewer, "GET", see, (), 200),
             ("the viewer orders", viewer, "POST", pause, (), 403),
             ("the viewer holds everything", viewer, "POST", "/api/v1/pause", (), 403),
             ("the operator looks", operator, "GET", see, (), 200)]
    in_url = (f"?token={op}", f"?access_token={op}", f"?Authorization=Bearer%20{op}")
    table += [("a token in the URL", web, "GET", see + query, (), 401) for query in in_url]
    headers = (f"Authorization: Basic {op}", f"Authorization: {op}", f"X-Token: {op}",
               f"Cookie: token={op}", "Authorization: Bearer",
               "Authorization: Bearer " + "x" * 9000,
               f"Authorization: Bearer {op}\t{op}")
    # Wrong ones from several sources, so that no source is shut out by them.
    table += [("a token where none is read", web, "GET", see, (header,), 401)
              for header in headers]
    forged = ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1",
              "X-Forwarded-User: operator", "X-Original-URL: /healthz",
              "X-HTTP-Method-Override: GET", "X-Forwarded-Host: evil.example")
    table += [("a forged header", web, "POST", pause, (header,), 401) for header in forged]
    table += [("a method in disguise", viewer, "POST", pause, (forged[5],), 403)]
    wrong = []
    for number, (what, target, method, path, more, expected) in enumerate(table):
        status, said = target.ask(method, path, b"", more, source=number % 3)
        if status != expected:
            wrong.append(f"{what} ({method} {path} {more}): {status}, not {expected}: {said[:200]}")
        if op.encode() in said:
            wrong.append(f"{what}: the answer shows the token")
    return wrong


def judge_hosts(all_doors):
    wrong = []
    for host, expected in (("127.0.0.1", 200), ("127.0.0.1:8780", 200), ("LOCALHOST", 200),
                           ("[::1]:8780", 200), ("evil.example", 421),
                           ("127.0.0.1.evil.example", 421),
                           ("evil.example:8780", 421), ("127.0.0.1@evil.example", 421), ("", 421),
                           ("localhost.", 421), ("127.0.0.1, evil.example", 421)):
        for path in ("/healthz", "/api/v1/services"):
            web = all_doors.web(doors.TOKENS["viewer"])
            web.host = host
            status, _ = web.ask("GET", path)
            if status != expected:
                wrong.append(f"Host \"{host}\" {path}: {status}, not {expected}")
    return wrong


def judge_guessing(all_doors):
    """Ten wrong tokens shut a guesser out, and neither other sources nor those known there."""
    known, operator = (all_doors.web(doors.TOKENS[role]) for role in ("viewer", "operator"))
    guesser = all_doors.web("a-wrong-token-0123456789")
    for target in (known, operator, guesser):
        target.sources = ["127.0.0.9", "127.0.0.10"]
    path, wrong = "/api/v1/services", []

    def expect(what, target, source, *allowed):
        status, _ = target.ask("GET", path, source=source)
        if status not in allowed:
            wrong.append(f"guessing: {what}: {status}, not {allowed}")
    expect("the viewer, before", known, 0, 200)
    for _ in range(10):
        expect("a guess", guesser, 0, 401)
    for _ in range(30):
        expect("one too many", guesser, 0, 429)
    expect("a right token that was never seen there", operator, 0, 429)
    expect("the viewer, from the same address", known, 0, 200)
    expect("the operator, from elsewhere", operator, 1, 200)
    forged = "X-Forwarded-For: 10.1.2.3"
    status, _ = guesser.ask("GET", path, more=(forged,), source=0)
    if status != 429:
        wrong.append(f"guessing: a forged address is a way round: {status}")
    return wrong


def old_context(certs, version):
    made = doors.context(certs, "monitor")
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version = made.maximum_version = version
    return made


def weak_context(certs):
    made = doors.context(certs, "monitor")
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers("AES128-SHA:AES256-SHA256:@SECLEVEL=0")
    return made


def tls_alert(all_doors, settings):
    """The server's alert for a request with these TLS settings; "" when the request is served."""
    site = all_doors.lab.a
    try:
        with contextlib.closing(all_doors.agent_bare(site, "client")) as bare:
            with settings.wrap_socket(bare) as connection:
                connection.settimeout(3)
                connection.sendall(all_doors.agent(site).head())
                return "" if connection.recv(4096).startswith(b"HTTP/1.1 200") else "hung up"
    except (OSError, ssl.SSLError) as error:
        return str(error)


def judge_certificates(all_doors):
    """Who may not speak to an agent at all, and who may, but not so."""
    lab, certs, wrong = all_doors.lab, all_doors.certs, []
    other = doors.context(certs)
    other.load_cert_chain(certs / "other" / "monitor.pem", certs / "other" / "monitor.key")
    with_old = [(f"TLS {version.name}", old_context(certs, version))
                for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)]
    for what, settings in [("no certificate", doors.context(certs)),
                           ("another CA's monitor", other),
                           ("an expired one", doors.context(certs, "expired")),
                           ("one not valid yet", doors.context(certs, "early")),
                           ("a weak cipher", weak_context(certs)), *with_old]:
        alert = tls_alert(all_doors, settings)
        if "alert" not in alert:
            wrong.append(f"certificates: {what} was not refused by an alert: \"{alert}\"")
    alert = tls_alert(all_doors, doors.context(certs, "monitor"))
    if alert:
        wrong.append(f"certificates: the monitor's own was not let in: {alert}")
    order = (b'{"run":"r","sequence":"1","sender":"monitor","service":"im-api","site":"site-a",'
             b'"verb":"fence","reign":{"epoch":"9","id":"0000000000000009"},"power":"site-b",'
             b'"move":"m","token":{"incarnation":"1","n":"1"},"automatic":false,'
             b'"old_fenced":false,"asserted_off":false,"replication_forced":false,'
             b'"lease_ms":3000,"order_ttl_ms":5000,"prepare_ttl_ms":10000,"max_lag_ms":1000,'
             b'"counter":"1","dry_run":false}')
    poll = b'{"run":"r","sequence":"1","sender":"%s","counter":"99","services":[]}'
    for name in ("stranger", "site-b", "site-a"):
        agent = all_doors.agent(lab.a, doors.context(certs, name))
        for path, body in (("/v1/order", order), ("/v1/order", order.replace(
                b'"sender":"monitor"', b'"sender":"%s"' % name.encode())),
                           ("/v1/poll", poll % b"monitor"), ("/v1/status", b"")):
            status, said = agent.ask("POST" if body else "GET", path, body)
            if status != 403:
                wrong.append(f"certificates: {name} at {path}: {status} {said[:200]}")
    return wrong
