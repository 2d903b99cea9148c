#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/config_reader.h"
#include "base/file.h"
#include "base/text.h"
#include "base/utf8.h"
#include "orchestrator/cli/init.h"

namespace pointsman {
namespace {

constexpr int kTries = 5;
constexpr std::size_t kAnswerMost = 4096;
constexpr std::size_t kSecretsMost = 64 << 10;

std::string joined(const std::vector<std::string>& values) {
  return fmt::format("{}", fmt::join(values, ","));
}

// What a flag gave; nullptr when it was not given.
const std::vector<std::string>* given(const InitAsked& asked, const InitQuestion& question) {
  const auto found = asked.given.find(question.flag);
  return found == asked.given.end() || found->second.empty() ? nullptr : &found->second;
}

std::string wrong(const InitQuestion& question, const std::string& answer,
                  const std::string& wanted) {
  return fmt::format("--{}: found \"{}\", allowed: {}", question.flag, shown(answer), wanted);
}

// One line, without what must not be in it; false at the end of input or at a signal.
bool read_line(const Terminal& terminal, std::string& line) {
  if (!std::getline(terminal.in, line) || terminal.stop()) return false;
  line = std::string(trimmed(line));
  return true;
}

// Typed characters are not shown while this lives.
class Hidden {
 public:
  explicit Hidden(const Terminal& terminal) {
    if (!terminal.in_is_terminal || tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    hidden_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  Hidden(const Hidden&) = delete;
  Hidden& operator=(const Hidden&) = delete;
  ~Hidden() {
    if (hidden_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }

 private:
  termios before_{};
  bool hidden_ = false;
};

const InitFailed kEnded{kExitFailed, "not finished; nothing was written", ""};

InitFailed ask(const InitQuestion& question, FirstSetup& setup, const Terminal& terminal) {
  const std::string usual = question.usual(setup);
  for (int k = 0; k < kTries; ++k) {
    terminal.out << question.prompt << (usual.empty() ? "" : " [" + usual + "]") << ": "
                 << std::flush;
    std::string answer;
    if (!read_line(terminal, answer)) return kEnded;
    if (answer.empty()) answer = usual;
    if (answer.empty() && !question.optional) {
      terminal.out << "  an answer is needed\n";
      continue;
    }
    if (answer.size() > kAnswerMost) return kEnded;
    const std::string wanted = question.take(setup, answer);
    if (wanted.empty()) return {};
    terminal.out << "  allowed: " << wanted << "\n";
  }
  return {kExitFailed, "given up after five answers; nothing was written", ""};
}

bool good_secret(std::string_view text) {
  return !text.empty() && text.size() <= kAnswerMost &&
         std::none_of(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte < 0x20 || byte == 0x7f;
         });
}

}  // namespace

InitFailed answer_by_flags(const InitAsked& asked, FirstSetup& setup) {
  setup.agents = !asked.no_agents;
  std::vector<std::string> problems;
  std::vector<std::string> missing;
  for (const InitQuestion& question : init_questions()) {
    const auto* values = given(asked, question);
    if (!question.due(setup)) {
      if (values != nullptr) {
        problems.push_back(fmt::format("--{} does not go with the other flags", question.flag));
      }
      continue;
    }
    const std::string answer = values != nullptr ? joined(*values) : question.usual(setup);
    if (answer.empty() && question.optional) continue;
    if (answer.empty()) {
      missing.push_back(fmt::format("--{} {}", question.flag, question.type));
      continue;
    }
    const std::string wanted = question.take(setup, answer);
    if (!wanted.empty()) problems.push_back(wrong(question, answer, wanted));
  }
  if (!missing.empty()) {
    problems.insert(problems.begin(),
                    fmt::format("without a terminal it needs: {}", fmt::join(missing, ", ")));
  }
  if (problems.empty()) return {};
  return {kExitUsage, fmt::format("{}", fmt::join(problems, "\n  ")), ""};
}

InitFailed answer_by_asking(const InitAsked& asked, FirstSetup& setup, const Terminal& terminal) {
  setup.agents = !asked.no_agents;
  for (const InitQuestion& question : init_questions()) {
    const auto* values = given(asked, question);
    if (!question.due(setup)) {
      if (values == nullptr) continue;
      return {kExitUsage, fmt::format("--{} does not go with the other answers", question.flag),
              ""};
    }
    if (values == nullptr) {
      const InitFailed failed = ask(question, setup, terminal);
      if (failed.exit != kExitDone) return failed;
      continue;
    }
    const std::string wanted = question.take(setup, joined(*values));
    if (!wanted.empty()) return {kExitUsage, wrong(question, joined(*values), wanted), ""};
  }
  return {};
}

InitFailed read_secrets(const InitAsked& asked, FirstSetup& setup, const Terminal& terminal) {
  if (asked.secrets.empty()) return {};
  const bool piped = asked.secrets == "-";
  const std::string name = piped ? "standard input" : asked.secrets;
  std::vector<ConfigError> errors;
  std::string text;
  if (piped) {
    text.resize(kSecretsMost + 1);
    terminal.in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(terminal.in.gcount()));
    if (text.size() > kSecretsMost) {
      return {kExitUsage, fmt::format("{}: more than {} bytes", name, kSecretsMost), ""};
    }
  } else {
    if (const auto guarded = check_secret_file(asked.secrets); !guarded) {
      return {kExitUsage, guarded.error().message, ""};
    }
    auto content = read_file(asked.secrets);
    if (!content) return {kExitUsage, content.error().message, ""};
    text = *std::move(content);
  }
  const auto file = ConfigFile::parse(name, text, errors, Secrecy::kSecret);
  std::map<std::string, std::string> found;
  if (file) {
    ConfigTable root = file->root();
    const auto known = known_secrets(setup);
    for (const std::string& one : known) {
      const std::string value = root.text(one);
      if (root.has(one)) found[one] = value;
    }
    for (const auto& [one, value] : found) {
      if (!good_secret(value)) root.complain(one, "a text on one line, not empty");
    }
    root.finish();
  }
  if (!errors.empty()) return {kExitUsage, errors.front().text(), ""};
  setup.secrets.merge(found);
  return {};
}

InitFailed ask_secrets(FirstSetup& setup, const Terminal& terminal) {
  std::vector<std::string> wanted = needed_secrets(setup);
  if (terminal.in_is_terminal && setup.redis) wanted.emplace_back("redis_password");
  for (const std::string& name : wanted) {
    if (setup.secrets.contains(name)) continue;
    const bool optional = name == "redis_password";
    if (!terminal.in_is_terminal) {
      return {kExitUsage,
              fmt::format("the secrets of {} are needed: {}", setup.provider,
                          fmt::join(needed_secrets(setup), ", ")),
              "give them by --secrets FILE or --secrets -, a line each: name = \"text\""};
    }
    terminal.out << name << " (not shown" << (optional ? "; empty: none" : "")
                 << "): " << std::flush;
    std::string typed;
    bool read = false;
    {
      const Hidden hidden(terminal);
      read = read_line(terminal, typed);
    }
    terminal.out << "\n";
    if (!read) return kEnded;
    if (typed.empty() && optional) continue;
    if (!good_secret(typed)) return {kExitUsage, name + ": a text on one line, not empty", ""};
    setup.secrets[name] = typed;
  }
  return {};
}

}  // namespace pointsman
