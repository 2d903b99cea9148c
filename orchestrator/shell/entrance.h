#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <variant>

#include "base/clock.h"
#include "base/http_server.h"
#include "orchestrator/shell/doorkeeper.h"
#include "orchestrator/shell/sessions.h"

// Who may come in over TCP, and as what: programs by a bearer token with each call, browsers by a
// token once and a session cookie after that. Thread-safe.

namespace pointsman {

struct Guest {
  Entry role = Entry::kStranger;
  std::string session;      // Key of the session; "" with a token.
  std::string who;          // What counts as one, for event streams.
  std::uint64_t issue = 0;  // Of the tokens by which he came in.
};

class Entrance {
 public:
  // `tls`: our own listener speaks it. Tokens are role -> token.
  Entrance(const Clock& clock, const std::map<std::string, std::string>& tokens, bool tls);

  // Who makes this call, if he may; else the refusal. A call by cookie must be of our own page, and
  // an order by cookie must carry the session's secret besides: no page of others can send either.
  std::variant<Guest, HttpReply> admit(const HttpCall& call);

  // A login: {"token": ..}. Answers the role, the session's secret and its cookie.
  HttpReply log_in(const HttpCall& call);
  // Of the session that makes this call; all of it is forgotten.
  HttpReply log_out(const HttpCall& call);
  // The role of the caller, and of a session its secret.
  HttpReply tell_session(const HttpCall& call);

  // Whether a guest who was let in before still may stay; it counts as use of his session.
  bool stays(const Guest& guest);

  // Of a reload: former tokens and the sessions that they opened count no more.
  void set_tokens(const std::map<std::string, std::string>& tokens);

 private:
  std::variant<Guest, HttpReply> by_token(const HttpCall& call);
  std::variant<Guest, HttpReply> by_session(const HttpCall& call);
  std::string id_of(const HttpCall& call) const;

  const Clock& clock_;
  const bool tls_;
  Doorkeeper doorkeeper_;
  std::mutex mutex_;  // Handlers run on several connection threads; all below.
  std::map<std::string, std::string> tokens_;  // Role -> digest.
  std::uint64_t issue_ = 0;                    // Counts changes of them.
  Sessions sessions_;
};

}  // namespace pointsman
