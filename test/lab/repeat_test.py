#!/usr/bin/python3
"""Which runs of the laboratory may be done once more: late ones, never wrong ones."""

import unittest

import failover_test
from lab import LabError, SetUpError
from scenarios_move import Outcome


class Repeat(unittest.TestCase):
    def run_of(self, scenario):
        failover_test.SCENARIOS["a"], kept = scenario, failover_test.SCENARIOS["a"]
        try:
            outcome = failover_test.run_one("a", "bin")
        finally:
            failover_test.SCENARIOS["a"] = kept
        if outcome.set_up:
            failover_test.judge_times(outcome, 0.5)
        return outcome

    def test_in_time(self):
        outcome = self.run_of(lambda _: Outcome("a", answer_s=2.4, write_s=3.4))
        self.assertEqual(outcome.wrong, [])
        self.assertFalse(failover_test.may_repeat(outcome))

    def test_late(self):
        outcome = self.run_of(lambda _: Outcome("a", answer_s=2.6, write_s=3.0))
        self.assertEqual(len(outcome.wrong), 1)
        self.assertTrue(failover_test.may_repeat(outcome))

    def test_never_is_no_lateness(self):
        outcome = self.run_of(lambda _: Outcome("a", answer_s=1.0))
        self.assertEqual(len(outcome.wrong), 1)
        self.assertFalse(failover_test.may_repeat(outcome))

    def test_late_and_wrong(self):
        outcome = self.run_of(lambda _: Outcome("a", answer_s=9.0, write_s=9.0,
                                                problems=["two writers"]))
        self.assertEqual(len(outcome.wrong), 3)
        self.assertFalse(failover_test.may_repeat(outcome))

    def test_errors(self):
        def fails(error):
            def scenario(_):
                raise error
            return scenario
        self.assertTrue(failover_test.may_repeat(self.run_of(fails(SetUpError("no MariaDB")))))
        self.assertFalse(failover_test.may_repeat(self.run_of(fails(LabError("agent ended")))))


if __name__ == "__main__":
    unittest.main()
