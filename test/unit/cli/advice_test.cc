// Every command that a message or a page advises is one that the command line takes.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "orchestrator/cli/invocation.h"

using namespace pointsman;

namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The text as its reader sees it: literals that belong together are joined, what is filled in at
// run time becomes a word.
std::string as_read(std::string text) {
  text = std::regex_replace(text, std::regex("\"\\s*\n\\s*(//[^\n]*\n\\s*)?\""), "");
  text = std::regex_replace(text, std::regex("\" \\+\\s*[\\w.()>:-]+\\s*\\+\\s*\""), "WORD");
  return std::regex_replace(text, std::regex("\\{[^{}`\n]*\\}"), "WORD");
}

std::vector<std::string> words_of(const std::string& command) {
  std::istringstream in(command);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::vector<std::string> commands_in(const std::string& text) {
  static const std::regex kCommand("`pointsman ([^`]*)`");
  std::vector<std::string> commands;
  for (std::sregex_iterator at(text.begin(), text.end(), kCommand), end; at != end; ++at) {
    std::string rest = (*at)[1].str();
    for (auto both = rest.find("&& pointsman"); both != std::string::npos;
         both = rest.find("&& pointsman")) {
      commands.push_back(rest.substr(0, both));
      rest = rest.substr(both + std::string("&& pointsman").size());
    }
    commands.push_back(rest);
  }
  return commands;
}

// "" when it can be typed so, or only names a command.
std::string problem_of(const std::string& command) {
  std::vector<std::string> words = words_of(command);
  const bool in_two = words.front() == "certs" || words.front() == "render";
  const bool names_only = words.size() == 1 || (words.size() == 2 && in_two);
  if (names_only) words.emplace_back("--help");
  const auto read = read_arguments(words);
  const auto* printed = std::get_if<Printed>(&read);
  return printed != nullptr && printed->exit != 0 ? printed->text : "";
}

}  // namespace

TEST_CASE("what is advised can be typed") {
  const std::filesystem::path root = std::filesystem::path(PM_TEST_DATA) / ".." / "..";
  std::set<std::string> advised;
  for (const char* folder : {"agent", "base", "docs", "etc", "orchestrator", "packaging", "probes",
                             "providers", "README.md", "README.zh-CN.md"}) {
    std::vector<std::filesystem::path> files{root / folder};
    if (std::filesystem::is_directory(root / folder)) {
      files.clear();
      for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    }
    for (const auto& file : files) {
      for (const std::string& command : commands_in(as_read(text_of(file)))) {
        advised.insert(command);
        const std::string problem = problem_of(command);
        CHECK_MESSAGE(problem.empty(), file.string()
                                           << ": pointsman " << command << ": " << problem);
      }
    }
  }
  CHECK_GE(advised.size(), 15U);
}

TEST_CASE("a wrong option in advice is found") {
  const auto commands =
      commands_in(as_read("say(\"`pointsman certs issue NAME \"\n    \"--force` renews it\");"));
  REQUIRE_EQ(commands.size(), 1U);
  CHECK_NE(problem_of(commands[0]), "");
  CHECK_EQ(problem_of("certs issue NAME --renew"), "");
  CHECK_EQ(commands_in(as_read("\"`pointsman adopt \" + policy.name + \" --primary SITE`\"")),
           std::vector<std::string>{"adopt WORD --primary SITE"});
}
