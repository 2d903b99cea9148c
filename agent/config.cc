#include "agent/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/address.h"
#include "base/certificate.h"
#include "base/file.h"
#include "base/secret_file.h"

namespace pointsman {
namespace {

constexpr const char* kHostPort =
    "\"address:port\", as \"192.0.2.10:3306\" or \"[2001:db8::1]:3306\"";
constexpr const char* kPlainName =
    "1 to 63 letters, digits, \"-\", \"_\", \".\", the first a letter or digit";

// One pass over the file; what every part needs.
struct Reading {
  AgentConfig config;
  std::vector<std::string> warnings;
  std::map<std::string, std::string> owners;  // What only one service may have -> its owner.

  void claim(ConfigTable& table, std::string_view key, const std::string& thing,
             const std::string& service) {
    const auto [at, fresh] = owners.emplace(thing, service);
    if (fresh || at->second == service) return;
    table.complain(key, "each store, port and unit belongs to one service",
                   fmt::format("{} belongs to service \"{}\" already; make them one service with "
                               "several records",
                               thing, at->second));
  }
};

std::string place_of_text(ConfigTable& table, std::string_view key, std::string value,
                          bool port_zero) {
  if (value.empty()) return value;
  const auto place = host_port_from(value);
  if (!place || (place->port == 0 && !port_zero)) table.complain(key, kHostPort);
  return value;
}

std::string secret_of(ConfigTable& table, std::string_view key, const std::string& file,
                      const std::string& name) {
  if (name.empty()) return "";
  auto secret = read_secret(file, name);
  if (secret) return *std::move(secret);
  table.complain(key, "a file that holds the password alone", secret.error().message);
  return "";
}

// The path of a certificate file, which must be there.
std::string pem_of(ConfigTable& table, std::string_view key, const std::string& file,
                   bool is_secret) {
  const std::string name = table.required_text(key);
  if (name.empty()) return "";
  if (is_secret) {
    const auto guarded = check_secret(file, name);
    if (!guarded) table.complain(key, "a PEM file that only we can read", guarded.error().message);
    return secret_path(file, name);
  }
  std::string path = beside(file, name);
  const auto content = read_file(path);
  if (!content) table.complain(key, "a PEM file", content.error().message);
  return path;
}

// An argument list whose program has an absolute path: nothing is searched for, no shell.
std::vector<std::string> argv_of(ConfigTable& table, std::string_view key) {
  std::vector<std::string> argv = table.texts(key);
  if (table.has(key) && (argv.empty() || argv.front().empty() || argv.front().front() != '/')) {
    table.complain(key, "a list that begins with a program's absolute path",
                   "programs are run without a shell and without searching");
  }
  return argv;
}

MysqlSettings read_mysql(ConfigTable table, const std::string& service, Reading& reading) {
  const std::string& file = reading.config.file;
  MysqlSettings mysql;
  mysql.socket = table.text("socket");
  mysql.host = table.text("host");
  if (!mysql.socket.empty()) mysql.socket = beside(file, mysql.socket);
  mysql.port = static_cast<int>(table.number("port", 3306, 1, 65535));
  mysql.user = table.required_text("user");
  mysql.password_file = table.text("password_file");
  mysql.password = secret_of(table, "password_file", file, mysql.password_file);
  mysql.replication_user = table.text("replication_user");
  mysql.replication_password_file = table.text("replication_password_file");
  mysql.replication_password =
      secret_of(table, "replication_password_file", file, mysql.replication_password_file);
  mysql.seed_user = table.text("seed_user");
  mysql.seed_password_file = table.text("seed_password_file");
  mysql.seed_password = secret_of(table, "seed_password_file", file, mysql.seed_password_file);
  if (mysql.seed_user.empty() && !mysql.seed_password_file.empty()) {
    table.complain("seed_user", "the account that seed_password_file is of", "is missing");
  }
  mysql.advertise = place_of_text(table, "advertise", table.text("advertise"), false);
  if (mysql.socket.empty() == mysql.host.empty()) {
    table.complain("socket", "either socket, or host and port", "exactly one of them");
  } else if (!mysql.host.empty() && !is_ip(mysql.host) && !is_host_name(mysql.host)) {
    table.complain("host", "an address or host name");
  }
  if (mysql.replication_user.empty() != mysql.advertise.empty()) {
    table.complain(mysql.advertise.empty() ? "advertise" : "replication_user",
                   "replication_user and advertise, or neither",
                   "the peer needs both to follow this store");
  } else if (mysql.advertise.empty()) {
    reading.warnings.push_back(table.where("advertise") +
                               ": without advertise and replication_user the peer cannot be made "
                               "to follow this store; rejoin is then done by hand");
  }
  reading.claim(table, mysql.socket.empty() ? "host" : "socket",
                mysql.socket.empty() ? fmt::format("mysql at {}:{}", mysql.host, mysql.port)
                                     : "mysql at " + mysql.socket,
                service);
  table.finish();
  return mysql;
}

RedisSettings read_redis(ConfigTable table, const std::string& service, Reading& reading) {
  RedisSettings redis;
  redis.address = place_of_text(table, "address", table.required_text("address"), false);
  redis.password_file = table.text("password_file");
  redis.password = secret_of(table, "password_file", reading.config.file, redis.password_file);
  redis.advertise = place_of_text(table, "advertise", table.text("advertise"), false);
  if (redis.advertise.empty()) {
    reading.warnings.push_back(table.where("advertise") +
                               ": without it the peer cannot be made to follow this store; rejoin "
                               "is then done by hand");
  }
  reading.claim(table, "address", "redis at " + redis.address, service);
  table.finish();
  return redis;
}

DeadmanSettings read_deadman(ConfigTable table, const std::string& service, Reading& reading) {
  DeadmanSettings deadman;
  for (const std::int64_t port : table.numbers("ports", 1, 65535)) {
    deadman.ports.push_back(static_cast<int>(port));
    reading.claim(table, "ports", fmt::format("port {}", port), service);
  }
  if (deadman.ports.empty()) {
    table.complain("ports", "the ports that clients and stores use, as [80, 443, 3306]",
                   "names no port, so it would close nothing");
  }
  std::vector<int> sorted = deadman.ports;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    table.complain("ports", "each port once");
  }
  const int own = host_port_from(reading.config.listen).value_or(HostPort{}).port;
  if (std::count(deadman.ports.begin(), deadman.ports.end(), own) != 0) {
    table.complain("ports", "ports of the service only",
                   fmt::format("{} is the agent's own port: a fence would cut it off", own));
  }
  deadman.allow = table.texts("allow");
  for (const std::string& address : deadman.allow) {
    if (!is_ip(address)) {
      table.complain("allow", "addresses of the peer, as [\"198.51.100.20\"]",
                     fmt::format("\"{}\" is no address", address));
    }
  }
  table.finish();
  return deadman;
}

UnitSettings read_unit(ConfigTable table, const std::string& service, Reading& reading) {
  UnitSettings unit;
  unit.name = table.required_text("name");
  unit.only_primary = table.one_of("run", {"primary", "always"}, "primary") == "primary";
  unit.start = argv_of(table, "start");
  unit.stop = argv_of(table, "stop");
  unit.status = argv_of(table, "status");
  unit.timeout = table.duration("timeout", 10s, 100ms, 5min);
  const bool any = table.has("start") || table.has("stop") || table.has("status");
  const bool all = table.has("start") && table.has("stop") && table.has("status");
  if (unit.only_primary && any && !all) {
    table.complain("name", "start, stop and status together, or none of them (systemd)",
                   "lists only some of its three programs");
  } else if (!unit.only_primary && any && !table.has("status")) {
    table.complain("status", "a list that begins with a program's absolute path", "is missing");
  }
  if (unit.only_primary) reading.claim(table, "name", "unit " + unit.name, service);
  table.finish();
  return unit;
}

HookSettings read_hook(ConfigTable table) {
  HookSettings hook;
  hook.on = table.one_of("on", {"fenced", "promoted", "following"}, "");
  if (!table.has("on")) table.complain("on", "fenced | promoted | following", "is missing");
  hook.argv = argv_of(table, "argv");
  if (!table.has("argv")) {
    table.complain("argv", "a list that begins with a program's absolute path", "is missing");
  }
  hook.timeout = table.duration("timeout", 10s, 100ms, 5min);
  table.finish();
  return hook;
}

// Parsed, so that a file written for a later version loads; told, so that nobody relies on it.
void read_object_store(ConfigTable table, Reading& reading) {
  if (!table.present()) return;
  table.one_of("dialect", {"minio", "s3"}, "minio");
  const std::string url = table.required_text("url");
  if (!url.empty() && !url_parts_from(url)) table.complain("url", "an http or https URL");
  table.text("mirror_unit");
  reading.warnings.push_back(table.where("") +
                             ": not in effect in this version: the object store is neither "
                             "reported on nor fenced");
  table.finish();
}

// What the settings of one service cost, said plainly.
void warn_of_gaps(ConfigTable& table, const AgentServiceSettings& service, Reading& reading) {
  const bool stores = service.mysql || service.redis;
  if (!stores) return;
  if (!service.deadman) {
    reading.warnings.push_back(
        table.where("deadman") +
        ": without a dead-man switch a killed or frozen agent leaves the stores writable until it "
        "comes back; the other site then waits 9.5 s instead of 4.5 s, and two writers are "
        "possible "
        "when this agent is frozen for longer");
    return;
  }
  std::vector<std::string> places;
  if (service.mysql) places.push_back(service.mysql->advertise);
  if (service.redis) places.push_back(service.redis->address);
  if (service.redis) places.push_back(service.redis->advertise);
  for (const std::string& place : places) {
    const int port = host_port_from(place).value_or(HostPort{}).port;
    const std::vector<int>& ports = service.deadman->ports;
    if (port == 0 || std::find(ports.begin(), ports.end(), port) != ports.end()) continue;
    reading.warnings.push_back(fmt::format(
        "{}: port {} of a store ({}) is not listed, so the dead-man switch does not close it",
        table.where("deadman"), port, place));
  }
  if (service.deadman->allow.empty()) {
    reading.warnings.push_back(table.where("deadman") +
                               ": allow names no peer, so the peer cannot replicate from this site "
                               "while it is fenced or standby");
  }
}

void read_service(ConfigTable table, Reading& reading) {
  AgentServiceSettings service;
  service.name = table.required_text("name");
  if (!service.name.empty() && !is_plain_name(service.name)) table.complain("name", kPlainName);
  for (const AgentServiceSettings& other : reading.config.services) {
    if (other.name == service.name) table.complain("name", "each service once");
  }
  service.peer = table.required_text("peer");
  const auto url = url_parts_from(service.peer);
  if (!service.peer.empty() && (!url || url->scheme != "https" || !url->path.empty())) {
    table.complain("peer", "the other site's agent, as \"https://198.51.100.20:7443\"");
  }
  ConfigTable mysql = table.table("mysql");
  if (mysql.present()) service.mysql = read_mysql(mysql, service.name, reading);
  ConfigTable redis = table.table("redis");
  if (redis.present()) service.redis = read_redis(redis, service.name, reading);
  ConfigTable deadman = table.table("deadman");
  if (deadman.present()) service.deadman = read_deadman(deadman, service.name, reading);
  read_object_store(table.table("object_store"), reading);
  for (ConfigTable& unit : table.tables("unit")) {
    service.units.push_back(read_unit(unit, service.name, reading));
  }
  for (ConfigTable& hook : table.tables("hook")) service.hooks.push_back(read_hook(hook));
  warn_of_gaps(table, service, reading);
  table.finish();
  reading.config.services.push_back(std::move(service));
}

// Peers and monitors know this agent by its certificate alone: under another name than `site` they
// would refuse it, each in words of its own.
void check_identity(ConfigTable agent, ConfigTable& tls, const AgentConfig& config) {
  if (config.site.empty() || config.tls.cert_file.empty()) return;
  const auto names = certificate_names(config.tls.cert_file);
  if (!names) {
    tls.complain("cert", "a certificate in PEM form", names.error().message);
  } else if (std::find(names->begin(), names->end(), config.site) == names->end()) {
    agent.complain("site",
                   fmt::format("a name that {} carries: {}", config.tls.cert_file,
                               names->empty() ? "it carries no DNS name at all"
                                              : fmt::format("\"{}\"", fmt::join(*names, "\", \""))),
                   "our certificate is that of another name");
  }
}

void read_agent(ConfigTable table, Reading& reading) {
  AgentConfig& config = reading.config;
  if (!table.present()) {
    table.complain("", "[agent]", "the section is missing");
    return;
  }
  config.site = table.required_text("site");
  if (!config.site.empty() && !is_plain_name(config.site)) table.complain("site", kPlainName);
  config.listen = place_of_text(table, "listen", table.text("listen", config.listen), true);
  config.state_dir = table.text("state_dir", config.state_dir);
  config.control = table.text("control", config.control);
  config.metrics = place_of_text(table, "metrics", table.text("metrics"), true);
  config.monitors = table.texts("monitors");
  if (config.monitors.empty() && (!table.has("monitors") || table.is_list("monitors"))) {
    table.complain("monitors", "certificate names that may give orders, as [\"monitor\"]",
                   "without one nobody may give orders");
  }
  if (std::find(config.monitors.begin(), config.monitors.end(), config.site) !=
      config.monitors.end()) {
    table.complain("monitors", "names of monitors", "a site is no monitor");
  }
  config.stop_units_after = table.duration("stop_units_after", 30s, 0s, 1h);
  table.finish();
}

}  // namespace

ConfigOutcome<AgentConfig> read_agent_config(const std::string& path) {
  ConfigOutcome<AgentConfig> outcome;
  const auto file = ConfigFile::load(path, outcome.errors);
  if (!file) return outcome;
  Reading reading;
  reading.config.file = path;
  ConfigTable root = file->root();
  read_agent(root.table("agent"), reading);
  reading.config.state_dir = beside(path, reading.config.state_dir);
  reading.config.control = beside(path, reading.config.control);
  ConfigTable tls = root.table("tls");
  if (tls.present()) {
    reading.config.tls.ca_file = pem_of(tls, "ca", path, false);
    reading.config.tls.cert_file = pem_of(tls, "cert", path, false);
    reading.config.tls.key_file = pem_of(tls, "key", path, true);
    check_identity(root.table("agent"), tls, reading.config);
    tls.finish();
  } else {
    root.complain("tls", "[tls] with ca, cert and key (made by `pointsman certs`)", "is missing");
  }
  for (ConfigTable& service : root.tables("service")) read_service(service, reading);
  if (!root.has("service")) {
    root.complain("service", "at least one [[service]]", "is missing");
  }
  root.finish();
  sort_errors(outcome.errors);
  outcome.warnings = std::move(reading.warnings);
  if (outcome.errors.empty()) outcome.config = std::move(reading.config);
  return outcome;
}

}  // namespace pointsman
