#include "orchestrator/offline/first_setup.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/address.h"
#include "base/crypto.h"
#include "base/json.h"

namespace pointsman {
namespace {

constexpr int kAgentPort = 7443;
constexpr int kMysqlPort = 3306;
constexpr int kRedisPort = 6379;
constexpr std::size_t kSecretBytes = 32;

// A TOML text; what JSON escapes, TOML reads.
std::string quoted(const std::string& text) { return Json(text).dump(); }

std::string list_of(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const std::string& text : texts) all.push_back(quoted(text));
  return fmt::format("[{}]", fmt::join(all, ", "));
}

bool by_v6(const FirstSetup& setup) { return is_ipv6(setup.sites.front().address); }

std::string at(const std::string& address, int port) {
  return is_ipv6(address) ? fmt::format("[{}]:{}", address, port)
                          : fmt::format("{}:{}", address, port);
}

std::string agent_url(const FirstSite& site) { return "https://" + at(site.address, kAgentPort); }

std::string probe_of(const FirstSetup& setup) {
  std::string url = setup.probe;
  const auto place = url.find("{address}");
  if (by_v6(setup) && place != std::string::npos) url.replace(place, 9, "[{address6}]");
  return url;
}

int port_of(std::string url) {
  if (const auto place = url.find("{address}"); place != std::string::npos) {
    url.replace(place, 9, "192.0.2.1");  // Any: only the port is asked for.
  }
  const auto parts = url_parts_from(url);
  if (!parts) return 0;
  return parts->port != 0 ? parts->port : (parts->scheme == "https" ? 443 : 80);
}

std::string monitor_text(const FirstSetup& setup) {
  std::string text = fmt::format(
      "# Written by `pointsman init`. Every key: pointsman.toml(5), docs/configuration.md.\n"
      "# After a change: pointsman check, then systemctl reload pointsmand.\n\n"
      "[monitor]\nname = \"monitor\"\ncredentials = \"credentials.toml\"\n"
      "mode = {}                      # observe | propose | auto: auto moves by itself\n",
      quoted(setup.mode));
  if (setup.references.empty()) {
    text +=
        "# Neutral places, neither a site nor yours: when none answers, the monitor takes itself "
        "to "
        "be\n# cut off and moves nothing.\n# references = [\"tcp://192.0.2.1:53\"]\n";
  } else {
    text += "references = " + list_of(setup.references) + "\n";
  }
  text +=
      "\n[web]                                 # tokens: credentials.toml\n"
      "listen = \"127.0.0.1:8780\"\n";
  if (setup.agents) {
    text += "\n[tls]\nca = \"ca.pem\"\ncert = \"monitor.pem\"\nkey = \"monitor.key\"\n";
  }
  text += fmt::format("\n[provider.dns]\ntype = {}\n", quoted(setup.provider));
  if (!setup.server.empty()) text += fmt::format("server = {}\n", quoted(setup.server));
  return text;
}

std::string service_text(const FirstSetup& setup) {
  const bool v6 = by_v6(setup);
  std::string text = fmt::format(
      "\n[[service]]\nname = {}\n"
      "\n[[service.record]]\nprovider = \"dns\"\nzone = {}\nname = {}\ntype = \"{}\"\n"
      "\n[[service.probe]]\ntype = \"http\"\nurl = {}\nhost = {}\n",
      quoted(setup.service), quoted(setup.zone), quoted(setup.record), v6 ? "AAAA" : "A",
      quoted(probe_of(setup)), quoted(setup.record));
  for (const FirstSite& site : setup.sites) {
    text += fmt::format("\n[[service.site]]\nname = {}\n{} = {}\n", quoted(site.name),
                        v6 ? "address6" : "address", quoted(site.address));
    if (setup.agents) text += fmt::format("agent = {}\n", quoted(agent_url(site)));
  }
  return text;
}

std::string credentials_text(const FirstSetup& setup) {
  std::string text =
      "# Written by `pointsman init`. Mode 0600; systemd hands it to the daemon.\n\n[dns]\n";
  if (setup.provider == "rfc2136" && !setup.secrets.contains("key")) {
    text += "key = \"pointsman-key\"\n";
  }
  if (setup.provider == "rfc2136" && !setup.secrets.contains("algorithm")) {
    text += "algorithm = \"hmac-sha256\"\n";
  }
  for (const auto& [name, secret] : setup.secrets) {
    if (name.ends_with("_password")) continue;
    text += fmt::format("{} = {}\n", name, quoted(secret));
  }
  return text + fmt::format("\n[web.tokens]\noperator = \"{}\"\nviewer = \"{}\"\n",
                            hex(random_bytes(24)), hex(random_bytes(24)));
}

std::string stores_text(const FirstSetup& setup, const FirstSite& site) {
  std::string text;
  if (setup.mysql) {
    text += fmt::format(
        "\n[service.mysql]\nsocket = \"/run/mysqld/mysqld.sock\"\nuser = \"pointsman\"\n"
        "password_file = \"mysql.password\"\nreplication_user = \"repl\"\n"
        "replication_password_file = \"repl.password\"\nadvertise = {}\n",
        quoted(at(site.address, kMysqlPort)));
  }
  if (setup.redis) {
    text += fmt::format("\n[service.redis]\naddress = \"127.0.0.1:{}\"\n", kRedisPort);
    if (setup.secrets.contains("redis_password")) text += "password_file = \"redis.password\"\n";
    text += fmt::format("advertise = {}\n", quoted(at(site.address, kRedisPort)));
  }
  return text;
}

std::string agent_text(const FirstSetup& setup, const FirstSite& site, const FirstSite& peer) {
  std::set<int> ports(setup.ports.begin(), setup.ports.end());
  ports.insert(port_of(setup.probe));
  if (setup.mysql) ports.insert(kMysqlPort);
  if (setup.redis) ports.insert(kRedisPort);
  std::string text = fmt::format(
      "# Written by `pointsman init`, for {}. Every key: agent.toml(5), docs/configuration.md.\n"
      "# After a change: pointsman-agent check, then systemctl restart pointsman-agent.\n\n"
      "[agent]\nsite = {}\nlisten = \"{}\"\nmonitors = [\"monitor\"]\n"
      "\n[tls]\nca = \"ca.pem\"\ncert = {}\nkey = {}\n"
      "\n[[service]]\nname = {}\npeer = {}\n",
      site.name, quoted(site.name), at(by_v6(setup) ? "::" : "0.0.0.0", kAgentPort),
      quoted(site.name + ".pem"), quoted(site.name + ".key"), quoted(setup.service),
      quoted(agent_url(peer)));
  text += stores_text(setup, site);
  text += fmt::format(
      "\n[service.deadman]                     # the kernel closes these when the lease ends\n"
      "ports = [{}]\nallow = [{}]\n",
      fmt::join(ports, ", "), quoted(peer.address));
  for (const std::string& unit : setup.units) {
    text += fmt::format(
        "\n[[service.unit]]                      # runs at the site in power alone\n"
        "name = {}\n",
        quoted(unit));
  }
  return text;
}

// A text within single quotes of SQL.
std::string sql_text(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

// What docs/drivers.md asks for.
std::string accounts_text(const FirstSetup& setup) {
  return fmt::format(
      "-- The accounts of pointsman in MariaDB: run it once, at the site in power, and the other "
      "one\n"
      "-- gets them by replication. What the servers' configuration needs: docs/drivers.md.\n"
      "CREATE USER pointsman@localhost IDENTIFIED BY {};\n"
      "GRANT PROCESS, CONNECTION ADMIN, READ_ONLY ADMIN, REPLICATION SLAVE ADMIN,\n"
      "      REPLICATION MASTER ADMIN, SLAVE MONITOR, RELOAD ON *.* TO pointsman@localhost;\n"
      "CREATE USER repl@'%' IDENTIFIED BY {};\n"
      "GRANT REPLICATION SLAVE ON *.* TO repl@'%';\n",
      sql_text(setup.secrets.at("mysql_password")),
      sql_text(setup.secrets.at("replication_password")));
}

std::string tsig_text(const FirstSetup& setup) {
  return fmt::format(
      "// For BIND: include this file, and let the zone {} have\n"
      "//   update-policy {{\n"
      "//     grant pointsman-key name {}. A AAAA;\n"
      "//     grant pointsman-key name _pointsman.{}. TXT;\n"
      "//   }};\n"
      "// Others: docs/providers/rfc2136.md.\n"
      "key \"pointsman-key\" {{\n  algorithm hmac-sha256;\n  secret \"{}\";\n}};\n",
      setup.zone, setup.record, setup.record, setup.secrets.at("secret"));
}

void add_agent_files(const FirstSetup& setup, std::vector<FirstFile>& files) {
  for (std::size_t k = 0; k < 2; ++k) {
    const FirstSite& site = setup.sites[k];
    const std::string folder = "agents/" + site.name + "/";
    files.push_back({folder + "agent.toml", agent_text(setup, site, setup.sites[1 - k])});
    const std::pair<const char*, const char*> secrets[] = {
        {"mysql_password", "mysql.password"},
        {"replication_password", "repl.password"},
        {"redis_password", "redis.password"}};
    for (const auto& [name, file] : secrets) {
      const auto found = setup.secrets.find(name);
      if (found != setup.secrets.end()) {
        files.push_back({folder + file, found->second + "\n", 0600});
      }
    }
  }
  if (setup.mysql) files.push_back({"agents/accounts.sql", accounts_text(setup), 0600});
}

}  // namespace

std::vector<std::string> first_providers() { return {"rfc2136", "cloudflare", "aliyun"}; }

std::vector<std::string> needed_secrets(const FirstSetup& setup) {
  if (setup.provider == "cloudflare") return {"api_token"};
  if (setup.provider == "aliyun") return {"access_key_id", "access_key_secret"};
  return {};
}

std::vector<std::string> known_secrets(const FirstSetup& setup) {
  std::vector<std::string> known = needed_secrets(setup);
  if (setup.provider == "aliyun") known.emplace_back("security_token");
  if (setup.provider == "rfc2136") known.insert(known.end(), {"key", "algorithm", "secret"});
  if (setup.mysql) known.insert(known.end(), {"mysql_password", "replication_password"});
  if (setup.redis) known.emplace_back("redis_password");
  return known;
}

void draw_secrets(FirstSetup& setup) {
  const auto draw = [&](const char* name, const std::string& drawn) {
    setup.secrets.try_emplace(name, drawn);
  };
  if (setup.provider == "rfc2136") draw("secret", base64(random_bytes(kSecretBytes)));
  if (setup.mysql) draw("mysql_password", hex(random_bytes(kSecretBytes / 2)));
  if (setup.mysql) draw("replication_password", hex(random_bytes(kSecretBytes / 2)));
}

std::vector<FirstFile> first_files(const FirstSetup& setup) {
  std::vector<FirstFile> files{{"pointsman.toml", monitor_text(setup) + service_text(setup)},
                               {"credentials.toml", credentials_text(setup), 0600}};
  if (setup.provider == "rfc2136" && !setup.secrets.contains("key") &&
      !setup.secrets.contains("algorithm")) {
    files.push_back({"tsig.key", tsig_text(setup), 0600});
  }
  if (setup.agents) add_agent_files(setup, files);
  return files;
}

std::vector<std::string> first_identities(const FirstSetup& setup) {
  if (!setup.agents) return {};
  return {"monitor", setup.sites[0].name, setup.sites[1].name};
}

}  // namespace pointsman
