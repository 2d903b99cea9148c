#include "base/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "test/support/captured.h"

namespace pointsman {
namespace {

TEST_CASE("log: one line an event, values escaped") {
  std::string text;
  {
    const Captured captured;
    log(LogLevel::kWarning, "move-refused",
        {{"service", "im-api"},
         {"reason", "applier \"x\"\nnot running"},
         {"n", 3},
         {"ok", true},
         {"none", ""},
         {"esc", "\x1b[31m"}});
    log(LogLevel::kDebug, "dropped");
    text = captured.text();
  }
  CHECK(
      text.find(" warning move-refused service=im-api reason=\"applier \\\"x\\\"\\x0anot running\" "
                "n=3 ok=true none=\"\" esc=\"\\x1b[31m\"\n") != std::string::npos);
  CHECK(text.find("dropped") == std::string::npos);
}

TEST_CASE("log: a reader that does not read loses lines, never stops us") {
  std::string text;
  {
    const Captured captured;
    const std::string big(3000, 'x');
    for (int i = 0; i < 100; ++i) log(LogLevel::kInfo, "big", {{"value", big}});
    const std::string first = captured.text();
    log(LogLevel::kInfo, "after");
    text = captured.text();
    CHECK(first.size() < 100 * big.size());
  }
  CHECK(text.find("log-lines-lost count=") != std::string::npos);
  CHECK(text.find(" info after\n") != std::string::npos);
}

TEST_CASE("log: long lines are cut") {
  std::string text;
  {
    const Captured captured;
    log(LogLevel::kInfo, "long", {{"value", std::string(10'000, 'x')}});
    text = captured.text();
  }
  CHECK(text.size() <= 4096);
  CHECK(text.substr(text.size() - 7) == " [cut]\n");
}

TEST_CASE("log: a pace is one line a second") {
  LogPace pace;
  const Instant now{5'000'000'000};
  CHECK(pace.due(now));
  CHECK_FALSE(pace.due(now));
  CHECK_FALSE(pace.due(now + 999ms));
  CHECK(pace.due(now + 1s));
}

TEST_CASE("log: what is printable") {
  CHECK(printable("plain é 漢 😀") == "plain é 漢 😀");
  CHECK(printable("a\tb\x7f") == "a\\x09b\\x7f");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\xc2\\x9b31m");
  CHECK(printable("\u202e") == "\\xe2\\x80\\xae");
  CHECK(printable("\\x41") == "\\\\x41");
  CHECK(printable("").empty());
}

}  // namespace
}  // namespace pointsman
