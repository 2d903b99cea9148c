#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/http_server.h"
#include "orchestrator/offline/config.h"
#include "orchestrator/shell/entrance.h"
#include "orchestrator/shell/events.h"
#include "orchestrator/shell/executor.h"
#include "orchestrator/shell/loop.h"

// The control API (docs/api.md), the same on the control socket and on TCP; on TCP for guests of
// the Entrance by role. Reads come from the published snapshot, orders go through the loop.

namespace pointsman {

class Api {
 public:
  struct Parts {
    const Clock& clock;
    Loop& loop;
    Saver& saver;
    RealExecutor& executor;
    const std::map<std::string, ServiceOutside>& outside;
    std::string monitor;
    bool dry_run = false;
    std::map<std::string, std::string> tokens;  // Role -> token. Empty on the control socket.
    bool trusted = false;                       // The control socket: no tokens.
    std::function<std::string()> metrics = {};  // Of GET /metrics.
    bool tls = false;                           // The listener's own.
  };
  explicit Api(Parts parts);

  // Registers every route. The Api outlives the server.
  void serve(HttpServer& server);

  // Role -> token, of a reload. Thread-safe.
  void set_tokens(const std::map<std::string, std::string>& tokens) {
    entrance_.set_tokens(tokens);
  }

 private:
  using Handler = HttpReply (Api::*)(const HttpCall&);
  void route(HttpServer& server, const char* method, const char* path, Handler handler);
  void open_route(HttpServer& server, const char* method, const char* path, Handler handler);

  HttpReply services(const HttpCall& call);
  HttpReply service(const HttpCall& call);
  HttpReply explain(const HttpCall& call);
  HttpReply history(const HttpCall& call);
  HttpReply verify(const HttpCall& call);
  HttpReply move(const HttpCall& call);
  HttpReply events(const HttpCall& call);
  HttpReply session(const HttpCall& call);
  HttpReply log_in(const HttpCall& call);
  HttpReply log_out(const HttpCall& call);
  HttpReply health(const HttpCall& call);
  HttpReply ready(const HttpCall& call);
  HttpReply metrics(const HttpCall& call);
  HttpReply order(const HttpCall& call);
  HttpReply order_all(const HttpCall& call);

  Json services_json(bool explained);
  HttpReply rehearse(const ServiceSnapshot& snapshot, const OperatorAsked& asked);
  HttpReply tell(const std::string& service, const Result<OperatorAnswer>& answer) const;

  Parts parts_;
  Entrance entrance_;
  Events events_;
};

// Rendering, pure: what the API answers.
Json service_json(const ServiceSnapshot& snapshot, const ServiceOutside& outside, WallTime wall);
Json explain_json(const ServiceSnapshot& snapshot, const Wanted& wanted);
// Of the move that would be made by itself.
Json explain_json(const ServiceSnapshot& snapshot);

}  // namespace pointsman
