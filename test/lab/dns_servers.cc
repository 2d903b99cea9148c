#include "test/lab/dns_servers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/dns_wire.h"
#include "base/process.h"

#include <doctest/doctest.h>

namespace pointsman {
namespace {

const char* const kKeys[] = {"pm-key", "pm-512", "admin-key", "idle-key"};

void write(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
}

std::string zone_text(const std::string& zone) {
  return fmt::format(
      "$ORIGIN {}.\n$TTL 300\n@ SOA ns1 admin 1 600 60 86400 60\n@ NS ns1\n@ NS ns2\n"
      "ns1 A 127.0.0.1\nns2 A 127.0.0.99\napi 60 A 192.0.2.10\n"
      "alias 60 CNAME site-a.example.net.\n*.wild 60 A 192.0.2.10\nmixed TXT \"other data\"\n",
      zone);
}

// A port that was free for both protocols a moment ago.
std::uint16_t free_port() {
  for (int tries = 0; tries < 50; ++tries) {
    const auto port = static_cast<std::uint16_t>(20000 + random_u64() % 12000);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool taken = false;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
      taken |= bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0;
      close(fd);
    }
    if (!taken) return port;
  }
  FAIL("no free port");
  return 0;
}

}  // namespace

std::string DnsServer::secret(const std::string& key) { return base64(digest(Hash::kSha256, key)); }

std::string DnsServer::algorithm(const std::string& key) {
  return key == "pm-512" ? "hmac-sha512" : "hmac-sha256";
}

DnsServer::DnsServer(ServerKind kind) : kind_(kind), endpoint_{"127.0.0.1", free_port()} {
  char pattern[] = "/tmp/pm-dns-lab-XXXXXX";
  REQUIRE(mkdtemp(pattern) != nullptr);
  folder_ = pattern;
  for (const char* zone : {"example.test", "tight.test", "closed.test"}) {
    write(fmt::format("{}/{}.zone", folder_, zone), zone_text(zone));
  }
  switch (kind_) {
    case ServerKind::kBind: write_bind_files(); break;
    case ServerKind::kKnot: write_knot_files(); break;
    case ServerKind::kPowerDns: write_powerdns_files(); break;
  }
  start();
}

DnsServer::~DnsServer() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void DnsServer::write_bind_files() const {
  std::string conf = fmt::format(
      "options {{ directory \"{0}\"; listen-on port {1} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};"
      " pid-file none; session-keyfile none; recursion no; dnssec-validation no; notify no; }};\n"
      "controls {{ }};\n",
      folder_, endpoint_.port);
  for (const char* key : kKeys) {
    conf += fmt::format("key \"{}\" {{ algorithm {}; secret \"{}\"; }};\n", key, algorithm(key),
                        secret(key));
  }
  const auto zone = [&](const char* name, const char* policy) {
    conf += fmt::format("zone \"{0}\" {{ type primary; file \"{0}.zone\"; {1} }};\n", name, policy);
  };
  zone("example.test",
       "update-policy { grant admin-key zonesub ANY; grant pm-key zonesub A AAAA CNAME TXT;"
       " grant pm-512 zonesub A AAAA CNAME TXT; };");
  zone("tight.test",
       "update-policy { grant pm-key name api.tight.test. A;"
       " grant pm-key name _pointsman.api.tight.test. TXT;"
       " grant pm-512 name api.tight.test. A; };");
  zone("closed.test", "");
  write(folder_ + "/named.conf", conf);
}

void DnsServer::write_knot_files() const {
  // As the manual has it: one rule must allow all of an UPDATE.
  const auto tight = [](const char* id, const char* key, const char* types) {
    return fmt::format(
        "  - id: {}\n    key: {}\n    action: update\n    update-type: [{}]\n"
        "    update-owner: name\n    update-owner-match: equal\n"
        "    update-owner-name: [api.tight.test., _pointsman.api.tight.test.]\n",
        id, key, types);
  };
  std::string conf = fmt::format(
      "server:\n    listen: 127.0.0.1@{1}\n    rundir: \"{0}\"\n"
      "database:\n    storage: \"{0}\"\nlog:\n  - target: stderr\n    any: warning\nkey:\n",
      folder_, endpoint_.port);
  for (const char* key : kKeys) {
    conf += fmt::format("  - id: {}\n    algorithm: {}\n    secret: {}\n", key, algorithm(key),
                        secret(key));
  }
  conf += fmt::format(
      "acl:\n  - id: ours\n    key: [pm-key, pm-512]\n    action: [update]\n"
      "    update-type: [A, AAAA, CNAME, TXT]\n"
      "  - id: admin\n    key: admin-key\n    action: [update]\n"
      "  - id: idle\n    key: idle-key\n    action: [update]\n    update-type: [AAAA]\n"
      "{1}{2}zone:\n  - domain: example.test\n    storage: \"{0}\"\n    acl: [ours, admin, "
      "idle]\n"
      "  - domain: tight.test\n    storage: \"{0}\"\n    acl: [tight, half]\n",
      folder_, tight("tight", "pm-key", "A, AAAA, TXT"), tight("half", "pm-512", "A"));
  write(folder_ + "/knot.conf", conf);
}

// Its zones, keys and rights are in a database. Its caches are left on: an UPDATE must empty them.
void DnsServer::write_powerdns_files() const {
  write(
      folder_ + "/pdns.conf",
      fmt::format("launch=gsqlite3\ngsqlite3-database={0}/zones.sqlite3\nlocal-address=127.0.0.1\n"
                  "local-port={1}\nsocket-dir={0}\ndaemon=no\nguardian=no\nsetuid=\nsetgid=\n"
                  "dnsupdate=yes\nallow-dnsupdate-from=\nsecurity-poll-suffix=\n"
                  "zone-cache-refresh-interval=0\nloglevel=4\n",
                  folder_, endpoint_.port));
  const auto must = [](const std::vector<std::string>& argv, const std::string& input = "") {
    const auto done = run_process(argv, input, 20s);
    REQUIRE(done.ok());
    REQUIRE_MESSAGE(done->exit_code == 0, done->err);
  };
  std::string script = fmt::format(
      "import sqlite3\ndb = sqlite3.connect('{}/zones.sqlite3')\n"
      "db.executescript(open('/usr/share/pdns-backend-sqlite3/schema/"
      "schema.sqlite3.sql').read())\n",
      folder_);
  must({"python3", "-"}, script);
  for (const char* zone : {"example.test", "closed.test"}) {
    must({"pdnsutil", "--config-dir=" + folder_, "load-zone", zone,
          fmt::format("{}/{}.zone", folder_, zone)});
  }
  script = fmt::format("import sqlite3\ndb = sqlite3.connect('{}/zones.sqlite3')\n", folder_);
  for (const char* key : kKeys) {
    script += fmt::format(
        "db.execute('insert into tsigkeys (name, algorithm, secret) values (?, ?, "
        "?)', ('{}', '{}', '{}'))\n",
        key, algorithm(key), secret(key));
  }
  const auto grant = [&](const char* kind, const char* content) {
    script += fmt::format(
        "db.execute('insert into domainmetadata (domain_id, kind, content) select id, ?, ? from "
        "domains where name = ?', ('{}', '{}', 'example.test'))\n",
        kind, content);
  };
  for (const char* key : {"pm-key", "pm-512", "admin-key"}) grant("TSIG-ALLOW-DNSUPDATE", key);
  grant("ALLOW-DNSUPDATE-FROM", "127.0.0.0/8");
  grant("SOA-EDIT-DNSUPDATE", "INCREASE");
  must({"python3", "-"}, script + "db.commit()\n");
}

std::vector<std::string> DnsServer::command() const {
  switch (kind_) {
    case ServerKind::kBind:
      return {"/usr/sbin/named", "-g", "-n", "1", "-c", folder_ + "/named.conf"};
    case ServerKind::kKnot: return {"/usr/sbin/knotd", "-c", folder_ + "/knot.conf"};
    case ServerKind::kPowerDns: return {"/usr/sbin/pdns_server", "--config-dir=" + folder_};
  }
  return {};
}

void DnsServer::start() {
  const std::vector<std::string> argv = command();
  std::vector<char*> arguments;
  for (const std::string& one : argv) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  const std::string log = folder_ + "/log";
  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    execv(arguments[0], arguments.data());
    perror(arguments[0]);
    _exit(127);
  }
  const auto request = build_message(dns_query(DnsName::parse("example.test").value(), kDnsSoa));
  const Instant until = system_clock().now() + 20s;
  while (system_clock().now() < until) {
    const auto answer =
        dns_exchange(endpoint_, *request, DnsTransport::kTcp, system_clock().now() + 500ms);
    if (answer.ok() && parse_message(*answer).value().rcode == Rcode::kNoError) return;
    std::this_thread::sleep_for(20ms);
  }
  std::ifstream text(log);
  FAIL("the name server did not start: ",
       std::string(std::istreambuf_iterator<char>(text), std::istreambuf_iterator<char>()));
}

void DnsServer::signal(int number) const { REQUIRE(kill(pid_, number) == 0); }

void DnsServer::stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void DnsServer::nsupdate(const std::string& script, const std::string& key) const {
  const std::string text = fmt::format("server {} {}\nkey {}:{} {}\n{}\nsend\n", endpoint_.ip,
                                       endpoint_.port, algorithm(key), key, secret(key), script);
  const auto done = run_process({"/usr/bin/nsupdate"}, text, 10s);
  REQUIRE(done.ok());
  REQUIRE_MESSAGE(done->exit_code == 0, done->err);
}

DnsMessage DnsServer::ask(const std::string& name, std::uint16_t type) const {
  const auto request = build_message(dns_query(DnsName::parse(name).value(), type));
  const auto answer =
      dns_exchange(endpoint_, *request, DnsTransport::kUdpThenTcp, system_clock().now() + 5s);
  if (!answer.ok()) FAIL(answer.error().message);
  return parse_message(*answer).value();
}

long DnsServer::serial(const std::string& zone) const {
  const DnsMessage answer = ask(zone, kDnsSoa);
  REQUIRE_EQ(answer.answer.size(), 1);
  // Serial, refresh, retry, expire, minimum: the last 20 bytes.
  const std::string& rdata = answer.answer[0].rdata;
  return static_cast<long>(read_u32(rdata, rdata.size() - 20));
}

}  // namespace pointsman
