#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "orchestrator/cli/run.h"

namespace pointsman {
namespace {

constexpr const char* kProgram = "pointsman-sim";

// The simulator beside this program; "" when this program's own path is not known.
std::string beside_us() {
  std::string path(4096, '\0');
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return "";
  path.resize(static_cast<std::size_t>(length));
  return path.substr(0, path.rfind('/') + 1) + kProgram;
}

}  // namespace

int run_simulate(const Invocation& asked, const Terminal& terminal) {
  std::vector<std::string> words{kProgram, "what-if"};
  if (!asked.config.empty()) words.insert(words.end(), {"--config", asked.config});
  if (asked.json) words.emplace_back("--json");
  words.insert(words.end(), asked.question.begin(), asked.question.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  terminal.out << std::flush;
  if (const std::string beside = beside_us(); !beside.empty()) execv(beside.c_str(), argv.data());
  execvp(kProgram, argv.data());
  return tell({kExitFailed, "failed", "",
               fmt::format("{} cannot be started: {}", kProgram, std::strerror(errno)), ""},
              asked.json, terminal);
}

}  // namespace pointsman
