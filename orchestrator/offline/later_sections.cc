#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/address.h"
#include "orchestrator/offline/reading.h"

// Sections that later versions give effect. They are checked now, so that a mistake in them is not
// met on the night of an upgrade, and it is told that they do nothing yet.

namespace pointsman {
namespace {

constexpr const char* kNotYet = "not in effect in this version";

void expect_url(ConfigTable& table, std::string_view key, const std::string& text) {
  const auto url = url_parts_from(text);
  if (text.empty() || (url && (url->scheme == "http" || url->scheme == "https"))) return;
  table.complain(key, "an http or https URL");
}

bool is_clock_time(std::string_view text) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4)) {
    return false;
  }
  return text.substr(0, 2) <= "23" && text.substr(3, 2) <= "59";
}

void read_notice(ConfigTable table, MonitorReading& reading) {
  const std::vector<std::string> types{"email",  "sms",     "wecom",       "dingtalk",
                                       "feishu", "webhook", "alertmanager"};
  const std::string type = table.one_of("type", types, "");
  if (!table.has("type")) {
    table.complain("type", "email | sms | wecom | dingtalk | feishu | webhook | alertmanager",
                   "is missing");
  }
  const std::string name = table.required_text("name");
  expect_plain_name(table, "name", name);
  std::vector<std::string>& names = reading.notice_names;
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    table.complain("name", "a name of its own", "is the name of another [[notify]] too");
  }
  expect_own_section(table, "name", name, reading);
  names.push_back(name);
  const std::string server = table.text("server");
  if (type == "email" && !host_port_from(server)) {
    table.complain("server", "\"host:port\", as \"smtp.example.net:587\"",
                   server.empty() ? "is missing" : "");
  }
  for (const char* key : {"from", "min_level", "budget", "template", "sign_name"}) table.text(key);
  table.texts("to");
  table.one_of("language", {"en", "zh"}, "en");
  expect_url(table, "url", table.text("url"));
  expect_url(table, "endpoint", table.text("endpoint"));
  for (const std::string& service : table.texts("services")) {
    const auto& all = reading.config.services;
    if (std::none_of(all.begin(), all.end(), [&](const auto& s) { return s.name == service; })) {
      table.complain("services", "names of services",
                     fmt::format("there is no service \"{}\"", service));
    }
  }
  table.text("fallback");
  table.finish();
  reading.warn(table, "", fmt::format("{}: no notice is sent through it", kNotYet));
}

}  // namespace

void read_notices(ConfigTable& root, MonitorReading& reading) {
  std::vector<ConfigTable> notices = root.tables("notify");
  for (ConfigTable& notice : notices) read_notice(notice, reading);
  for (ConfigTable& notice : notices) {
    const std::string fallback = notice.text("fallback");
    const std::vector<std::string>& names = reading.notice_names;
    if (!fallback.empty() && std::find(names.begin(), names.end(), fallback) == names.end()) {
      notice.complain("fallback", "the name of another [[notify]]");
    }
  }
}

void read_cluster(ConfigTable table, MonitorReading& reading) {
  if (!table.present()) return;
  const std::vector<std::string> etcd = table.texts("etcd");
  for (const std::string& url : etcd) expect_url(table, "etcd", url);
  if (etcd.empty()) table.complain("etcd", "URLs, as [\"https://10.0.0.1:2379\"]", "is empty");
  pem_file(table, "ca", reading, false);
  pem_file(table, "cert", reading, false);
  pem_file(table, "key", reading, true);
  table.text("user");
  table.text("prefix");
  table.duration("ttl", 10s, 2s, 5min);
  table.finish();
  reading.warn(table, "",
               fmt::format("{}: this monitor decides alone; never run a second one for the same "
                           "services",
                           kNotYet));
}

void read_heartbeat(ConfigTable table, MonitorReading& reading) {
  if (!table.present()) return;
  expect_url(table, "url", table.required_text("url"));
  table.duration("every", 1min, 5s, 24h);
  table.finish();
  reading.warn(table, "", fmt::format("{}: nobody is told that we are alive", kNotYet));
}

void read_drill(ConfigTable table, MonitorReading& reading) {
  if (!table.present()) return;
  table.duration("every", 30 * 24h, 1h, 366 * 24h);
  const std::string window = table.text("window");
  const bool sound = window.size() == 11 && window[5] == '-' &&
                     is_clock_time(window.substr(0, 5)) && is_clock_time(window.substr(6));
  if (!window.empty() && !sound) table.complain("window", "\"HH:MM-HH:MM\", as \"03:00-04:00\"");
  table.boolean("live", false);
  table.texts("stop_if");
  table.finish();
  reading.warn(table, "", fmt::format("{}: no drill is started by itself", kNotYet));
}

}  // namespace pointsman
