#include <fmt/format.h>

#include <utility>

#include "orchestrator/offline/reading.h"

// Sections that later versions give effect. They are checked now, so that a mistake in them is not
// met on the night of an upgrade, and it is told that they do nothing yet.

namespace pointsman {
namespace {

constexpr const char* kNotYet = "not in effect in this version";

bool is_clock_time(std::string_view text) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4)) {
    return false;
  }
  return text.substr(0, 2) <= "23" && text.substr(3, 2) <= "59";
}

}  // namespace

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
