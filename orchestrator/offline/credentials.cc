#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>

#include "base/clock.h"
#include "base/secret_file.h"
#include "orchestrator/offline/reading.h"

namespace pointsman {
namespace {

constexpr std::size_t kTokenLeast = 16;

void read_tokens(ConfigTable web, WebSettings& settings) {
  ConfigTable tokens = web.table("tokens");
  for (const char* role : {"operator", "viewer"}) {
    if (!tokens.has(role)) continue;
    const std::string token = tokens.text(role);
    if (token.size() < kTokenLeast) {
      tokens.complain(role, fmt::format("a random token of at least {} characters", kTokenLeast),
                      "is too short");
    }
    settings.tokens[role] = token;
  }
  if (settings.tokens.size() == 2 && settings.tokens["operator"] == settings.tokens["viewer"]) {
    tokens.complain("viewer", "a token of its own", "is the operator's token too");
  }
  tokens.finish();
  web.finish();
}

void fill_from(ConfigTable root, MonitorReading& reading) {
  std::set<std::string> known{"web", "cluster", "heartbeat"};
  for (ProviderSettings& provider : reading.config.providers) {
    if (!known.insert(provider.name).second) continue;  // Refused: it is not the provider's own.
    ConfigTable section = root.table(provider.name);
    if (section.present()) provider.credentials = section.all_texts();
  }
  for (const NoticeSettings& notice : reading.config.notices) known.insert(notice.name);
  for (ServiceSettings& service : reading.config.services) {
    if (!service.keepalived || service.keepalived->credentials.empty()) continue;
    known.insert(service.keepalived->credentials);
    ConfigTable section = root.table(service.keepalived->credentials);
    if (section.present()) service.keepalived->auth_pass = read_auth_pass(section);
  }
  fill_notices(root, reading);
  root.table("cluster").all_texts();  // Of later work: known, and not looked into.
  ConfigTable web = root.table("web");
  WebSettings unused;
  read_tokens(web, reading.config.web ? *reading.config.web : unused);
  for (const std::string& name : root.subtable_names()) {
    if (known.count(name) != 0) continue;
    root.table(name);
    const std::string near = nearest_word(name, {known.begin(), known.end()});
    root.complain(name, "",
                  near.empty() ? "nothing in the configuration has this name"
                               : fmt::format("nothing in the configuration has this "
                                             "name; did you mean \"{}\"?",
                                             near));
  }
  root.finish();
}

// Mode 0600 or 0400 and ours, or laid by systemd into its own guarded folder.
Result<void> check_private(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    return {ErrorCode::kNotFound, fmt::format("{}: {}", path, std::strerror(errno))};
  }
  const char* given = std::getenv("CREDENTIALS_DIRECTORY");
  if (given != nullptr && *given != '\0' && path.rfind(std::string(given) + "/", 0) == 0) return {};
  if ((status.st_mode & 07177) != 0) {
    return {ErrorCode::kRefused,
            fmt::format("{} has mode {:04o}, so others may reach it; chmod 600 {}", path,
                        status.st_mode & 07777, path)};
  }
  if (geteuid() != 0 && status.st_uid != geteuid()) {
    return {ErrorCode::kRefused, fmt::format("{} belongs to user {}; chown {} {}", path,
                                             status.st_uid, geteuid(), path)};
  }
  return {};
}

// How slow the provider of a record may be, for whoever computes the worst case.
void note_times(std::vector<ServiceSettings>& services, const std::string& provider,
                const ProviderLimits& limits) {
  for (ServiceSettings& service : services) {
    for (const RecordSettings& record : service.records) {
      if (record.provider != provider) continue;
      service.reading = std::max(service.reading, limits.reading);
      service.change = std::max(service.change, limits.change);
    }
  }
}

// The makers know their keys; their errors name key, found and allowed, and no secret.
void try_providers(ConfigTable& root, MonitorReading& reading) {
  ConfigTable all = root.table("provider");
  for (const ProviderSettings& provider : reading.config.providers) {
    if (provider.type.empty()) continue;
    const auto made = make_provider(provider, system_clock());
    if (made) {
      note_times(reading.config.services, provider.name, (*made)->limits());
      continue;
    }
    std::string message = made.error().message;
    if (provider.credentials.empty()) {
      message += fmt::format(" (there is no section [{}] in {})", provider.name,
                             reading.config.credentials);
    }
    all.table(provider.name).complain("", "", message);
  }
}

}  // namespace

void read_credentials(ConfigTable& root, MonitorReading& reading,
                      std::vector<ConfigError>& errors) {
  MonitorConfig& config = reading.config;
  const std::string name = config.credentials;
  config.credentials = secret_path(config.file, name);
  if (!reading.with_credentials) return;
  ConfigTable monitor = root.table("monitor");
  // A file that nobody named need not be there: not every provider wants a secret.
  const bool there = access(config.credentials.c_str(), F_OK) == 0;
  if (there || monitor.has("credentials")) {
    const auto guarded = check_private(config.credentials);
    if (!guarded) {
      monitor.complain("credentials", "a file that only the daemon's user can read",
                       guarded.error().message);
      return;
    }
    const auto file = ConfigFile::load(config.credentials, errors, Secrecy::kSecret);
    if (!file) return;
    fill_from(file->root(), reading);
  }
  reading.credentials_known = true;
  if (config.web && config.web->tokens.empty()) {
    root.complain("web", "[web.tokens] with operator, viewer or both in the credentials file",
                  "nobody could log in");
  }
  try_providers(root, reading);
}

}  // namespace pointsman
