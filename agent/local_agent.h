#pragma once

#include <string>

#include "agent/protocol.h"
#include "base/http.h"
#include "base/json.h"

// The agent that runs on this host, by its control socket: for commands beside it.

namespace pointsman {

class LocalAgent {
 public:
  // Each question is over within `answer_within`. http_global_init() was called before.
  LocalAgent(std::string socket, Duration answer_within)
      : socket_(std::move(socket)), answer_within_(answer_within) {}

  // kRefused: the agent answered, and said why not. Anything else: it was not reached or
  // understood.
  Result<Json> ask(const std::string& method, const std::string& path, const Json& body = Json());

  // kNotFound: it has no such service.
  Result<ServiceReport> report(const std::string& service);

 private:
  std::string socket_;
  Duration answer_within_;
  HttpClient client_;
};

}  // namespace pointsman
