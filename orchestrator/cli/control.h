#pragma once

#include <string>
#include <string_view>

#include "base/http.h"
#include "base/json.h"
#include "base/time.h"
#include "orchestrator/cli/terminal.h"

// A client of the control API, over its Unix socket.

namespace pointsman {

// Why something was not done, for people and for scripts.
struct Failure {
  Exit exit = kExitFailed;
  std::string code;  // "unreachable", "refused", "not-found", "invalid", "failed"
  std::string gate;  // The gate that refused, or "".
  std::string text;  // What happened.
  std::string hint;  // What to try, or "".
};

// An answer of the daemon, or a failure.
struct Answer {
  Json body;
  int status = 0;
  bool ok() const { return failure.text.empty(); }
  Failure failure;
};

class Control {
 public:
  explicit Control(std::string socket) : socket_(std::move(socket)) {}

  Answer get(const std::string& path, Duration within = 5s);
  // Never repeated: the daemon may have acted on a request whose answer was lost, and the failure
  // then says so.
  Answer post(const std::string& path, const Json& body, Duration within = 15s);

  const std::string& socket() const { return socket_; }

 private:
  Answer exchange(HttpClient& client, HttpRequest request, Duration within);

  std::string socket_;
  HttpClient client_;
};

// Percent-encoded for one segment of a path, or for a value in a query.
std::string encoded(std::string_view text);

// {"code","gate","detail","hint","exit"}, gate and hint only when there is one.
Json failure_json(const Failure& failure);

// Prints a failure: for people on standard error and, with `json`, as one object on standard
// output: {"error":failure_json()}. Returns its exit code.
int tell(const Failure& failure, bool json, const Terminal& terminal);

}  // namespace pointsman
