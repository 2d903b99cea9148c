#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/drivers/mysql_connection.h"
#include "base/time.h"

// Private MariaDB and Redis servers on loopback, on temporary directories and free ports. Each ends
// what it started, by process id.

namespace pointsman::lab {

// A directory below /tmp that goes with its owner.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

int free_port();

class Server {
 public:
  Server() = default;
  ~Server() { kill_hard(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void start(const std::vector<std::string>& argv, const std::string& log);
  void kill_hard();  // SIGKILL, and reaped.
  void freeze();     // SIGSTOP, seen in effect.
  void thaw();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

class Mariadb {
 public:
  Mariadb(int server_id, std::vector<std::string> options = {});

  void add_option(const std::string& option) { options_.push_back(option); }
  void start();  // Until it answers.
  Server& process() { return server_; }
  MysqlSettings agent() const;  // With the rights of docs/drivers.md, no more.
  MysqlSettings as(const std::string& user, const std::string& password) const;
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }

  // As root. Fails the test on an error.
  MysqlRows sql(const std::string& statement);
  std::string value(const std::string& statement);  // First column of the first row.

 private:
  Folder folder_;
  int server_id_;
  int port_;
  std::vector<std::string> options_;
  Server server_;
  std::unique_ptr<MysqlConnection> root_;
};

class Redis {
 public:
  explicit Redis(std::vector<std::string> options = {});

  void start();
  Server& process() { return server_; }
  RedisSettings agent() const;
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  const std::string& folder() const { return folder_.path(); }

 private:
  Folder folder_;
  int port_;
  std::vector<std::string> options_;
  Server server_;
};

Instant now();
// Calls `seen` each 10 ms until it is true or `within` has passed.
template <typename Seen>
bool eventually(Duration within, Seen seen) {
  const Instant deadline = now() + within;
  for (;;) {
    if (seen()) return true;
    if (passed(deadline)) return false;
    timespec nap{0, 10'000'000};
    nanosleep(&nap, nullptr);
  }
}

}  // namespace pointsman::lab
