#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/http.h"
#include "base/time.h"

// /etc/pointsman/agent.toml (docs/configuration.md). Read whole: all errors at once.

namespace pointsman {

struct MysqlSettings {
  std::string socket;
  std::string host;
  int port = 3306;
  std::string user;
  std::string password_file;
  std::string password;  // Content of password_file, without its line end.
  std::string replication_user;
  std::string replication_password_file;
  std::string replication_password;
  std::string advertise;  // "host:port" where the peer can follow us.
  // An account of both sites: reads the other's databases, and replaces our own by them (rejoin).
  std::string seed_user;
  std::string seed_password_file;
  std::string seed_password;
};

struct RedisSettings {
  std::string address;  // "host:port"
  std::string password_file;
  std::string password;
  std::string advertise;
};

struct UnitSettings {
  std::string name;
  bool only_primary = true;                      // run = "primary"; "always" is only reported.
  std::vector<std::string> start, stop, status;  // Empty: systemd.
  Duration timeout = 10s;
};

struct HookSettings {
  std::string on;  // fenced | promoted | following
  std::vector<std::string> argv;
  Duration timeout = 10s;
};

struct DeadmanSettings {
  std::vector<int> ports;
  std::vector<std::string> allow;
};

struct AgentServiceSettings {
  std::string name;
  std::string peer;  // "https://198.51.100.20:7443"
  std::optional<MysqlSettings> mysql;
  std::optional<RedisSettings> redis;
  std::optional<DeadmanSettings> deadman;
  std::vector<UnitSettings> units;
  std::vector<HookSettings> hooks;
};

struct AgentConfig {
  std::string file;
  std::string site;
  std::string listen = "0.0.0.0:7443";
  std::string state_dir = "/var/lib/pointsman-agent";
  std::string control = "/run/pointsman-agent/control.sock";
  std::string metrics;  // "127.0.0.1:9780"; "": /metrics is not served.
  std::vector<std::string> monitors;
  Duration stop_units_after = 30s;
  TlsIdentity tls;
  std::vector<AgentServiceSettings> services;
};

// Either the configuration, or every error found in it.
ConfigOutcome<AgentConfig> read_agent_config(const std::string& path);

}  // namespace pointsman
