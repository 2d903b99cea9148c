#!/usr/bin/env python3
"""`pointsman init` as a person meets it: by flags, on a terminal, twice, interrupted.

  init_test.py --bin build/release/bin

Needs neither root nor network: nobody is asked but this host.
"""

import argparse
import fcntl
import json
import os
import pathlib
import pty
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.dont_write_bytecode = True

WITHIN = 30
FLAGS = ["--record", "api.example.test", "--site", "hz=192.0.2.10", "--site", "sh=198.51.100.20",
         "--probe", "http://{address}:8080/health", "--provider", "rfc2136",
         "--server", "192.0.2.53", "--reference", "tcp://203.0.113.1:53"]
STORES = ["--store", "mysql", "--store", "redis", "--unit", "api.service", "--port", "443"]
TOKEN = "kept-secret-0123456789-abcdefghijklmnopq"


def tree(folder):
    """Everything below, with its content and mode."""
    return {str(path.relative_to(folder)): (path.stat().st_mode,
                                            path.read_bytes() if path.is_file() else b"")
            for path in sorted(folder.rglob("*"))}


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv):
        self.shown = ""
        self.far, near = pty.openpty()

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        # pylint: disable=subprocess-popen-preexec-fn
        self.process = subprocess.Popen(argv, stdin=near, stdout=near, stderr=near,
                                        preexec_fn=own_terminal, close_fds=True)
        os.close(near)

    def until(self, text):
        """Reads until `text` is shown; what was shown since the last call."""
        began, deadline = len(self.shown), time.monotonic() + WITHIN
        while text not in self.shown[began:]:
            if not select.select([self.far], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no {text!r} in: {self.shown}")
            try:
                more = os.read(self.far, 65536)
            except OSError:  # The other side is closed.
                more = b""
            if not more:
                raise AssertionError(f"ended without {text!r}: {self.shown}")
            self.shown += more.decode()
        return self.shown[began:]

    def type(self, text):
        os.write(self.far, text.encode())

    def answer(self, question, text):
        self.until(question)
        self.type(text + "\n")

    def end(self):
        """Its exit code, after all that it said."""
        deadline = time.monotonic() + WITHIN
        while select.select([self.far], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                more = os.read(self.far, 65536)
            except OSError:
                break
            if not more:
                break
            self.shown += more.decode()
        os.close(self.far)
        return self.process.wait(timeout=WITHIN)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


class InitTest(unittest.TestCase):
    bin = None

    def setUp(self):
        # pylint: disable=consider-using-with
        self.temporary = tempfile.TemporaryDirectory(prefix="pointsman-init-")
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name) / "etc"

    def run_tool(self, *arguments, tool="pointsman", given=None):
        return subprocess.run([str(self.bin / tool), *map(str, arguments)], input=given or "",
                              capture_output=True, text=True, timeout=WITHIN, check=False)

    def init(self, *arguments, given=None):
        return self.run_tool("init", "--offline", "--dir", self.folder, *arguments, given=given)

    def assert_sound(self, sites=("hz", "sh")):
        check = self.run_tool("check", "--config", self.folder / "pointsman.toml")
        self.assertEqual(check.returncode, 0, check.stdout)
        self.assertNotIn("warning", check.stdout)
        for site in sites:
            file = self.folder / "agents" / site / "agent.toml"
            check = self.run_tool("check", "--config", file, tool="pointsman-agent")
            self.assertEqual(check.returncode, 0, check.stdout)
            self.assertNotIn("warning", check.stdout)

    def test_by_flags(self):
        done = self.init(*FLAGS, *STORES)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is sound: 1 service, 1 provider", done.stdout)
        self.assertIn("Next:", done.stdout)
        self.assertIn("root@192.0.2.10:/etc/pointsman/", done.stdout)
        self.assert_sound()
        for name in tree(self.folder):
            path = self.folder / name
            if path.is_file() and path.suffix in (".key", ".password", ".sql"):
                self.assertEqual(path.stat().st_mode & 0o077, 0, name)
            if path.is_file():
                self.assertIn(f"wrote {path}\n", done.stdout)
        # What is told holds no secret.
        for secret in self.folder.rglob("*.password"):
            self.assertNotIn(secret.read_text().strip(), done.stdout)

    def test_a_folder_that_a_shell_would_split(self):
        self.folder = self.folder.parent / "it's here"
        done = self.init(*FLAGS, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        copy = next(step for step in json.loads(done.stdout)["next"] if "agents/hz/" in step)
        words = shlex.split(copy[copy.index("scp"):])
        self.assertEqual(words[2], f"{self.folder}/agents/hz/*")
        self.assert_sound()

    def test_what_is_missing_is_named_at_once(self):
        done = self.init("--record", "api.example.test", "--mode", "sometimes", "--port", "22")
        self.assertEqual(done.returncode, 2)
        for flag in ("--site NAME=ADDRESS", "--provider TYPE"):
            self.assertIn(flag, done.stderr)
        self.assertIn("--mode: found \"sometimes\", allowed: observe, propose or auto", done.stderr)
        self.assertIn("--port: found \"22\"", done.stderr)
        self.assertFalse(self.folder.exists())

    def test_nothing_is_overwritten(self):
        self.assertEqual(self.init(*FLAGS).returncode, 0)
        before = tree(self.folder)
        again = self.init(*FLAGS)
        self.assertEqual(again.returncode, 1)
        self.assertIn("never overwritten", again.stderr)
        self.assertIn(str(self.folder / "certs"), again.stderr)
        self.assertEqual(tree(self.folder), before)

    def test_secrets_by_a_file_and_by_standard_input(self):
        cloud = [*FLAGS[:8], *FLAGS[-2:], "--provider", "cloudflare", "--no-agents"]
        refused = self.init(*cloud)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("api_token", refused.stderr)
        file = pathlib.Path(self.temporary.name) / "secrets"
        file.write_text(f"api_token = \"{TOKEN}\"\n")
        file.chmod(0o644)
        refused = self.init(*cloud, "--secrets", file)
        self.assertEqual(refused.returncode, 2)
        self.assertIn(f"chmod 600 {file}", refused.stderr)
        refused = self.init(*cloud, "--secrets", "-", given=f"api_tokne = \"{TOKEN}\"\n")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("did you mean \"api_token\"?", refused.stderr)
        self.assertNotIn(TOKEN, refused.stderr)
        self.assertFalse(self.folder.exists())

        done = self.init(*cloud, "--secrets", "-", "--json", given=f"api_token = \"{TOKEN}\"\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(TOKEN, done.stdout)
        said = json.loads(done.stdout)
        self.assertIn(str(self.folder / "credentials.toml"), said["written"])
        self.assertFalse((self.folder / "agents").exists())
        self.assertIn(TOKEN, (self.folder / "credentials.toml").read_text())
        self.assert_sound(sites=())

    def test_on_a_terminal(self):
        terminal = Terminal([self.bin / "pointsman", "init", "--offline", "--dir", self.folder])
        self.addCleanup(terminal.kill)
        terminal.answer("DNS name", "api.example.test")
        terminal.answer("zone it is in [example.test]:", "")
        terminal.answer("name for this service [api]:", "im-api")
        terminal.answer("two sites", "hz=192.0.2.10")
        terminal.answer("allowed: two sites", "hz = 192.0.2.10, sh = 198.51.100.20")
        terminal.answer("health URL", "http://{address}:8080/health")
        terminal.answer("Stores", "redis")
        terminal.answer("systemd units", "")
        terminal.answer("Ports of users", "443")
        terminal.answer("Who holds the record", "cloudflare")
        terminal.answer("neutral places", "tcp://203.0.113.1:53")
        terminal.answer("observe for now [observe]:", "")
        terminal.answer("api_token (not shown):", TOKEN)
        terminal.answer("redis_password (not shown; empty: none):", "")
        terminal.answer("Write it to", "")
        self.assertEqual(terminal.end(), 0, terminal.shown)
        self.assertNotIn(TOKEN, terminal.shown)
        self.assertIn("Next:", terminal.shown)
        self.assert_sound()
        self.assertIn("name = \"im-api\"", (self.folder / "pointsman.toml").read_text())

    def test_a_person_who_leaves_leaves_nothing(self):
        for key, last in (("\x03", "zone it is in"), ("\x04", "zone it is in"),
                          ("\x03", "not shown")):
            with self.subTest(key=key, last=last):
                flags = [] if last == "zone it is in" else [*FLAGS[:8], "--provider", "cloudflare"]
                terminal = Terminal([self.bin / "pointsman", "init", "--dir", self.folder, *flags])
                self.addCleanup(terminal.kill)
                if not flags:
                    terminal.answer("DNS name", "api.example.test")
                terminal.until(last)
                time.sleep(0.2)  # The terminal is set to show nothing after the question is out.
                terminal.type(key)
                terminal.until("nothing was written")
                echo = termios.tcgetattr(terminal.far)[3] & termios.ECHO
                self.assertEqual(terminal.end(), 1)
                self.assertTrue(echo)
                self.assertFalse(self.folder.exists())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options, rest = parser.parse_known_args()
    InitTest.bin = options.bin.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
