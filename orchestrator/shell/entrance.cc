#include "orchestrator/shell/entrance.h"

#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "orchestrator/shell/same_origin.h"

namespace pointsman {
namespace {

constexpr const char* kCookie = "pointsman";
// A browser takes a cookie of this name by TLS alone, and from no neighbouring host.
constexpr const char* kTlsCookie = "__Host-pointsman";
constexpr const char* kSecretHeader = "x-pointsman-csrf";
constexpr std::size_t kTokenMost = 4096;

bool writes(const HttpCall& call) { return call.method != "GET" && call.method != "HEAD"; }

const char* word_of(Entry role) { return role == Entry::kOperator ? "operator" : "viewer"; }

HttpReply stranger(const char* detail) {
  HttpReply reply = problem(401, "Unauthorized", detail);
  reply.headers.emplace_back("www-authenticate", "Bearer");
  return reply;
}

HttpReply too_many() {
  HttpReply reply = problem(429, "Too Many Requests", "too many wrong tokens from this address");
  reply.headers.emplace_back("retry-after", "60");
  return reply;
}

// One line a second for all strangers together.
HttpReply refuse_foreign(const HttpCall& call, const std::string& why) {
  static LogPace pace;
  if (pace.due(system_clock().now())) {
    log(LogLevel::kWarning, "page-call-refused",
        {{"from", call.peer_address}, {"path", call.path}, {"why", why}});
  }
  return problem(403, "Forbidden", why);
}

std::string cookie_text(const std::string& id, bool secure, Duration lives) {
  return std::string(secure ? kTlsCookie : kCookie) + "=" + id + "; Path=/; HttpOnly; " +
         "SameSite=Strict; Max-Age=" + std::to_string(lives / 1s) + (secure ? "; Secure" : "");
}

HttpReply session_reply(Entry role, const std::string& csrf, Duration left) {
  HttpReply reply;
  reply.body = Json::object({{"role", word_of(role)},
                             {"csrf", csrf.empty() ? Json() : Json(csrf)},
                             {"expires_s", csrf.empty() ? Json() : Json(seconds(left))}})
                   .dump() +
               "\n";
  return reply;
}

// The token of a login; kInvalid says what is wrong with the body.
Result<std::string> token_of(const HttpCall& call) {
  const auto body = Json::parse(call.body);
  if (!body.ok()) return body.error();
  if (!body->is_object() || body->as_object().size() != 1) {
    return {ErrorCode::kInvalid, "the body must be an object with the member token"};
  }
  auto token = body->string_at("token");
  if (token.ok() && (token->empty() || token->size() > kTokenMost)) {
    return {ErrorCode::kInvalid, "token: found none, or too long a text"};
  }
  return token;
}

}  // namespace

Entrance::Entrance(const Clock& clock, const std::map<std::string, std::string>& tokens, bool tls)
    : clock_(clock), tls_(tls), doorkeeper_(tokens) {
  set_tokens(tokens);
}

void Entrance::set_tokens(const std::map<std::string, std::string>& tokens) {
  doorkeeper_.set_tokens(tokens);
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> fresh;
  for (const auto& [role, token] : tokens) fresh[role] = digest(Hash::kSha256, token);
  for (const Entry role : {Entry::kViewer, Entry::kOperator}) {
    const std::string word = word_of(role);
    if (fresh[word] != tokens_[word]) sessions_.close_role(role);
  }
  if (fresh != tokens_) ++issue_;
  tokens_ = std::move(fresh);
}

std::string Entrance::id_of(const HttpCall& call) const {
  std::string id = cookie_of(call, kTlsCookie);
  return id.empty() && !tls_ ? cookie_of(call, kCookie) : id;
}

std::variant<Guest, HttpReply> Entrance::by_token(const HttpCall& call) {
  const Entry entry =
      doorkeeper_.judge(call.header("authorization"), call.peer_source, clock_.now());
  if (entry == Entry::kTooMany) return too_many();
  if (entry == Entry::kStranger) return stranger("a bearer token of [web.tokens] is needed");
  const std::lock_guard lock(mutex_);
  return Guest{entry, "", std::string(word_of(entry)) + " " + call.peer_source, issue_};
}

std::variant<Guest, HttpReply> Entrance::by_session(const HttpCall& call) {
  const std::string id = id_of(call);
  if (id.empty()) return stranger("a bearer token of [web.tokens] is needed");
  if (const auto why = foreign(call, writes(call))) return refuse_foreign(call, *why);
  const std::lock_guard lock(mutex_);
  const Sessions::Session* session = sessions_.find(id, clock_.now());
  if (session == nullptr) return stranger("the session has ended: log in again");
  if (writes(call) && !equal_secret(call.header(kSecretHeader), session->csrf)) {
    return refuse_foreign(call, "the header X-Pointsman-Csrf does not carry the session's secret");
  }
  return Guest{session->role, session->key, session->key, issue_};
}

std::variant<Guest, HttpReply> Entrance::admit(const HttpCall& call) {
  auto guest = call.header("authorization").empty() ? by_session(call) : by_token(call);
  if (const auto* known = std::get_if<Guest>(&guest)) {
    if (writes(call) && known->role != Entry::kOperator) {
      return problem(403, "Forbidden", "a viewer may look, not order");
    }
  }
  return guest;
}

HttpReply Entrance::log_in(const HttpCall& call) {
  const std::string type = lowered(call.header("content-type"));
  if (trimmed(std::string_view(type).substr(0, type.find(';'))) != "application/json") {
    return problem(415, "Unsupported Media Type", "a login is application/json");
  }
  if (const auto why = foreign(call, true)) return refuse_foreign(call, *why);
  const auto token = token_of(call);
  if (!token.ok()) return problem(400, "Bad Request", token.error().message);
  const Instant now = clock_.now();
  const Entry role = doorkeeper_.judge("Bearer " + *token, call.peer_source, now);
  if (role == Entry::kTooMany) return too_many();
  if (role == Entry::kStranger) return stranger("no token of [web.tokens]");
  Sessions::Opened opened;
  {
    const std::lock_guard lock(mutex_);
    // One browser, one session: what it had before is over.
    if (const auto* former = sessions_.find(id_of(call), now)) {
      sessions_.close(std::string(former->key));
    }
    opened = sessions_.open(role, now);
  }
  log(LogLevel::kNotice, "logged-in", {{"role", word_of(role)}, {"from", call.peer_address}});
  HttpReply reply = session_reply(role, opened.csrf, Sessions::kLifetime);
  reply.headers.emplace_back(
      "set-cookie", cookie_text(opened.id, tls_ || came_by_tls(call), Sessions::kLifetime));
  return reply;
}

HttpReply Entrance::log_out(const HttpCall& call) {
  auto guest = by_session(call);
  if (auto* refusal = std::get_if<HttpReply>(&guest)) return std::move(*refusal);
  {
    const std::lock_guard lock(mutex_);
    sessions_.close(std::get<Guest>(guest).session);
  }
  HttpReply reply;
  reply.body = Json::object({{"text", "logged out"}}).dump() + "\n";
  reply.headers.emplace_back(
      "set-cookie", cookie_text("", !cookie_of(call, kTlsCookie).empty(), Duration::zero()));
  return reply;
}

HttpReply Entrance::tell_session(const HttpCall& call) {
  auto guest = admit(call);
  if (auto* refusal = std::get_if<HttpReply>(&guest)) return std::move(*refusal);
  const Guest& known = std::get<Guest>(guest);
  if (known.session.empty()) return session_reply(known.role, "", Duration::zero());
  const Instant now = clock_.now();
  const std::lock_guard lock(mutex_);
  const Sessions::Session* session = sessions_.find_key(known.session, now);
  if (session == nullptr) return stranger("the session has ended: log in again");
  return session_reply(session->role, session->csrf, session->opened + Sessions::kLifetime - now);
}

bool Entrance::stays(const Guest& guest) {
  const std::lock_guard lock(mutex_);
  if (guest.session.empty()) return guest.issue == issue_;
  return sessions_.find_key(guest.session, clock_.now()) != nullptr;
}

}  // namespace pointsman
