#!/usr/bin/env python3
"""`pointsman simulate` on the example configuration of etc/: what it finds, how it says no."""

import argparse
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Simulate(unittest.TestCase):
    bin = ""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory()
        directory = pathlib.Path(cls.dir.name)
        cls.config = directory / "pointsman.toml"
        shutil.copy(ROOT / "etc" / "pointsman.toml.example", cls.config)
        for words in (["init"], ["issue", "monitor"]):
            subprocess.run([f"{cls.bin}/pointsman", "certs", *words, "--dir", directory],
                           check=True, stdout=subprocess.DEVNULL, timeout=60)

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    def ask(self, *words):
        return subprocess.run(
            [f"{self.bin}/pointsman", "simulate", "--config", self.config, *words],
            capture_output=True, text=True, timeout=120, check=False)

    def found(self, *words):
        done = self.ask("--json", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)["services"][0]

    def test_a_dead_site_is_left_within_what_check_allows(self):
        for blow in ("--kill=hz@5s", "--cut=hz@5s", "--freeze=hz/store@5s"):
            found = self.found(blow)
            self.assertEqual((found["moved"], found["unserved"]), (100, 0), blow)
            self.assertLessEqual(found["served_worst_s"], found["allowed_s"], blow)
            self.assertGreater(found["served_s"], 1)
            self.assertLess(found["lost_worst"], 100)

    def test_ignorance_moves_nothing_and_the_gate_is_named(self):
        for blow, gate in (("--cut=hz:monitor@5s", "witness"), ("--cut=monitor@5s", "connected")):
            found = self.found(blow)
            self.assertEqual((found["moved"], found["stayed"]), (0, 100))
            self.assertIn(gate, [one["name"] for one in found["gates"]])

    def test_a_short_outage_is_waited_out(self):
        self.assertEqual(self.found("--kill=hz/app@5s+300ms")["moved"], 0)

    def test_the_other_way_round(self):
        found = self.found("--primary=sh", "--kill=sh@5s")
        self.assertEqual((found["from"], found["to"], found["moved"]), ("sh", "hz", 100))

    def test_the_story_is_in_the_operators_words_and_the_same_each_time(self):
        first = self.ask("--kill", "hz@5s", "--runs", "3")
        self.assertEqual(first.returncode, 0)
        self.assertEqual(first.stdout, self.ask("--kill", "hz@5s", "--runs", "3").stdout)
        for words in ("5.00  hz dies", "im-api  begin-failover started", "sh takes writes",
                      "api.example.test A is 198.51.100.20", "moved to sh in 3 of 3 runs"):
            self.assertIn(words, first.stdout)
        self.assertNotRegex(first.stdout, r"\bs0\b")

    def test_what_does_not_fit_is_told_in_one_sentence(self):
        for words, sentence in (
                (["--kill", "xx@5s"], '"xx" is no site of these services (hz, sh)'),
                (["--kill", "hz"], '--kill "hz" is not understood'),
                (["--kill", "hz/disk@5s"], '--kill "hz/disk@5s" is not understood'),
                (["--freeze", "hz@5s"], '--freeze "hz@5s" is not understood'),
                (["--cut", "hz:hz@5s"], '--cut "hz:hz@5s" is not understood'),
                (["--kill", "hz@90s"], "--length 1m ends before hz dies"),
                (["--runs", "0"], "--runs 0 is not from 1 to 10000"),
                (["--delay", "3s"], '--delay "3s" is no duration from 1ms to 2s'),
                (["--service", "xx"], 'there is no service "xx" in'),
                (["--primary", "xx"], '"xx" is no site of these services (hz, sh)')):
            done = self.ask(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn(sentence, done.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    known, rest = parser.parse_known_args()
    Simulate.bin = known.bin
    unittest.main(argv=["simulate_test.py", *rest])
