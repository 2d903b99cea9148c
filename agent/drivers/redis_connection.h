#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/drivers/endpoint.h"
#include "base/result.h"
#include "base/time.h"

struct redisReader;

// One connection to a Redis server: hiredis writes and reads the protocol, the transport is ours,
// so that a call ends at its deadline whatever the server does, and never by SIGPIPE.

namespace pointsman {

struct RedisReply {
  bool error = false;
  std::string text;                   // Of a string, status, error or number.
  std::vector<std::string> elements;  // Of an array, flat.
};

class RedisConnection {
 public:
  static constexpr std::size_t kAnswerMost = 4 << 20;
  RedisConnection(std::string address, std::string password, std::size_t answer_most = kAnswerMost);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // One command; connects and authenticates first unless connected, and once more when a kept
  // connection proves dead. An error reply is a kRefused that quotes it and names the command, but
  // never its arguments. kNotFound: confirmed, no server listens there. kTimeout: it hangs.
  Result<RedisReply> run(const std::vector<std::string>& command, Instant deadline);

  void close();
  const std::string& address() const { return address_; }

 private:
  Result<void> open(Instant deadline);
  Result<RedisReply> exchange(const std::vector<std::string>& command, Instant deadline);
  Result<void> send(const std::string& bytes, Instant deadline);
  Result<RedisReply> receive(Instant deadline);

  const std::string address_;
  const std::string password_;
  const std::size_t answer_most_;
  Socket socket_;
  redisReader* reader_ = nullptr;
};

}  // namespace pointsman
