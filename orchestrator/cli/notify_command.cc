#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <ostream>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/config_reader.h"
#include "orchestrator/cli/run.h"
#include "orchestrator/offline/notice_preflight.h"

// `pointsman notify test`: through the files themselves, so that it works without a daemon, and
// before one is restarted with them.

namespace pointsman {
namespace {

constexpr const char* kDefaultConfig = "/etc/pointsman/pointsman.toml";
constexpr Duration kWithin = 15s;

std::vector<NoticeSettings> chosen(const MonitorConfig& config, const std::string& name) {
  std::vector<NoticeSettings> out;
  for (const NoticeSettings& notice : config.notices) {
    if (name.empty() || notice.name == name) out.push_back(notice);
  }
  return out;
}

Failure no_channel(const MonitorConfig& config, const std::string& name) {
  if (config.notices.empty()) {
    return {kExitUsage, "invalid", "", config.file + " has no [[notify]]: nobody would be told",
            "docs/notices.md"};
  }
  std::vector<std::string> names;
  for (const NoticeSettings& notice : config.notices) names.push_back(notice.name);
  const std::string near = nearest_word(name, names);
  return {kExitUsage, "not-found", "", fmt::format("there is no [[notify]] \"{}\"", name),
          near.empty() ? "there are: " + listed(names) : "did you mean " + near + "?"};
}

std::vector<NoticeTest> test_all(const MonitorConfig& config,
                                 const std::vector<NoticeSettings>& notices, bool dry_run) {
  std::vector<NoticeTest> tests;
  if (dry_run) {
    for (const NoticeSettings& notice : notices) {
      tests.push_back(render_test(config, notice, system_clock()));
    }
    return tests;
  }
  // Each waits for its own far side.
  std::vector<std::future<NoticeTest>> all;
  for (const NoticeSettings& notice : notices) {
    all.push_back(std::async(std::launch::async, [&config, &notice] {
      return test_channel(config, notice, system_clock(), kWithin);
    }));
  }
  for (auto& one : all) tests.push_back(one.get());
  return tests;
}

std::string shown_lines(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += "  " + shown(text.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return out;
}

Json tests_json(const std::vector<NoticeTest>& tests, bool dry_run) {
  Json list = Json::array();
  for (const NoticeTest& test : tests) {
    Json one = Json::object({{"channel", test.channel}, {"type", test.type}});
    if (!dry_run) one.set("delivered", test.delivered);
    one.set(dry_run ? "would_send" : "text", test.text);
    list.push(std::move(one));
  }
  return Json::object({{"tests", std::move(list)}});
}

std::string tests_text(const std::vector<NoticeTest>& tests, bool dry_run, const Paint& paint) {
  if (dry_run) {
    std::string text;
    for (const NoticeTest& test : tests) {
      text += paint(Tone::kStrong, fmt::format("{} ({}) would send:", test.channel, test.type)) +
              "\n" + shown_lines(test.text) + "\n";
    }
    return text;
  }
  std::vector<std::vector<Cell>> rows;
  for (const NoticeTest& test : tests) {
    rows.push_back({test.delivered ? Cell{"ok", Tone::kGood} : Cell{"FAILED", Tone::kBad},
                    {fmt::format("{} ({})", test.channel, test.type), Tone::kPlain},
                    {test.text, test.delivered ? Tone::kDim : Tone::kPlain}});
  }
  return laid_out(rows, paint, 0);
}

}  // namespace

int run_notify_test(const Invocation& asked, const Terminal& terminal) {
  const std::string path = asked.config.empty() ? kDefaultConfig : asked.config;
  const auto open = read_monitor_config(path, false);
  if (open.config && ::access(open.config->credentials.c_str(), R_OK) != 0 && errno == EACCES) {
    return tell({kExitFailed, "failed", "",
                 "notify test needs the credentials, and may not read " + open.config->credentials,
                 "run it as root"},
                asked.json, terminal);
  }
  const auto outcome = open.config ? read_monitor_config(path) : open;
  if (!outcome.config) {
    return tell({kExitUsage, "invalid", "", outcome.errors.front().text(),
                 "pointsman check --config " + path + " tells all of them"},
                asked.json, terminal);
  }
  const auto notices = chosen(*outcome.config, asked.site);
  if (notices.empty()) return tell(no_channel(*outcome.config, asked.site), asked.json, terminal);
  const auto tests = test_all(*outcome.config, notices, asked.dry_run);
  const bool fine =
      asked.dry_run || std::all_of(tests.begin(), tests.end(),
                                   [](const NoticeTest& test) { return test.delivered; });
  terminal.out << (asked.json ? tests_json(tests, asked.dry_run).dump() + "\n"
                              : tests_text(tests, asked.dry_run, Paint(terminal.colour)))
               << std::flush;
  return fine ? kExitDone : kExitFailed;
}

}  // namespace pointsman
