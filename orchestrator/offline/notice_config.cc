#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/address.h"
#include "orchestrator/notify/channel.h"
#include "orchestrator/offline/reading.h"

// [[notify]] and [heartbeat]. What a type has of its own is told by its kind.

namespace pointsman {
namespace {

std::vector<std::string> type_names() {
  std::vector<std::string> names;
  for (const ChannelKind& kind : channel_kinds()) names.push_back(kind.type);
  return names;
}

bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host == "::1" || host == "localhost";
}

void read_own_key(ConfigTable& table, const ChannelKey& key, NoticeSettings& notice,
                  MonitorReading& reading) {
  if (key.required && !table.has(key.name)) {
    table.complain(key.name, key.allowed, "is missing");
    return;
  }
  switch (key.kind) {
    case ChannelKey::Kind::kTexts:
      notice.lists[key.name] = table.texts(key.name);
      if (key.required && notice.lists[key.name].empty()) {
        table.complain(key.name, key.allowed, "is empty");
      }
      return;
    case ChannelKey::Kind::kFile:
      notice.options[key.name] = pem_file(table, key.name, reading, false);
      return;
    case ChannelKey::Kind::kUrl:
      notice.options[key.name] = table.text(key.name, key.usual);
      expect_url(table, key.name, notice.options[key.name]);
      break;
    case ChannelKey::Kind::kText: notice.options[key.name] = table.text(key.name, key.usual); break;
  }
  if (key.required && notice.options[key.name].empty()) {
    table.complain(key.name, key.allowed, "is empty");
  }
}

void read_level(ConfigTable& table, NoticeSettings& notice) {
  const ChannelKind* kind = channel_kind(notice.type);
  const std::string level = table.one_of("min_level", {"note", "warning", "urgent", "none"},
                                         kind == nullptr ? "note" : to_string(kind->least));
  notice.only_fallback = level == "none";
  notice.least = level == "urgent"    ? Urgency::kUrgent
                 : level == "warning" ? Urgency::kWarning
                                      : Urgency::kNote;
}

void read_budget(ConfigTable& table, const ChannelKind& kind, NoticeSettings& notice) {
  notice.budget = kind.usual;
  if (!table.has("budget")) return;
  const auto budget = budget_from(table.text("budget"));
  if (!budget) {
    table.complain("budget", fmt::format("messages in a time, as \"{}\"", budget_text(kind.usual)));
  } else if (!is_within(*budget, kind.most)) {
    table.complain("budget", fmt::format("at most {}", budget_text(kind.most)),
                   "is more than the far side bears");
  } else {
    notice.budget = *budget;
  }
}

void read_services(ConfigTable& table, NoticeSettings& notice, const MonitorReading& reading) {
  notice.services = table.texts("services");
  for (const std::string& service : notice.services) {
    const auto& all = reading.config.services;
    if (std::none_of(all.begin(), all.end(), [&](const auto& s) { return s.name == service; })) {
      table.complain("services", "names of services",
                     fmt::format("there is no service \"{}\"", service));
    }
  }
}

void read_notice(ConfigTable table, MonitorReading& reading) {
  NoticeSettings notice;
  const std::vector<std::string> types = type_names();
  notice.type = table.one_of("type", types, "");
  if (!table.has("type")) {
    table.complain("type", fmt::format("{}", fmt::join(types, " | ")), "is missing");
  }
  notice.name = table.required_text("name");
  expect_plain_name(table, "name", notice.name);
  const auto& others = reading.config.notices;
  if (std::any_of(others.begin(), others.end(),
                  [&](const NoticeSettings& other) { return other.name == notice.name; })) {
    table.complain("name", "a name of its own", "is the name of another [[notify]] too");
  }
  expect_own_section(table, "name", notice.name, reading);
  read_level(table, notice);
  read_services(table, notice, reading);
  notice.language = table.one_of("language", {"en", "zh"}, reading.config.language);
  notice.fallback = table.text("fallback");
  notice.self_test = table.duration("self_test", 7 * 24h, 1h, 366 * 24h);
  if (const ChannelKind* kind = channel_kind(notice.type)) {
    read_budget(table, *kind, notice);
    for (const ChannelKey& key : kind->keys) read_own_key(table, key, notice, reading);
  } else {
    // Without a type nothing can be said of the rest.
    table.text("budget");
    table.all_lists();
    table.all_texts();
  }
  table.finish();
  reading.config.notices.push_back(std::move(notice));
}

// The names through which `from` falls back, itself first; ends before one comes twice.
std::vector<std::string> chain_of(const std::vector<NoticeSettings>& all,
                                  const NoticeSettings& from) {
  std::vector<std::string> chain;
  const NoticeSettings* at = &from;
  while (at != nullptr && std::find(chain.begin(), chain.end(), at->name) == chain.end()) {
    chain.push_back(at->name);
    const std::string& next = at->fallback;
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const NoticeSettings& n) { return n.name == next; });
    at = next.empty() || found == all.end() ? nullptr : &*found;
  }
  if (at != nullptr) chain.push_back(at->name);  // Round again.
  return chain;
}

void check_fallbacks(std::vector<ConfigTable>& tables, const std::vector<NoticeSettings>& all) {
  for (std::size_t k = 0; k < all.size(); ++k) {
    const NoticeSettings& notice = all[k];
    const auto names = [&](const NoticeSettings& other) { return other.name == notice.fallback; };
    if (!notice.fallback.empty() && std::none_of(all.begin(), all.end(), names)) {
      tables[k].complain("fallback", "the name of another [[notify]]");
      continue;
    }
    const std::vector<std::string> chain = chain_of(all, notice);
    if (chain.size() > 1 && chain.back() == notice.name) {
      tables[k].complain("fallback", "a channel that does not fall back to this one",
                         fmt::format("{} is a circle", fmt::join(chain, " -> ")));
    }
    const bool is_named = std::any_of(all.begin(), all.end(), [&](const NoticeSettings& other) {
      return other.fallback == notice.name;
    });
    if (notice.only_fallback && !is_named) {
      tables[k].complain("min_level", "note | warning | urgent",
                         "\"none\" is for a channel that is the fallback of another");
    }
  }
}

// Of one channel, once its credentials are known.
void check_notice(ConfigTable& table, const NoticeSettings& notice, MonitorReading& reading) {
  const ChannelKind* kind = channel_kind(notice.type);
  if (kind == nullptr) return;
  const std::string section =
      fmt::format("section [{}] of {}", notice.name, reading.config.credentials);
  if (reading.credentials_known) {
    for (const ChannelKey& key : kind->credentials) {
      if (!key.required || !notice.credential(key.name).empty()) continue;
      table.complain("", fmt::format("{} in {}: {}", key.name, section, key.allowed),
                     fmt::format("its {} is missing", key.name));
    }
  }
  for (const ChannelComplaint& one : kind->check(notice)) {
    if (!one.of_credentials) {
      table.complain(one.key, one.allowed, one.message);
    } else if (reading.credentials_known) {
      table.complain("", fmt::format("{} in {}: {}", one.key, section, one.allowed),
                     fmt::format("its {} {}", one.key,
                                 one.message.empty() ? "is something else" : one.message));
    }
  }
  for (const char* key : {"url", "endpoint"}) {
    const std::string text =
        notice.option(key).empty() ? notice.credential(key) : notice.option(key);
    const auto url = url_parts_from(text);
    if (url && url->scheme == "http" && !is_loopback(url->host) && !notice.credentials.empty()) {
      reading.warn(table, table.has(key) ? key : "name", "http: its secrets travel in the clear");
    }
  }
}

}  // namespace

void read_notices(ConfigTable& root, MonitorReading& reading) {
  std::vector<ConfigTable> tables = root.tables("notify");
  for (ConfigTable& table : tables) read_notice(table, reading);
  check_fallbacks(tables, reading.config.notices);
}

void read_heartbeat(ConfigTable table, MonitorReading& reading) {
  if (!table.present()) return;
  HeartbeatSettings heartbeat;
  heartbeat.url = table.text("url");
  expect_url(table, "url", heartbeat.url);
  heartbeat.every = table.duration("every", 1min, 5s, 24h);
  table.finish();
  reading.config.heartbeat = std::move(heartbeat);
}

void fill_notices(ConfigTable& credentials, MonitorReading& reading) {
  for (NoticeSettings& notice : reading.config.notices) {
    ConfigTable section = credentials.table(notice.name);
    if (!section.present()) continue;
    const ChannelKind* kind = channel_kind(notice.type);
    if (kind == nullptr) {
      section.all_texts();
      continue;
    }
    for (const ChannelKey& key : kind->credentials) {
      const std::string value = section.text(key.name);
      if (value.empty()) continue;
      notice.credentials[key.name] = value;
      if (key.kind == ChannelKey::Kind::kUrl) {
        expect_url(section, key.name, notice.credentials[key.name]);
      }
    }
    section.finish();
  }
  ConfigTable section = credentials.table("heartbeat");
  if (!section.present()) return;
  const std::string url = section.text("url");
  expect_url(section, "url", url);
  section.finish();
  auto& heartbeat = reading.config.heartbeat;
  if (!heartbeat) return;
  if (!heartbeat->url.empty() && !url.empty()) {
    section.complain("url", "url here or in [heartbeat] of the configuration", "is there too");
  }
  if (heartbeat->url.empty()) heartbeat->url = url;
}

void check_notices(ConfigTable& root, MonitorReading& reading) {
  std::vector<ConfigTable> tables = root.tables("notify");
  for (std::size_t k = 0; k < tables.size(); ++k) {
    check_notice(tables[k], reading.config.notices.at(k), reading);
  }
  ConfigTable heartbeat = root.table("heartbeat");
  if (reading.config.heartbeat && reading.config.heartbeat->url.empty() &&
      reading.credentials_known) {
    heartbeat.complain("url",
                       "an http or https URL, here or in [heartbeat] of the credentials file",
                       "is missing");
  }
}

}  // namespace pointsman
