"""Secrets that are looked for afterwards, in every spelling that something could give them."""

import base64
import json
import os
import pathlib
import re
import secrets
import threading
import urllib.parse


def canary(shape="{}"):
    """A secret with characters that every encoding changes, and parts found nowhere by chance."""
    word = secrets.token_urlsafe(15).replace("-", "x").replace("_", "y")
    return shape.format(f'{word[:10]}+"/~{word[10:]}=')


def spellings(secret):
    """{name: text}: how `secret` may stand somewhere; base64 also within a longer text."""
    raw, once = secret.encode(), json.dumps(secret)[1:-1]
    found = {"plain": secret, "JSON": once, "JSON of PHP": once.replace("/", "\\/"),
             "JSON twice": json.dumps(once)[1:-1], "hex": raw.hex(), "HEX": raw.hex().upper(),
             "URL": urllib.parse.quote(secret, safe=""),
             "url": re.sub("%..", lambda one: one[0].lower(), urllib.parse.quote(secret, safe="")),
             "form": urllib.parse.quote_plus(secret)}
    for before in range(3):
        whole = base64.b64encode(b"x" * before + raw).decode()
        core = whole[(before * 8 + 5) // 6:(before + len(raw)) * 8 // 6]
        found[f"base64/{before}"] = core
        found[f"base64url/{before}"] = core.replace("+", "-").replace("/", "_")
    return found


def parts(secret):
    """Half of it is too much as well."""
    if len(secret) <= 20:
        return {}
    return {"first half": secret[:len(secret) // 2], "last part": secret[-12:]}


class Corpus:
    """Everything that was said, and where: searched at the end."""

    def __init__(self):
        self.texts = []
        self.bytes = 0

    def add(self, where, content):
        content = content if isinstance(content, bytes) else content.encode(errors="replace")
        self.texts.append((where, content))
        self.bytes += len(content)

    def add_files(self, folder, without=()):
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.is_file() and path.name not in without:
                self.add(str(path), path.read_bytes())

    def leaks(self, canaries):
        """Sentences; `canaries` is {what: secret}."""
        found = []
        for what, secret in canaries.items():
            for how, text in (spellings(secret) | parts(secret)).items():
                for where, content in self.texts:
                    at = content.find(text.encode())
                    if at >= 0:
                        near = content[max(0, at - 80):at + 20]
                        found.append(f"{what} ({how}) stands in {where}: ...{near!r}")
        return found


class Watch:
    """Reads command lines and environments of all that runs in some namespaces, again and again."""

    def __init__(self, corpus, namespaces):
        self.corpus, self.seen, self.ended = corpus, set(), threading.Event()
        self.inodes = {os.stat(f"/run/netns/{name}").st_ino for name in namespaces}
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.thread.join()

    def _run(self):
        while not self.ended.wait(0.02):
            for name in os.listdir("/proc"):
                if name.isdigit():
                    self._look(name)

    def _look(self, pid):
        try:
            if os.stat(f"/proc/{pid}/ns/net").st_ino not in self.inodes:
                return
            for what in ("cmdline", "environ"):
                content = pathlib.Path(f"/proc/{pid}/{what}").read_bytes()
                if (what, content) not in self.seen:
                    self.seen.add((what, content))
                    self.corpus.add(f"/proc/{pid}/{what} of {content[:60]!r}", content)
        except OSError:
            pass  # It has ended meanwhile.
