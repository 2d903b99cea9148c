#include "orchestrator/cli/invocation.h"

#include <doctest/doctest.h>

namespace pointsman {
namespace {

Invocation accepted(std::vector<std::string> arguments) {
  auto read = read_arguments(std::move(arguments));
  const auto* printed = std::get_if<Printed>(&read);
  INFO((printed != nullptr ? printed->text : std::string()));
  REQUIRE(printed == nullptr);
  return std::get<Invocation>(read);
}

std::string refused(std::vector<std::string> arguments) {
  auto read = read_arguments(std::move(arguments));
  const auto* printed = std::get_if<Printed>(&read);
  REQUIRE(printed != nullptr);
  CHECK(printed->exit == 2);
  return printed->text;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("arguments: a failover with everything") {
  const auto asked = accepted({"failover", "im-api", "--to", "sh", "--force", "replication,held",
                               "--assert-off", "hz", "--reason", "on fire", "--yes", "--wait", "2m",
                               "--json", "--control", "/tmp/s"});
  CHECK(asked.command == "failover");
  CHECK(asked.service == "im-api");
  CHECK(asked.site == "sh");
  CHECK(asked.force == std::vector<std::string>{"replication", "held"});
  CHECK(asked.assert_off == "hz");
  CHECK(asked.reason == "on fire");
  CHECK(asked.yes);
  CHECK(!asked.dry_run);
  CHECK(asked.wait == 2min);
  CHECK(asked.json);
  CHECK(asked.control == "/tmp/s");
}

TEST_CASE("arguments: --force does not swallow the service") {
  const auto asked = accepted({"failover", "--force", "held", "im-api"});
  CHECK(asked.service == "im-api");
  CHECK(asked.force == std::vector<std::string>{"held"});
}

TEST_CASE("arguments: common options before or after the command") {
  CHECK(accepted({"--json", "--control", "/x", "status"}).json);
  CHECK(accepted({"status", "--json"}).json);
  CHECK(accepted({"--control", "/x", "status"}).control == "/x");
}

TEST_CASE("arguments: certs, check, history") {
  const auto certs = accepted({"certs", "issue", "hz", "sh", "--dir", "/tmp/ca"});
  CHECK(certs.command == "certs issue");
  CHECK(certs.names == std::vector<std::string>{"hz", "sh"});
  CHECK(certs.dir == "/tmp/ca");
  CHECK(accepted({"certs", "init"}).command == "certs init");
  CHECK(accepted({"check", "--online", "--config", "a.toml"}).config == "a.toml");
  CHECK(accepted({"history", "--limit", "7"}).limit == 7);
  CHECK(accepted({"history"}).limit == 50);
}

TEST_CASE("arguments: mistakes say what is wrong and where help is") {
  CHECK(holds(refused({"stauts"}), "there is no command \"stauts\"; did you mean \"status\"?"));
  CHECK(holds(refused({}), "no command given"));
  CHECK(holds(refused({"--control", "/x"}), "no command given"));
  CHECK(holds(refused({"explain"}), "try: pointsman explain --help"));
  CHECK(holds(refused({"pause"}), "name one SERVICE, or give --all"));
  CHECK(holds(refused({"pause", "im-api", "--all"}), "name one SERVICE, or give --all"));
  CHECK(holds(refused({"pause", "im-api", "--for", "3parsec"}), "no duration"));
  CHECK(holds(refused({"failover", "x", "--assert-off", "hz"}), "--reason"));
  CHECK(holds(refused({"adopt", "x"}), "--primary"));
  CHECK(holds(refused({"history", "--limit", "0"}), "--limit"));
  CHECK(holds(refused({"status", "a", "b"}), "b"));
  CHECK(holds(refused({"status", "--jsno"}), "--jsno"));
  CHECK(!holds(refused({"\x1b[31mred"}), "\x1b"));
  CHECK(holds(refused({"pause", "x", "--reason", "\xff"}), "is not UTF-8"));
}

TEST_CASE("arguments: help and version end well") {
  for (const std::vector<std::string>& typed :
       {std::vector<std::string>{"--help"}, {"failover", "--help"}, {"certs", "issue", "-h"}}) {
    auto read = read_arguments(typed);
    const auto* printed = std::get_if<Printed>(&read);
    REQUIRE(printed != nullptr);
    CHECK(printed->exit == 0);
    CHECK(holds(printed->text, "Usage: pointsman"));
  }
  auto read = read_arguments({"--version"});
  REQUIRE(std::get_if<Printed>(&read) != nullptr);
  CHECK(std::get<Printed>(read).text == "pointsman " PM_VERSION "\n");
}

}  // namespace
}  // namespace pointsman
