#include "test/lab/drivers/servers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/drivers/redis_connection.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/process.h"

namespace pointsman::lab {
namespace {

const std::string kRedisPassword = "lab-redis";

// An installed, empty data directory, made once and copied for each server.
const std::string& template_folder() {
  static const Folder kFolder;
  static const bool kMade = [] {
    const auto ran = run_process(
        {"mariadb-install-db", "--no-defaults", "--user=root",
         "--datadir=" + kFolder.path() + "/data", "--auth-root-authentication-method=normal",
         "--skip-test-db", "--innodb-log-file-size=16M"},
        "", 120s);
    if (!ran || ran->exit_code != 0) {
      fmt::print(stderr, "mariadb-install-db: {}\n", ran ? ran->err : ran.error().message);
      abort();
    }
    return true;
  }();
  static_cast<void>(kMade);
  return kFolder.path();
}

}  // namespace

Instant now() { return system_clock().now(); }

Folder::Folder() {
  char name[] = "/tmp/pm-drv-XXXXXX";
  CHECK(::mkdtemp(name) != nullptr);
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

int free_port() {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  CHECK(::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  CHECK(::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

void Server::start(const std::vector<std::string>& argv, const std::string& log) {
  CHECK(pid_ == 0);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_ = ::fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(fd, 1);
    ::dup2(fd, 2);
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
}

void Server::kill_hard() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void Server::freeze() {
  ::kill(pid_, SIGSTOP);
  int status = 0;
  ::waitpid(pid_, &status, WUNTRACED);
  CHECK(WIFSTOPPED(status));
}

void Server::thaw() { ::kill(pid_, SIGCONT); }

Mariadb::Mariadb(int server_id, std::vector<std::string> options)
    : server_id_(server_id), port_(free_port()), options_(std::move(options)) {
  std::filesystem::copy(template_folder() + "/data", folder_.path() + "/data",
                        std::filesystem::copy_options::recursive);
  start();
  sql("SET sql_log_bin=0");
  sql("CREATE USER agent@localhost IDENTIFIED BY 'lab-agent'");
  sql("GRANT PROCESS, CONNECTION ADMIN, READ_ONLY ADMIN, REPLICATION SLAVE ADMIN, "
      "REPLICATION MASTER ADMIN, SLAVE MONITOR, RELOAD ON *.* TO agent@localhost");
  sql("CREATE USER repl@'%' IDENTIFIED BY 'it''s \\\\ secret'");
  sql("GRANT REPLICATION SLAVE ON *.* TO repl@'%'");
  sql("CREATE USER app@localhost IDENTIFIED BY 'lab-app'");
  sql("GRANT SELECT, INSERT, UPDATE, DELETE ON d.* TO app@localhost");
  sql("CREATE USER boss@localhost IDENTIFIED BY 'lab-boss'");
  sql("GRANT ALL ON *.* TO boss@localhost WITH GRANT OPTION");
  sql("CREATE DATABASE d");
  sql("CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT) ENGINE=InnoDB");
  sql("SET sql_log_bin=1");
}

void Mariadb::start() {
  root_.reset();
  server_.kill_hard();
  const std::string& f = folder_.path();
  std::vector<std::string> argv = {"mariadbd",
                                   "--no-defaults",
                                   "--user=root",
                                   "--datadir=" + f + "/data",
                                   "--socket=" + f + "/s",
                                   fmt::format("--port={}", port_),
                                   "--bind-address=127.0.0.1",
                                   "--pid-file=" + f + "/pid",
                                   fmt::format("--server-id={}", server_id_),
                                   "--log-bin=binlog",
                                   "--relay-log=relay",
                                   "--log-slave-updates=1",
                                   "--gtid-strict-mode=1",
                                   "--innodb-buffer-pool-size=32M",
                                   "--innodb-log-file-size=16M",
                                   "--innodb-flush-log-at-trx-commit=0"};
  argv.insert(argv.end(), options_.begin(), options_.end());
  server_.start(argv, f + "/log");
  root_ = std::make_unique<MysqlConnection>(as("root", ""));
  if (!eventually(60s, [&] { return root_->open(now() + 1s).ok(); })) {
    std::ifstream log(f + "/log");
    fmt::print(stderr, "mariadbd does not start:\n{}\n",
               std::string(std::istreambuf_iterator<char>(log), {}));
    abort();
  }
}

MysqlSettings Mariadb::as(const std::string& user, const std::string& password) const {
  MysqlSettings settings;
  settings.socket = folder_.path() + "/s";
  settings.user = user;
  settings.password = password;
  return settings;
}

MysqlSettings Mariadb::agent() const {
  MysqlSettings settings = as("agent", "lab-agent");
  settings.replication_user = "repl";
  settings.replication_password = "it's \\ secret";
  settings.advertise = address();
  return settings;
}

MysqlRows Mariadb::sql(const std::string& statement) {
  auto rows = root_->run(statement, now() + 20s);
  if (!rows) {
    fmt::print(stderr, "{}\n", rows.error().message);
    abort();
  }
  return std::move(*rows);
}

std::string Mariadb::value(const std::string& statement) {
  const auto rows = sql(statement);
  return rows.rows.empty() ? "" : rows.rows[0][0].value_or("NULL");
}

Redis::Redis(std::vector<std::string> options) : port_(free_port()), options_(std::move(options)) {
  start();
}

void Redis::start() {
  server_.kill_hard();
  std::vector<std::string> argv = {"redis-server",
                                   "--port",
                                   std::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--dir",
                                   folder_.path(),
                                   "--save",
                                   "",
                                   "--requirepass",
                                   kRedisPassword,
                                   "--masterauth",
                                   kRedisPassword,
                                   "--repl-diskless-sync-delay",
                                   "0"};
  argv.insert(argv.end(), options_.begin(), options_.end());
  server_.start(argv, folder_.path() + "/log");
  RedisConnection connection(address(), kRedisPassword);
  CHECK(eventually(20s, [&] { return connection.run({"PING"}, now() + 1s).ok(); }));
}

RedisSettings Redis::agent() const {
  RedisSettings settings;
  settings.address = address();
  settings.password = kRedisPassword;
  settings.advertise = address();
  return settings;
}

}  // namespace pointsman::lab
