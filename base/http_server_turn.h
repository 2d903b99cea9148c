#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/http_server.h"
#include "base/http_server_head.h"

// One request through cpp-httplib, which decodes the target and frames the reply. It gets a request
// line that was checked and nothing else: what it would do on its own with ranges, encodings, forms
// and header tricks cannot be reached.

namespace pointsman {

struct HttpTurn {
  const RequestHead& head;
  bool close = false;     // Tell the client that the connection ends.
  Duration idle_most{0};  // Told as Keep-Alive.
  // Answers the decoded target; an exception becomes 500.
  std::function<HttpReply(std::string path, HttpHeaders query)> answer;
  // Writes to the client; false when it is gone.
  std::function<bool(std::string_view)> write;
};

// True when the whole reply was written.
bool take_turn(const HttpTurn& turn);

}  // namespace pointsman
