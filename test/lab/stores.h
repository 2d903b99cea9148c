#pragma once

#include <memory>
#include <string>

#include "test/lab/net.h"

// The two stores as the laboratory's app and clients see them: a plain user of MariaDB and of
// Redis, with short timeouts.

namespace pointsman::lab {

struct StoreAddress {
  std::string mysql_socket;  // Or mysql, over TCP.
  HostPort mysql;
  std::string mysql_user = "app";
  std::string mysql_password = "app";
  HostPort redis;
  std::string redis_password;
};

// Reads --mysql-socket or --mysql, --redis, and the accounts.
StoreAddress store_address(const Options& options);

// A connection to each store, made when first needed and made anew after a failure. Every call
// gives "" for success, else why not.
class Stores {
 public:
  explicit Stores(StoreAddress address);
  ~Stores();
  Stores(Stores&&) noexcept;
  Stores& operator=(Stores&&) noexcept;

  std::string mysql_write(const std::string& id, const std::string& site);
  std::string redis_write(const std::string& id);
  std::string mysql_ping();
  std::string redis_ping();
  // What each says of itself: "read_only=1", "role=master min_replicas=0"; "unknown (why)".
  std::string mysql_account();
  std::string redis_account();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::lab
