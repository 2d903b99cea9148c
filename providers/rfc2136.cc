#include "providers/rfc2136.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/log.h"
#include "base/resolve.h"
#include "providers/settings.h"

namespace pointsman {
namespace {

constexpr std::size_t kSecretLeast = 16;
constexpr Duration kLookUpAgain = 500ms;
constexpr std::size_t kMessageMost = 1000;
constexpr Duration kConfirmWithin = 1s;
constexpr Duration kConfirmFirstPause = 10ms;
// Kept back from the deadline of an UPDATE, to read what it did when no answer comes.
constexpr Duration kSettleMost = 1s;

std::string live_text(const RecordSet& live) {
  return fmt::format("{} with TTL {} s, {}", to_text(live.values), live.ttl.count(),
                     live.mark.empty() ? "no mark" : "mark \"" + printable(live.mark) + '"');
}

// A TXT of somebody's may hold 64 KiB, and what repeats it is kept in a journal.
Error shortened(Error error) {
  if (error.message.size() > kMessageMost) {
    error.message.resize(kMessageMost);
    error.message += "...";
  }
  return error;
}

std::string text_or(Result<std::string> text, std::string otherwise) {
  return text.ok() ? std::move(*text) : otherwise;
}

// Several TXT records are joined as provider.h says; one that cannot be read equals no mark.
std::string mark_of(const std::vector<std::string>& rdata) {
  std::string out;
  for (const std::string& one : rdata) {
    if (&one != &rdata.front()) out.push_back('\n');
    out += text_or(rdata_to_text(kDnsTxt, one), "\x7f");
  }
  return out;
}

}  // namespace

Rfc2136Provider::Rfc2136Provider(Rfc2136Settings settings, const Clock& clock)
    : settings_(std::move(settings)), clock_(clock) {}

Result<Rfc2136Session> Rfc2136Provider::open(Duration within) {
  const Instant deadline = system_clock().now() + within;
  if (look_up_) {
    const auto addresses =
        resolve_host(settings_.server.host, server_ ? std::min(within / 4, kLookUpAgain) : within);
    if (addresses.ok() && !addresses->empty()) {
      server_ = DnsEndpoint{addresses->front(), settings_.server.port};
      look_up_ = false;
    } else if (!server_) {
      return Error{ErrorCode::kUnavailable,
                   fmt::format("provider {}: {}", settings_.provider,
                               addresses.ok() ? settings_.server.host + " has no address"
                                              : addresses.error().message)};
    }
  }
  return Rfc2136Session(settings_, *server_, clock_, deadline);
}

Result<LiveSet> Rfc2136Provider::read_live(Rfc2136Session& session, const RecordKey& key) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const auto mark_at = mark_name(checked->name);
  if (!mark_at.ok()) return mark_at.error();
  const auto values = session.query(checked->name, checked->type);
  if (!values.ok()) {
    const ErrorCode code = values.error().code;
    look_up_ = code == ErrorCode::kUnavailable || code == ErrorCode::kTimeout;
    return values.error();
  }
  LiveSet out;
  out.set.key = key;
  for (const DnsRecord& r : values->answer) {
    if (!(r.name == checked->name)) continue;
    if (r.type == kDnsCname && checked->type != kDnsCname) {
      return session.error(
          ErrorCode::kConflict,
          fmt::format("a CNAME to {} stands where {} is wanted",
                      printable(text_or(rdata_to_text(kDnsCname, r.rdata), "?")), to_text(key)));
    }
    if (r.type != checked->type) continue;
    auto text = rdata_to_text(r.type, r.rdata);
    if (!text.ok()) return text.error();
    out.set.values.push_back(std::move(*text));
    out.set.ttl = std::chrono::seconds(r.ttl);
    out.value_rdata.push_back(r.rdata);
  }
  std::sort(out.set.values.begin(), out.set.values.end());
  const auto mark = session.query(*mark_at, kDnsTxt);
  if (!mark.ok()) return mark.error();
  for (const DnsRecord& r : mark->answer) {
    if (r.name == *mark_at && r.type == kDnsTxt) out.mark_rdata.push_back(r.rdata);
  }
  out.set.mark = mark_of(out.mark_rdata);
  return out;
}

Result<RecordSet> Rfc2136Provider::read(const RecordKey& key, Duration within) {
  auto session = open(within);
  if (!session.ok()) return session.error();
  auto live = read_live(*session, key);
  if (!live.ok()) return live.error();
  return std::move(live->set);
}

Result<void> Rfc2136Provider::replace(const Change& asked, Duration within) {
  const auto change = check_change(asked);
  if (!change.ok()) return change.error();
  auto session = open(within);
  if (!session.ok()) return session.error();
  const auto live = read_live(*session, change->key);
  if (!live.ok()) return live.error();
  const auto todo = compare(live->set, *change);
  if (!todo.ok()) return shortened(todo.error());
  if (*todo == Todo::kNothing) return {};
  const auto update = make_update(check_key(change->key).value(), *change, *live);
  if (!update.ok()) return update.error();

  const Duration left = session->deadline() - system_clock().now();
  const auto rcode =
      session->update(*update, session->deadline() - std::min(left / 4, kSettleMost));
  if (!rcode.ok()) {
    if (rcode.error().code == ErrorCode::kTimeout) return settle(*session, *change, rcode.error());
    return rcode.error();
  }
  switch (*rcode) {
    case Rcode::kNoError: return confirm(*session, *change);
    case Rcode::kNxRrset:
    case Rcode::kYxRrset:
    case Rcode::kYxDomain:
    case Rcode::kNxDomain: return explain_conflict(*session, *change, *rcode);
    default: return session->rcode_error(*rcode);
  }
}

Result<void> Rfc2136Provider::confirm(Rfc2136Session& session, const Change& change) {
  const Instant until = std::min(session.deadline(), system_clock().now() + kConfirmWithin);
  for (Duration pause = kConfirmFirstPause;; pause *= 2) {
    const auto live = read_live(session, change.key);
    if (!live.ok()) {
      if (live.error().code == ErrorCode::kConflict) return live.error();
      return Error{ErrorCode::kTimeout,
                   "the change was accepted but not read back: " + live.error().message};
    }
    const auto todo = compare(live->set, change);
    if (!todo.ok()) return shortened(todo.error());
    if (*todo == Todo::kNothing) return {};
    if (system_clock().now() + pause >= until) {
      return shortened(session.error(
          ErrorCode::kConflict,
          fmt::format("NOERROR, yet {} is still {}: other data at the name, or another view or "
                      "server answers queries",
                      to_text(change.key), live_text(live->set))));
    }
    std::this_thread::sleep_for(pause + pause * static_cast<int>(random_u64() % 100) / 200);
  }
}

Result<void> Rfc2136Provider::settle(Rfc2136Session& session, const Change& change,
                                     const Error& lost) {
  const auto live = read_live(session, change.key);
  if (!live.ok()) {
    return Error{ErrorCode::kTimeout, fmt::format("outcome unknown: {}; and reading it: {}",
                                                  lost.message, live.error().message)};
  }
  const auto todo = compare(live->set, change);
  if (!todo.ok()) return shortened(todo.error());
  if (*todo == Todo::kNothing) return {};
  return shortened({ErrorCode::kTimeout, fmt::format("not done so far: {}; {} is {}", lost.message,
                                                     to_text(change.key), live_text(live->set))});
}

Result<void> Rfc2136Provider::explain_conflict(Rfc2136Session& session, const Change& change,
                                               Rcode rcode) {
  const auto live = read_live(session, change.key);
  if (!live.ok()) return live.error();
  const auto todo = compare(live->set, change);
  if (!todo.ok()) return shortened(todo.error());
  // A copy of this very change came first: an earlier attempt, or another monitor.
  if (*todo == Todo::kNothing) return {};
  return shortened(session.error(
      ErrorCode::kConflict,
      fmt::format("{}: {} changed while we wrote, or the server's answers come from a wildcard, "
                  "another view or other data at the name; it is now {}",
                  to_string(rcode), to_text(change.key), live_text(live->set))));
}

Result<std::vector<std::string>> Rfc2136Provider::render(const Change& asked, Duration within) {
  const auto change = check_change(asked);
  if (!change.ok()) return change.error();
  auto session = open(within);
  if (!session.ok()) return session.error();
  const auto live = read_live(*session, change->key);
  if (!live.ok()) return live.error();
  const auto todo = compare(live->set, *change);
  if (!todo.ok()) return shortened(todo.error());
  if (*todo == Todo::kNothing) return std::vector<std::string>{};
  const auto update = make_update(check_key(change->key).value(), *change, *live);
  if (!update.ok()) return update.error();
  return std::vector<std::string>{update_text(*update, session->server(), settings_.key)};
}

Result<std::unique_ptr<Provider>> make_rfc2136(const ProviderSettings& settings,
                                               const Clock& clock) {
  SettingsReader reader(settings);
  reader.only({"type", "server", "timeout", "authorities"}, {"key", "algorithm", "secret"});
  Rfc2136Settings out;
  out.provider = settings.name;
  constexpr const char* kServer = "\"address:port\" or \"name:port\" of the zone's primary";
  const auto server = parse_host_port(reader.required_option("server", kServer), 53);
  if (server.ok()) {
    out.server = *server;
  } else if (!reader.option("server").empty()) {
    reader.complain_option("server", kServer);
  }
  out.timeout = reader.timeout();
  out.authorities = reader.endpoints("authorities");
  const auto key = DnsName::parse(reader.required_credential("key", "the name of the TSIG key"));
  if (key.ok()) out.key.name = *key;
  if (!key.ok() && !reader.credential("key").empty()) {
    reader.complain_credential("key", "the name of the TSIG key");
  }
  const auto algorithm = tsig_algorithm(reader.credential("algorithm", "hmac-sha256"));
  if (algorithm && *algorithm != TsigAlgorithm::kHmacSha1) {
    out.key.algorithm = *algorithm;
  } else {
    reader.complain_credential("algorithm", "hmac-sha256, hmac-sha384 or hmac-sha512");
  }
  const std::string secret = text_or(from_base64(reader.credential("secret")), "");
  if (secret.size() < kSecretLeast) {
    reader.complain_credential("secret", fmt::format("base64 of {} bytes or more", kSecretLeast));
  }
  out.key.secret = secret;
  RETURN_IF_ERROR(reader.finish());
  return std::unique_ptr<Provider>(std::make_unique<Rfc2136Provider>(std::move(out), clock));
}

}  // namespace pointsman
