#!/usr/bin/env python3
"""What tidy.py finds, and what it lets pass."""

import unittest

import tidy

SAMPLE = """namespace a {
struct X : Y {
 public:
  X(int a, std::map<int, int> b) : a_(a), b_{b} {
    f([](int q, int r, int s, int t, int u) { return q; });
  }
  bool operator()(int a, int b, int c, int d, int e) const;
  std::function<void(int, int, int, int, int)> f_;
  std::array<int, 3> z_{1, 2};
};
constexpr std::array<U, 2> k{{{"d", 8}, {"h", 3}}};
int h(int a, int b, int c, int d,
      int e) {
  if (x) {
  }
}
int of_a_library(int a, int b, int c, int d, void* e) { return 1; }
TEST_CASE("a, b, c, d, e, f") {
  CHECK("}}}{");  // }}}
}
"""


def found(problems):
    return [what for _, _, what in problems]


class Tidy(unittest.TestCase):
    def test_functions_are_seen_with_their_parameters(self):
        self.assertEqual(tidy.functions_of(tidy.strip(SAMPLE)),
                         [(4, 6, 2), (7, None, 5), (8, None, None), (12, 16, 5), (17, 17, None),
                          (18, 20, 1)])

    def test_sizes(self):
        long = "int f() {\n" + "  g();\n" * 69 + "}\n"
        self.assertEqual(found(tidy.check_sizes("a.cc", [], long)),
                         ["function of 71 lines; at most 70"])
        self.assertEqual(found(tidy.check_sizes("a.cc", [], long.replace("  g();\n", "", 1))), [])
        self.assertEqual(len(found(tidy.check_sizes("a.cc", ["x" * 101] * 501, ""))), 502)

    def test_events(self):
        text = """void f() {
  log(LogLevel::kError, "one", {{"not", "this"}});
  log(ok ? LogLevel::kInfo : LogLevel::kError, ok ? "two-a" : "two-b",
      {{"x", f(1, 2)}});
  say("three", change([&](Guard& guard) { return g(a, b); }));
  turn.tell(NoticeLevel::kNote, "four", "text, and more");
  log(level, event, {{"k", "v"}});
}
"""
        self.assertEqual([name for _, name in tidy.events_of(text)],
                         ["one", "two-a", "two-b", "three", "four"])
        self.assertEqual(found(tidy.check_events([], "| `gone`, `older` | error | x |\n")),
                         ["event gone is logged nowhere", "event older is logged nowhere"])

    def test_tests_that_the_manual_names(self):
        table = "| # | fault |\n| 41 | `a test`; `no test` |\nand `else`\n"
        self.assertEqual(found(tidy.check_faults(table, ['TEST_CASE("a test of x")'])),
                         ["there is no test `no test`"])

    def test_layers(self):
        def include(path, header, quoted=True):
            return found(tidy.check_include(path, 1, header, quoted))

        self.assertEqual(include("base/x.cc", "base/json.h"), [])
        self.assertNotEqual(include("base/x.cc", "probes/probe.h"), [])
        self.assertNotEqual(include("orchestrator/core/x.cc", "base/clock.h"), [])
        self.assertEqual(include("orchestrator/core/x.cc", "base/lease.h"), [])
        self.assertNotEqual(include("orchestrator/core/x.cc", "thread", False), [])
        self.assertNotEqual(include("orchestrator/shell/x.cc", "agent/guard.h"), [])
        self.assertEqual(include("orchestrator/shell/x.cc", "agent/protocol.h"), [])
        self.assertNotEqual(include("providers/x.cc", "curl/curl.h", False), [])
        self.assertNotEqual(include("providers/x.cc", "test/support/certs.h"), [])
        self.assertNotEqual(include("agent/x.cc", "base/no_such.h"), [])

    def test_words(self):
        def words(path, code):
            return len(list(tidy.check_words(path, tidy.strip(code))))

        self.assertEqual(words("orchestrator/core/x.cc", "int node_count;"), 1)
        self.assertEqual(words("orchestrator/core/x.cc", "auto n = text.data(); // a node"), 0)
        self.assertEqual(words("agent/x.cc", 'int node; f("SHOW SLAVE STATUS");'), 0)
        self.assertEqual(words("agent/x.cc", "bool is_slave;"), 1)
        self.assertEqual(words("agent/x.cc", "std::shared_ptr<X> x;"), 1)

    def test_types_that_others_can_see(self):
        code = "namespace a {\nnamespace {\nstruct B {\n};\n}\nclass C : public D {\n};\n" \
               "struct C::Impl {\n};\nclass E;\n}\n"
        self.assertEqual(list(tidy.types_of(code)), [("C", 6)])


if __name__ == "__main__":
    unittest.main()
