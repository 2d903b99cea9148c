#include <algorithm>
#include <cctype>
#include <ostream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "orchestrator/cli/init.h"
#include "orchestrator/cli/run.h"
#include "orchestrator/offline/first_write.h"

namespace pointsman {
namespace {

constexpr const char* kDefaultFolder = "/etc/pointsman";

// Only what has no usual answer makes it an interview.
bool must_ask(const InitAsked& asked) {
  FirstSetup setup;
  return answer_by_flags(asked, setup).exit != kExitDone;
}

bool confirmed(const std::string& folder, const Terminal& terminal) {
  terminal.out << "Write it to " << shown(folder) << "? [Y/n] " << std::flush;
  std::string answer;
  if (!std::getline(terminal.in, answer) || terminal.stop()) return false;
  return answer.empty() || answer == "y" || answer == "Y" || answer == "yes";
}

// `text` as one word of a shell.
std::string word(const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("/._-").find(c) != std::string_view::npos;
  });
  if (plain) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::vector<std::string> next_steps(const std::string& where, const FirstSetup& setup) {
  const std::string folder = word(where);
  std::vector<std::string> steps;
  if (setup.provider == "rfc2136" && !setup.secrets.contains("key")) {
    steps.push_back(
        fmt::format("at the DNS server, let the key of {}/tsig.key change {} "
                    "(docs/providers/rfc2136.md)",
                    folder, setup.record));
  }
  if (setup.mysql) {
    steps.push_back(
        fmt::format("at the site in power, make the accounts: mysql < accounts.sql, "
                    "from {}/agents",
                    folder));
  }
  if (setup.agents) {
    for (const FirstSite& site : setup.sites) {
      const std::string host =
          site.address.find(':') == std::string::npos ? site.address : "[" + site.address + "]";
      steps.push_back(fmt::format(
          "with pointsman-agent installed there: scp -p {}/agents/{}/* root@{}:/etc/pointsman/",
          folder, site.name, host));
      steps.push_back(fmt::format("ssh root@{} systemctl restart pointsman-agent", site.address));
    }
    steps.push_back(fmt::format("keep {}/certs/ca.key in a safe place", folder));
  }
  const std::string config =
      where == kDefaultFolder ? "" : fmt::format(" --config {}/pointsman.toml", folder);
  steps.push_back("pointsman check --online" + config + ", until nothing FAILED is left");
  steps.push_back(config.empty() ? std::string("systemctl restart pointsmand")
                                 : "pointsmand" + config);
  steps.push_back("pointsman status" + config);
  if (setup.mode != "auto") {
    steps.push_back(
        fmt::format("when you trust what you see: mode = \"auto\" in {}/pointsman.toml, "
                    "then systemctl reload pointsmand",
                    folder));
  }
  return steps;
}

Json texts_json(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push(text);
  return list;
}

int refuse(const InitFailed& failed, const Invocation& asked, const Terminal& terminal) {
  return tell(
      {failed.exit, failed.exit == kExitUsage ? "invalid" : "failed", "", failed.text, failed.hint},
      asked.json, terminal);
}

InitFailed answers(const InitAsked& asked, FirstSetup& setup, const Terminal& terminal) {
  const bool interview = terminal.in_is_terminal && asked.secrets != "-" && must_ask(asked);
  InitFailed failed =
      interview ? answer_by_asking(asked, setup, terminal) : answer_by_flags(asked, setup);
  if (failed.exit == kExitDone) failed = read_secrets(asked, setup, terminal);
  if (failed.exit == kExitDone) failed = ask_secrets(setup, terminal);
  return failed;
}

}  // namespace

int run_init(const Invocation& asked, const Terminal& terminal) {
  std::string folder = asked.dir.empty() ? kDefaultFolder : asked.dir;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  if (terminal.in_is_terminal && terminal.catch_signals != nullptr) terminal.catch_signals();
  const bool interview = terminal.in_is_terminal && must_ask(asked.init);
  FirstSetup setup;
  const InitFailed failed = answers(asked.init, setup, terminal);
  if (failed.exit != kExitDone) return refuse(failed, asked, terminal);
  if (interview && !confirmed(folder, terminal)) {
    return refuse({kExitFailed, "nothing was written", ""}, asked, terminal);
  }
  draw_secrets(setup);
  const auto written = write_first(folder, setup);
  if (!written) return refuse({kExitFailed, written.error().message, ""}, asked, terminal);
  if (!written->problems.empty()) {
    return refuse(
        {kExitUsage, fmt::format("nothing was written: {}", fmt::join(written->problems, "\n  ")),
         ""},
        asked, terminal);
  }
  const auto steps = next_steps(folder, setup);
  if (asked.json) {
    terminal.out << Json::object(
                        {{"written", texts_json(written->files)}, {"next", texts_json(steps)}})
                        .dump()
                 << "\n"
                 << std::flush;
    return kExitDone;
  }
  for (const std::string& file : written->files) terminal.out << "wrote " << shown(file) << "\n";
  Invocation check;
  check.command = "check";
  check.config = folder + "/pointsman.toml";
  check.online = !asked.init.offline;
  terminal.out << "\n" << std::flush;
  // What is not there yet shows up here as FAILED; it is what the next steps are for.
  run_check(check, terminal);
  terminal.out << "\nNext:\n";
  for (std::size_t k = 0; k < steps.size(); ++k) {
    terminal.out << fmt::format("  {}. {}\n", k + 1, shown(steps[k]));
  }
  terminal.out << std::flush;
  return kExitDone;
}

}  // namespace pointsman
