#include "orchestrator/offline/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/address.h"
#include "base/descriptor_limit.h"
#include "base/file.h"
#include "base/secret_file.h"
#include "orchestrator/offline/reading.h"

namespace pointsman {

void expect_plain_name(ConfigTable& table, std::string_view key, const std::string& name) {
  if (name.empty() || is_plain_name(name)) return;
  table.complain(key, "1 to 63 letters, digits, \"-\", \"_\", \".\", the first a letter or digit");
}

void expect_url(ConfigTable& table, std::string_view key, const std::string& text) {
  const auto url = url_parts_from(text);
  if (text.empty() || (url && (url->scheme == "http" || url->scheme == "https"))) return;
  table.complain(key, "an http or https URL");
}

bool expect_own_section(ConfigTable& table, std::string_view key, const std::string& name,
                        const MonitorReading& reading) {
  const auto& providers = reading.config.providers;
  const bool of_provider = std::any_of(providers.begin(), providers.end(),
                                       [&](const ProviderSettings& p) { return p.name == name; });
  const bool reserved = name == "web" || name == "cluster" || name == "heartbeat";
  if (!of_provider && !reserved) return true;
  table.complain(key, "a name that is neither web, cluster nor heartbeat, nor of a provider",
                 fmt::format("\"{}\" has its section of the credentials file for {}", name,
                             of_provider ? "a provider" : "itself"));
  return false;
}

std::string pem_file(ConfigTable& table, std::string_view key, const MonitorReading& reading,
                     bool is_secret) {
  const std::string name = table.text(key);
  if (name.empty()) return "";
  if (!is_secret) {
    const std::string path = beside(reading.config.file, name);
    const auto content = read_file(path);
    if (!content) table.complain(key, "a PEM file", content.error().message);
    return path;
  }
  if (reading.with_credentials) {
    const auto guarded = check_secret(reading.config.file, name);
    if (!guarded) {
      table.complain(key, "a PEM file that only the daemon can read", guarded.error().message);
    }
  }
  return secret_path(reading.config.file, name);
}

namespace {

void read_references(ConfigTable& table, MonitorReading& reading) {
  MonitorConfig& config = reading.config;
  config.references = table.texts("references");
  for (const std::string& reference : config.references) {
    const auto url = url_parts_from(reference);
    const bool tcp = url && url->scheme == "tcp" && url->port > 0 && url->path.empty();
    const bool http = url && (url->scheme == "http" || url->scheme == "https");
    if (!tcp && !http) {
      table.complain("references", "\"tcp://address:port\", or an http or https URL",
                     fmt::format("\"{}\" is neither", reference));
    }
  }
  if (config.references.empty()) {
    reading.warn(table, "references",
                 "no neutral place to ask: a monitor that is cut off notices it only when all "
                 "sites fail together; name two or more");
  }
}

void read_monitor(ConfigTable table, MonitorReading& reading) {
  MonitorConfig& config = reading.config;
  if (!table.present()) {
    table.complain("", "[monitor]", "the section is missing");
    return;
  }
  config.name = table.required_text("name");
  expect_plain_name(table, "name", config.name);
  config.state_dir = table.text("state_dir", config.state_dir);
  config.credentials = table.text("credentials", config.credentials);
  config.control = table.text("control", config.control);
  config.mode = table.one_of("mode", {"auto", "propose", "observe"}, "auto");
  config.language = table.one_of("language", {"en", "zh"}, "en");
  if (config.language != "en") {
    reading.warn(table, "language",
                 "in effect for notices alone in this version: other texts are in English");
  }
  config.link = table.text("link");
  expect_url(table, "link", config.link);
  read_references(table, reading);
  config.max_moves_at_once = static_cast<int>(table.number("max_moves_at_once", 3, 1, 1000));
  config.breaker_window = table.duration("breaker_window", 1min, 1s, 1h);
  table.finish();
}

void read_web(ConfigTable table, MonitorReading& reading) {
  if (!table.present()) return;
  WebSettings web;
  web.listen = table.required_text("listen");
  const auto place = host_port_from(web.listen);
  if (!web.listen.empty() && !place) {
    table.complain("listen", "\"address:port\", as \"127.0.0.1:8780\"");
  }
  web.cert = pem_file(table, "cert", reading, false);
  web.key = pem_file(table, "key", reading, true);
  if (web.cert.empty() != web.key.empty()) {
    table.complain(web.cert.empty() ? "cert" : "key", "cert and key, or neither", "is missing");
  }
  web.hosts = table.texts("hosts");
  const bool loopback = place && (place->host.rfind("127.", 0) == 0 || place->host == "::1" ||
                                  place->host == "localhost");
  if (place && !loopback && web.cert.empty()) {
    reading.warn(table, "listen",
                 "reachable from other hosts without TLS: tokens travel in the clear");
  }
  if (place && !loopback && web.hosts.empty()) {
    reading.warn(table, "hosts",
                 "is empty: only requests for localhost and the loopback addresses are answered");
  }
  table.finish();
  reading.config.web = std::move(web);
}

void read_tls(ConfigTable table, MonitorReading& reading) {
  if (!table.present()) return;
  TlsIdentity& tls = reading.config.tls;
  tls.ca_file = pem_file(table, "ca", reading, false);
  tls.cert_file = pem_file(table, "cert", reading, false);
  tls.key_file = pem_file(table, "key", reading, true);
  for (const char* key : {"ca", "cert", "key"}) {
    if (!table.has(key)) table.complain(key, "a file made by `pointsman certs`", "is missing");
  }
  table.finish();
}

void read_provider(ConfigTable table, const std::string& name, MonitorReading& reading) {
  ProviderSettings provider;
  provider.name = name;
  if (!is_plain_name(name))
    table.complain("", "a provider's name of letters, digits, \"-\", \"_\"");
  const bool own_section = expect_own_section(table, "", name, reading);
  const std::vector<std::string> types = provider_types();
  provider.type = table.one_of("type", types, "");
  if (!table.has("type")) {
    std::string all;
    for (const std::string& type : types) all += (all.empty() ? "" : " | ") + type;
    table.complain("type", all, "is missing");
  }
  const std::vector<std::string> authorities = table.texts("authorities");
  provider.lists = table.all_lists();
  provider.options = table.all_texts();
  if (!authorities.empty()) {
    provider.options["authorities"] = fmt::format("{}", fmt::join(authorities, ", "));
  }
  // Without credentials nothing more could be said of it.
  if (!own_section) provider.type.clear();
  reading.config.providers.push_back(std::move(provider));
}

void read_providers(ConfigTable table, MonitorReading& reading) {
  for (const std::string& name : table.subtable_names()) {
    read_provider(table.table(name), name, reading);
  }
  table.finish();
}

void check_across(ConfigTable& root, MonitorReading& reading) {
  const MonitorConfig& config = reading.config;
  if (!root.has("service")) {
    root.complain("service", "at least one [[service]]", "is missing");
  }
  const bool agents = std::any_of(config.services.begin(), config.services.end(),
                                  [](const ServiceSettings& s) { return s.has_agents(); });
  if (agents && !root.has("tls")) {
    root.complain("tls", "[tls] with ca, cert and key (made by `pointsman certs`)",
                  "is missing, but sites have agents");
  }
  if (const auto problem = capacity_problem(config, descriptor_limit().hard)) {
    reading.warn(root, "service", *problem);
  }
}

}  // namespace

ConfigOutcome<MonitorConfig> read_monitor_config(const std::string& path, bool with_credentials) {
  ConfigOutcome<MonitorConfig> outcome;
  const auto file = ConfigFile::load(path, outcome.errors);
  if (!file) return outcome;
  MonitorReading reading;
  reading.with_credentials = with_credentials;
  reading.errors = &outcome.errors;
  MonitorConfig& config = reading.config;
  config.file = path;
  ConfigTable root = file->root();
  ConfigTable monitor = root.table("monitor");
  read_monitor(monitor, reading);
  config.state_dir = beside(path, config.state_dir);
  config.control = beside(path, config.control);
  read_web(root.table("web"), reading);
  read_tls(root.table("tls"), reading);
  read_providers(root.table("provider"), reading);
  read_cluster(root.table("cluster"), reading);
  read_heartbeat(root.table("heartbeat"), reading);
  for (ConfigTable& service : root.tables("service")) read_service(service, reading);
  read_notices(root, reading);
  check_across(root, reading);
  root.finish();
  read_credentials(root, reading, outcome.errors);
  check_notices(root, reading);
  sort_errors(outcome.errors);
  outcome.warnings = std::move(reading.warnings);
  if (outcome.errors.empty()) outcome.config = std::move(reading.config);
  return outcome;
}

}  // namespace pointsman
