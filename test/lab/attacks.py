"""What hostile clients send to an HTTP server, byte by byte, and what they must get for it.

A Target is one server: how it is reached, which process it is, and a good request. Attacks return
sentences for what went wrong.
"""

import contextlib
import pathlib
import re
import socket
import threading
import time

from servers import now

MB = 1 << 20
CLOSED = 0


class Target:
    """`dial(source)` connects as one of several `sources`; `host` is what it is called."""

    def __init__(self, name, process, sources, dial, path="/", host="127.0.0.1", token=None):
        self.name, self.process, self.sources, self.dial = name, process, sources, dial
        self.path, self.host, self.token = path, host, token

    def head(self, method="GET", path=None, more=()):
        lines = [f"{method} {path or self.path} HTTP/1.1", f"Host: {self.host}", *more]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def ask(self, method="GET", path=None, body=b"", more=(), source=-1, within=5.0):
        """(status, body) of one request, made as a good client would make it."""
        more = [*more, "Connection: close"]
        if body or method != "GET":
            more.append(f"Content-Length: {len(body)}")
        with contextlib.closing(self.dial(self.sources[source])) as connection:
            said = exchange(connection, self.head(method, path, more) + body, within)
        return first_status(said), said.partition(b"\r\n\r\n")[2]

    def good(self, within=1.0):
        """Asks from the last source, which does not attack; the seconds it took, or None."""
        began = now()
        try:
            status, _ = self.ask(within=within)
        except OSError:
            return None
        return now() - began if status == 200 and now() - began <= within else None


def first_status(said):
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", said)
    return int(found[1]) if found else CLOSED


def exchange(connection, payload, within=5.0):
    """Sends `payload` (bytes, or pieces) as far as it is taken; all that came until the end, or
    until nothing more came after an answer."""
    pieces = iter([payload] if isinstance(payload, bytes) else payload)
    piece, said, end = b"", b"", now() + within
    heard = 0.0
    while now() < end:
        if not piece:
            piece = next(pieces, b"")
        if piece:
            connection.settimeout(0.02)
            try:
                piece = piece[connection.send(piece[:65536]):]
            except TimeoutError:
                pass
            except OSError:  # It hung up on us; what it said may still be there.
                piece, pieces = b"", iter(())
        try:
            connection.settimeout(0.001 if piece else 0.1)
            came = connection.recv(65536)
            if not came:
                break
            said, heard = said + came, now()
        except TimeoutError:
            if said and not piece and now() - heard > 0.4:
                break
        except OSError:
            break
    return said


def repeated(first, piece, total):
    """`first`, then `piece` again and again, `total` bytes in all."""
    yield first
    block = piece * max(1, 65536 // len(piece))
    for _ in range(total // len(block)):
        yield block


class Vitals:
    """Memory, threads and descriptors of a process, and their peaks while attacks go on."""

    def __init__(self, process):
        self.pid = process.pid
        self.first = self.peak = self.look()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def look(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        kib, threads = (int(re.search(rf"{key}:\s+(\d+)", status)[1])
                        for key in ("VmRSS", "Threads"))
        return kib / 1024, threads, len(list(pathlib.Path(f"/proc/{self.pid}/fd").iterdir()))

    def _watch(self):
        while not self.ended.wait(0.05):
            with contextlib.suppress(OSError):
                self.peak = tuple(map(max, self.peak, self.look()))

    def judge(self, name, memory_most=64, places=128):
        """Sentences for what grew over its bound, or did not shrink again."""
        self.ended.set()
        self.thread.join()
        end = now() + 8
        while now() < end and any(a > b + 2 for a, b in zip(self.look()[1:], self.first[1:],
                                                            strict=True)):
            time.sleep(0.1)
        last = self.look()
        wrong = []
        if self.peak[0] > self.first[0] + memory_most:
            wrong.append(f"{name}: memory grew from {self.first[0]:.0f} to {self.peak[0]:.0f} MB")
        for index, what in ((1, "threads"), (2, "descriptors")):
            if self.peak[index] > self.first[index] + places:
                wrong.append(f"{name}: {what} grew from {self.first[index]} to {self.peak[index]}")
            if last[index] > self.first[index] + 2:
                wrong.append(f"{name}: {what} stay at {last[index]}, were {self.first[index]}")
        parts = (f"{what} {a:.0f} to {b:.0f}" for what, a, b in zip(
            ("MB", "threads", "descriptors"), self.first, self.peak, strict=True))
        return wrong, f"{name}: at rest and at most: {', '.join(parts)}"


def floods(target):
    """(what, payload, statuses allowed): more bytes than anybody may send."""
    start = f"GET {target.path} HTTP/1.1\r\nHost: {target.host}\r\n".encode()
    chunked = target.head("POST", more=["Transfer-Encoding: chunked"])
    counted = target.head("POST", more=[f"Content-Length: {100 * MB}"])
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    return [
        ("an endless header", repeated(start + b"X: ", b"a", 50 * MB), {431, CLOSED}),
        ("100,000 headers", repeated(start, b"X: y\r\n", 600_000), {431, CLOSED}),
        ("200 headers that fit", start + b"X: y\r\n" * 200 + b"\r\n", {431}),
        ("a request line of 100 MB", repeated(b"GET /", b"a", 100 * MB), {414, 431, CLOSED}),
        ("a target of 9,000 bytes", b"GET /" + b"a" * 9000 + start[4:] + b"\r\n", {400, 414}),
        ("100 MB in chunks", repeated(chunked, chunk, 100 * MB), {413, CLOSED}),
        ("100 MB in chunks of one byte", repeated(chunked, b"1\r\nx\r\n", 100 * MB),
         {413, CLOSED}),
        ("100 MB of chunk extension", repeated(chunked + b"1;", b"a", 100 * MB), {413, CLOSED}),
        ("100 MB counted", repeated(counted, b"x", 100 * MB), {413, CLOSED}),
        ("an endless run of empty lines", repeated(b"", b"\r\n", 50 * MB), {400, 431, CLOSED}),
    ]


def framings(target):
    """(what, payload, statuses allowed): what two readers could take in two ways, or is broken."""
    def post(*more, body=b""):
        return target.head("POST", more=more) + body

    def line(text):
        return text + f"\r\nHost: {target.host}\r\n\r\n".encode()
    chunked = "Transfer-Encoding: chunked"
    bad = {400}
    table = [(f"chunk size {size}", post(chunked, body=f"{size}\r\nab\r\n0\r\n\r\n".encode()),
              {400, 413}) for size in ("-2", "+2", "0x2", "2 ", "", "g", "ffffffff", "7fffffff",
                                       "ffffffffffffffff", "1" * 40)]
    table += [(f"Content-Length {length}", post(f"Content-Length: {length}"), {400, 413})
              for length in ("-1", "+5", "5, 5", "0x5", "5 5", "", "1e3", "9" * 30,
                             "18446744073709551616", str(2**63))]
    table += [
        ("two lengths", post("Content-Length: 2", "Content-Length: 2", body=b"{}"), bad),
        ("two lengths that differ", post("Content-Length: 0", "Content-Length: 2", body=b"{}"),
         bad),
        ("length and chunks", post("Content-Length: 2", chunked, body=b"0\r\n\r\n"), bad),
        ("chunked twice", post(chunked, chunked, body=b"0\r\n\r\n"), bad),
        ("chunked within a list", post("Transfer-Encoding: gzip, chunked"), {400, 501}),
        ("chunked in disguise", post("Transfer-Encoding: xchunked"), {400, 501}),
        ("a space before the colon", post("Transfer-Encoding : chunked"), bad),
        ("a folded header", post("X: a\r\n b"), bad),
        ("a bare LF", b"GET / HTTP/1.1\nHost: a\n\n", bad),
        ("a bare CR", post("X: a\rb"), bad),
        ("a NUL in the head", post("X: a\0b"), bad),
        ("a control character", post("X: a\x07b"), bad),
        ("no name", post(": v"), bad),
        ("trailers", post(chunked, body=b"1\r\na\r\n0\r\nHost: evil\r\n\r\n"), bad),
        ("CR LF in the path", line(b"GET /a%0d%0aX-Evil:%20b HTTP/1.1"), bad),
        ("no Host", b"GET / HTTP/1.1\r\n\r\n", bad),
        ("two Hosts", post(f"Host: {target.host}"), bad),
        ("two spaces", line(b"GET  / HTTP/1.1"), bad),
        ("an absolute target", line(b"GET http://evil.example/ HTTP/1.1"), bad),
        ("CONNECT", line(b"CONNECT 127.0.0.1:22 HTTP/1.1"), {400, 501}),
        ("TRACE", line(b"TRACE / HTTP/1.1"), {501}),
        ("HTTP/2 by prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
        ("HTTP/0.9", b"GET /\r\n\r\n", bad),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40,
         {400, CLOSED}),
        ("noise", bytes(range(128, 256)) * 8, {400, CLOSED}),
        ("a compressed body", post("Content-Encoding: gzip", "Content-Length: 0"), {415}),
        ("an unknown expectation", post("Expect: a-miracle", "Content-Length: 0"), {417}),
    ]
    return table


def paths(target):
    """(what, payload, statuses allowed): ways out of the known paths."""
    table = []
    for path in ("/../etc/passwd", "/%2e%2e/etc/passwd", "/..%2fetc%2fpasswd", "/a/../../b", "/./",
                 "/%2e/", "/..%5c..%5cetc", "/%252e%252e/%252fetc/passwd", "/%2fetc",
                 "//etc/passwd",
                 "/api/v1/services/%00", "/%ff%fe", "/%c0%ae%c0%ae/", "/%zz", "/%", "/etc/passwd",
                 "/index.html", "/%0a", "/a\\..\\b", f"{target.path}/", f"{target.path}%2f",
                 f"{target.path}/..", "/api/v1/services/../moves", "/%e2%80%ae"):
        table.append((f"path {path}", target.head(path=path), {400, 401, 404}))
    return table


def attack(target, table, within=10.0):
    """Each of a table in turn; sentences for wrong answers and for good clients left waiting."""
    wrong = []
    for what, payload, allowed in table:
        with contextlib.closing(target.dial(target.sources[0])) as connection:
            said = exchange(connection, payload, within)
        status = first_status(said)
        if status not in allowed:
            wrong.append(f"{target.name}: {what}: answered {status}, allowed {sorted(allowed)}: "
                         f"{said[:120]!r}")
        if b"X-Evil" in said.partition(b"\r\n\r\n")[0] or b"root:" in said:
            wrong.append(f"{target.name}: {what}: {said[:200]!r}")
        if target.good() is None:
            wrong.append(f"{target.name}: after {what}: a good client was not answered in 1 s")
    return wrong


class Dribble:
    """Holds many connections open, a byte each 2 s; hung-up ones are dialled again."""

    def __init__(self, target, count, first, more=b"a"):
        self.target, self.first, self.more = target, first, more
        self.ended = threading.Event()
        self.opened, self.count = 0, count
        self.threads = [threading.Thread(target=self._hold, args=(source,), daemon=True)
                        for source in target.sources[:-1]]

    def _hold(self, source):
        mine, each = [], self.count // len(self.threads)
        while not self.ended.is_set():
            while len(mine) < each and not self.ended.is_set():
                try:
                    connection = self.target.dial(source)
                    connection.settimeout(0.2)
                    connection.send(self.first)
                except OSError:
                    time.sleep(0.02)
                    continue
                self.opened += 1
                mine.append(connection)
            self.ended.wait(2.0)
            mine = [one for one in mine if self._feed(one)]
        for connection in mine:
            connection.close()

    def _feed(self, connection):
        try:
            connection.send(self.more)
            return True
        except OSError:
            connection.close()
            return False

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(timeout=10)


def dribbles(target, seconds=6.0, count=80):
    """Slow heads, slow bodies and answers that nobody reads, while a good client asks."""
    kinds = [("heads", f"GET / HTTP/1.1\r\nHost: {target.host}\r\nX: ".encode(), b"a"),
             ("bodies", target.head("POST", more=["Content-Length: 1000"]), b"a"),
             ("unread answers", target.head() * 200, target.head() * 20)]
    wrong, slowest = [], 0.0
    for what, first, more in kinds:
        with Dribble(target, count, first, more) as held:
            time.sleep(1.0)
            end, asked, failed = now() + seconds, 0, 0
            while now() < end:
                took = target.good()
                asked, failed = asked + 1, failed + (took is None)
                slowest = max(slowest, took or 0.0)
                time.sleep(0.1)
        if failed:
            wrong.append(f"{target.name}: slow {what} ({held.opened} connections): {failed} of "
                         f"{asked} good requests not answered within 1 s")
    return wrong, f"{target.name}: slowest good answer beside slow clients {slowest * 1000:.0f} ms"


def plain(family, address, source=None):
    """A dial function's work: a connected socket, from `source` where it names an address."""
    connection = socket.socket(family)
    connection.settimeout(2.0)
    try:
        if source:
            connection.bind((source, 0))
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection
