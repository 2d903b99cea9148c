#include "providers/rfc2136_session.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "providers/rfc2136_update.h"

namespace pointsman {
namespace {

constexpr std::uint16_t kFudgeMost = 300;  // Of queries, and of an UPDATE at the worst.
constexpr std::int64_t kSkewJitter_s = 2;  // Two readings in whole seconds, and the way between.

std::string call_text(const DnsMessage& request) {
  if (request.question.empty()) return "?";
  const DnsRecord& what = request.question.front();
  return fmt::format("{} {} {}", request.opcode == kDnsUpdate ? "UPDATE" : "QUERY",
                     what.name.text(), dns_type_text(what.type));
}

}  // namespace

Rfc2136Session::Rfc2136Session(const Rfc2136Settings& settings, DnsEndpoint server,
                               const Clock& clock, Instant deadline)
    : settings_(settings), server_(std::move(server)), clock_(clock), deadline_(deadline) {}

Error Rfc2136Session::error(ErrorCode code, std::string_view why) const {
  return {code, fmt::format("provider {} at {}: {}", settings_.provider, server_.text(), why)};
}

std::int64_t Rfc2136Session::wall_s() const { return clock_.wall().ns / 1'000'000'000; }

std::string Rfc2136Session::skew_text() const {
  if (!server_ahead_s_) return "by an amount that it did not tell";
  return fmt::format("this host's clock is {} s {} the server's", std::llabs(*server_ahead_s_),
                     *server_ahead_s_ > 0 ? "behind" : "ahead of");
}

Result<Rfc2136Session::Reply> Rfc2136Session::exchange(const DnsMessage& request,
                                                       DnsTransport transport, Instant until,
                                                       std::uint16_t fudge) {
  const auto wire = build_message(request);
  if (!wire.ok()) return wire.error();
  until = std::min({until, deadline_, system_clock().now() + settings_.timeout});
  const SignedMessage sent = tsig_sign(settings_.key, *wire, {wall_s(), fudge});
  const Instant began = system_clock().now();
  const auto answer = dns_exchange(server_, sent.bytes, transport, until);
  log(LogLevel::kDebug, "provider-call",
      {{"provider", settings_.provider},
       {"call", call_text(request)},
       {"writes", request.opcode == kDnsUpdate},
       {"outcome", answer.ok() ? "answered" : to_string(answer.error().code)},
       {"took_ms", whole_ms(system_clock().now() - began)}});
  if (!answer.ok()) return error(answer.error().code, answer.error().message);
  const auto checked = tsig_check(settings_.key, sent.mac, *answer, wall_s());
  if (!checked.ok()) return error(ErrorCode::kTimeout, checked.error().message);
  auto message = parse_message(checked->message);
  if (!message.ok()) return error(ErrorCode::kTimeout, message.error().message);
  if (checked->server_time_s) server_ahead_s_ = *checked->server_time_s - wall_s();
  return Reply{checked->verdict, std::move(*message)};
}

bool Rfc2136Session::is_bare_refusal(const Reply& reply) {
  return reply.verdict == TsigVerdict::kUnsigned && reply.message.rcode == Rcode::kRefused;
}

Error Rfc2136Session::verdict_error(const Reply& reply) const {
  const std::string key =
      fmt::format("key {} ({})", settings_.key.name.text(), to_string(settings_.key.algorithm));
  const std::string rcode = to_string(reply.message.rcode);
  switch (reply.verdict) {
    case TsigVerdict::kBadKey:
      return error(ErrorCode::kRefused,
                   fmt::format("BADKEY: it does not know {}, or not with this algorithm", key));
    case TsigVerdict::kBadSig:
      return error(ErrorCode::kRefused,
                   fmt::format("BADSIG: the secret of {} differs from the server's", key));
    case TsigVerdict::kBadTime:
      return error(ErrorCode::kRefused, "BADTIME: the clocks differ: " + skew_text());
    case TsigVerdict::kBadTrunc:
      return error(ErrorCode::kRefused, "BADTRUNC: it refuses the length of our signature");
    case TsigVerdict::kStale:
      return error(ErrorCode::kRefused, "its answer is dated outside the window: " + skew_text());
    case TsigVerdict::kForged:
      return error(ErrorCode::kRefused,
                   fmt::format("{} under a signature that does not fit {}", rcode, key));
    case TsigVerdict::kUnsigned:
    case TsigVerdict::kGood: break;
  }
  return error(
      reply.message.rcode == Rcode::kServFail ? ErrorCode::kUnavailable : ErrorCode::kRefused,
      fmt::format("{} without a signature, which proves nothing; some servers answer so "
                  "when {}, its secret or the clock is wrong",
                  rcode, key));
}

Result<DnsMessage> Rfc2136Session::query(const DnsName& name, std::uint16_t type) {
  auto reply = exchange(dns_query(name, type), DnsTransport::kUdpThenTcp, deadline_, kFudgeMost);
  if (!reply.ok()) return reply.error();
  if (reply->verdict != TsigVerdict::kGood) return verdict_error(*reply);
  const Rcode rcode = reply->message.rcode;
  if (rcode != Rcode::kNoError && rcode != Rcode::kNxDomain) return rcode_error(rcode);
  if (!reply->message.authoritative) {
    return error(ErrorCode::kRefused, fmt::format("not authoritative for {}", name.text()));
  }
  return std::move(reply->message);
}

Result<Rcode> Rfc2136Session::update(const DnsMessage& message, Instant until) {
  // Over TCP: nothing is sent twice behind our back, nothing is cut.
  const auto before = server_ahead_s_;
  const Duration within =
      std::min({until, deadline_, system_clock().now() + settings_.timeout}) - system_clock().now();
  std::uint16_t fudge = update_fudge(within, before.value_or(0));
  auto reply = exchange(message, DnsTransport::kTcp, until, fudge);
  // PowerDNS answers with our own time, so that its clock is not known, and refuses without a
  // signature what is outside the fudge. Key and secret are right, as its answers to queries show.
  while (before && fudge < kFudgeMost && reply.ok() && is_bare_refusal(*reply)) {
    fudge = std::min<std::uint16_t>(static_cast<std::uint16_t>(fudge * 2), kFudgeMost);
    reply = exchange(message, DnsTransport::kTcp, until, fudge);
    if (reply.ok() && !is_bare_refusal(*reply)) widened_to_s_ = fudge;
  }
  if (!reply.ok()) return reply.error();
  if (reply->verdict == TsigVerdict::kGood) return reply->message.rcode;
  if (reply->verdict == TsigVerdict::kBadTime && before && server_ahead_s_ &&
      std::llabs(*server_ahead_s_ - *before) <= kSkewJitter_s) {
    // The clocks are as they were when it answered our queries: this is the short fudge at work.
    return error(ErrorCode::kUnavailable, "the UPDATE reached it after its signature had run out");
  }
  if (reply->verdict == TsigVerdict::kBadKey && before) {
    return error(
        ErrorCode::kRefused,
        fmt::format("BADKEY, though it knows key {} in queries: no access rule of the zone "
                    "lets this key change both the record and the TXT _pointsman beside it",
                    settings_.key.name.text()));
  }
  Error failure = verdict_error(*reply);
  // A refusal that nobody signed changes nothing if it is true; a success that nobody signed, or an
  // answer that is not for us, leaves open what the server did.
  const bool open = reply->message.rcode == Rcode::kNoError ||
                    reply->verdict == TsigVerdict::kForged || reply->verdict == TsigVerdict::kStale;
  if (open) failure.code = ErrorCode::kTimeout;
  return failure;
}

Error Rfc2136Session::rcode_error(Rcode rcode) const {
  switch (rcode) {
    case Rcode::kServFail:
      return error(ErrorCode::kUnavailable, "SERVFAIL: it cannot now; its own log says why");
    case Rcode::kRefused:
      return error(ErrorCode::kRefused,
                   fmt::format("REFUSED: its policy denies this to key {}: an A, AAAA or CNAME "
                               "needs the right on the record and on the TXT _pointsman beside it",
                               settings_.key.name.text()));
    case Rcode::kNotAuth:
      return error(ErrorCode::kRefused, "NOTAUTH: it does not serve this zone as a primary");
    case Rcode::kNotZone:
      return error(ErrorCode::kRefused, "NOTZONE: the name is not within the zone");
    case Rcode::kNotImp:
      return error(ErrorCode::kRefused, "NOTIMP: it does not do dynamic updates");
    default: return error(ErrorCode::kRefused, "it answered " + to_string(rcode));
  }
}

}  // namespace pointsman
