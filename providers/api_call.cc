#include "providers/api_call.h"

#include <algorithm>
#include <cctype>
#include <thread>

#include <fmt/format.h>

#include "base/address.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/text.h"

namespace pointsman {
namespace {

constexpr int kTriesMost = 4;
constexpr Duration kFirstPause = 200ms;
constexpr Duration kSkewTold = 2s;
constexpr int kDepthMost = 32;                   // Of JSON.
constexpr std::size_t kBadAnswerMost = 1 << 20;  // More of it would tell nothing.
constexpr std::size_t kDetailMost = 300;         // Of what the far side says, in a message.
constexpr std::size_t kMessageMost = 1000;       // It is kept in a journal and sent to people.

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || (is_ipv4(host) && host.starts_with("127."));
}

bool is_fit(std::string_view endpoint) {
  const auto url = url_parts_from(endpoint);
  if (!url || endpoint.find_first_of("?#") != std::string_view::npos) return false;
  return url->scheme == "https" || (url->scheme == "http" && is_loopback(url->host));
}

// Where `endpoint` is, for messages.
std::string host_of(const std::string& endpoint) {
  const std::size_t begin = endpoint.find("://") + 3;
  return endpoint.substr(begin, endpoint.find('/', begin) - begin);
}

std::string kind_of(const HttpAnswer& answer) {
  if (answer.body.empty()) return "an empty body";
  const std::string type = answer.header("content-type");
  return type.empty() ? "no JSON" : fmt::format("{}, which is not the JSON asked for", type);
}

Result<Json> read_body(const ApiRequest& request, const HttpAnswer& answer) {
  if (answer.body.empty()) return Json();
  const bool well = answer.status >= 200 && answer.status < 300;
  const JsonLimits limits{
      well ? request.answer_most : std::min(request.answer_most, kBadAnswerMost), kDepthMost};
  if (well && request.keep) return Json::parse_list(answer.body, limits, request.keep);
  return Json::parse(answer.body, limits);
}

ErrorCode code_of(int status) {
  switch (status) {
    case 401:
    case 403: return ErrorCode::kRefused;
    case 404:
    case 410: return ErrorCode::kNotFound;
    case 409:
    case 412: return ErrorCode::kConflict;
    case 408:
    case 429: return ErrorCode::kUnavailable;
    default: break;
  }
  if (status >= 500) return ErrorCode::kUnavailable;
  return status >= 300 && status < 400 ? ErrorCode::kRefused : ErrorCode::kInvalid;
}

}  // namespace

ApiOutside ApiOutside::real(const Clock& clock) {
  return {clock, [](Duration pause) { std::this_thread::sleep_for(pause); }, random_u64};
}

ApiSettings read_api_settings(SettingsReader& reader, const ProviderSettings& settings,
                              const ApiOwn& own) {
  SettingsReader::Keys all = {"type", "endpoint", "timeout", "ca_file"};
  all.insert(all.end(), own.options.begin(), own.options.end());
  reader.only(all, own.credentials);
  ApiSettings out;
  out.provider = settings.name;
  out.endpoint = reader.option("endpoint", own.endpoint);
  if (!is_fit(out.endpoint)) {
    reader.complain_option("endpoint",
                           "an https URL without query, or http to this host itself "
                           "(\"http://127.0.0.1:8888\")");
  }
  while (out.endpoint.ends_with('/')) out.endpoint.pop_back();
  out.timeout = reader.timeout();
  out.ca_file = reader.option("ca_file");
  return out;
}

struct ApiCaller::Attempt {
  std::optional<ApiAnswer> answer{};
  Error failure{};
  bool again = false;               // Sending it once more does no harm and may help.
  std::optional<Duration> asked{};  // The pause that the far side asked for.
};

ApiCaller::ApiCaller(ApiSettings settings, ApiHooks hooks, ApiOutside outside)
    : settings_(std::move(settings)),
      hooks_(std::move(hooks)),
      outside_(std::move(outside)),
      masking_(settings_.secrets),
      client_(TlsIdentity{.ca_file = settings_.ca_file}),
      budget_(settings_.limit) {}

Error ApiCaller::error(ErrorCode code, std::string_view why) const {
  return {code, masking_.line(fmt::format("provider {} at {}: {}", settings_.provider,
                                          host_of(settings_.endpoint), why),
                              kMessageMost)};
}

Error ApiCaller::status_error(int status, std::string_view detail) const {
  return error(code_of(status), fmt::format("HTTP {}{}{}", status, detail.empty() ? "" : ": ",
                                            masking_.line(detail, kDetailMost)));
}

HttpRequest ApiCaller::http_of(const ApiRequest& request) const {
  HttpRequest http;
  http.method = request.method;
  http.url = settings_.endpoint + request.target;
  http.headers = {{"Accept", request.accept}};
  if (!request.body.empty()) http.headers.emplace_back("Content-Type", request.content_type);
  http.headers.insert(http.headers.end(), request.headers.begin(), request.headers.end());
  http.body = request.body;
  http.answer_most = request.answer_most;
  http.may_repeat = !request.writes;
  if (hooks_.sign) hooks_.sign(http);
  return http;
}

std::string ApiCaller::render(const ApiRequest& request) const {
  const HttpRequest http = http_of(request);
  std::string out = fmt::format("{} {}\n", http.method, http.url);
  for (const auto& [name, value] : http.headers) out += fmt::format("{}: {}\n", name, value);
  if (!http.body.empty()) out += fmt::format("\n{}\n", http.body);
  return masking_.masked(out);
}

void ApiCaller::note_time(const HttpAnswer& answer) {
  latency_ = answer.took;
  const auto date = parse_http_date(answer.header("date"));
  if (!date) return;
  // The Date was written somewhere between our sending and its arrival, and whole seconds are cut.
  const WallTime wall = outside_.clock.wall();
  server_ahead_ = Duration(date->ns - wall.ns) + Duration(500ms) + answer.took / 2;
}

std::string ApiCaller::skew_text() const {
  if (!server_ahead_ || std::chrono::abs(*server_ahead_) < kSkewTold) return "";
  const auto whole = std::chrono::round<std::chrono::seconds>(std::chrono::abs(*server_ahead_));
  return fmt::format("this host's clock is {} s {} the server's", whole.count(),
                     *server_ahead_ > Duration(0) ? "behind" : "ahead of");
}

std::string ApiCaller::time_text() const {
  const std::string skew = skew_text();
  return fmt::format("; it answered in {} ms{}{}", whole_ms(latency_), skew.empty() ? "" : "; ",
                     skew);
}

// No answer that can be read: only a write may have left something behind.
ApiCaller::Attempt ApiCaller::lost(const ApiRequest& request, Error failed) const {
  Attempt out;
  out.again = !request.writes;
  if (request.writes) {
    failed.code = ErrorCode::kTimeout;
    failed.message += "; it may have been acted on";
  }
  out.failure = std::move(failed);
  return out;
}

ApiCaller::Attempt ApiCaller::judge(const ApiRequest& request, const HttpAnswer& answer) {
  Attempt out;
  const int status = answer.status;
  out.asked = retry_after(answer.headers, outside_.clock.wall());
  if (status >= 300 && status < 400) {
    out.failure = status_error(status, "a redirect, which is not followed: mend `endpoint`");
    return out;
  }
  const bool empty = answer.body.empty();
  auto json = read_body(request, answer);
  const bool readable = json.ok() && (!empty || (request.may_be_empty && status < 300));
  ApiAnswer told{status, answer.headers, readable ? std::move(*json) : Json()};
  const bool throttled = status == 429 || (readable && hooks_.throttled && hooks_.throttled(told));
  if (throttled) {
    // Reads come round again by themselves, and one that waits holds up the publication behind it.
    out.again = request.of_move || request.writes;
    out.failure = error(
        ErrorCode::kUnavailable,
        fmt::format("HTTP {}: too many requests{}", status,
                    out.asked ? ", come back in " + format_duration(*out.asked) : std::string()));
    if (out.asked && !request.once) budget_.shut_until(now() + *out.asked);
    return out;
  }
  if (status >= 500 || status == 408) {
    const std::string detail =
        readable ? masking_.line(told.body.dump(), kDetailMost) : kind_of(answer);
    const std::optional<Duration> asked = out.asked;
    out = lost(request, error(ErrorCode::kUnavailable, fmt::format("HTTP {}: {}", status, detail)));
    out.asked = asked;
    return out;
  }
  if (readable) {
    out.answer = std::move(told);
    return out;
  }
  if (status >= 400) {
    out.failure = status_error(status, kind_of(answer));
    return out;
  }
  const std::string why = request.keep && !json.ok() ? json.error().message : kind_of(answer);
  return lost(request, error(ErrorCode::kUnavailable, fmt::format("HTTP {} with {}", status, why)));
}

void ApiCaller::note_call(const ApiRequest& request, const Result<HttpAnswer>& answer,
                          Instant began) const {
  const std::string what =
      request.title.empty() ? request.method + ' ' + request.target : request.title;
  log(LogLevel::kDebug, "provider-call",
      {{"provider", settings_.provider},
       {"call", masking_.line(what)},
       {"writes", request.writes},
       {"of_move", request.of_move},
       {"outcome",
        answer.ok() ? std::to_string(answer->status) : std::string(to_string(answer.error().code))},
       {"took_ms", whole_ms(now() - began)}});
}

ApiCaller::Attempt ApiCaller::attempt(const ApiRequest& request, Instant deadline) {
  const Instant began = now();
  auto answer = client_.exchange(http_of(request), std::min(settings_.timeout, deadline - began));
  note_call(request, answer, began);
  if (answer.ok()) {
    note_time(*answer);
    return judge(request, *answer);
  }
  const Error& failed = answer.error();
  std::string why = failed.message;
  if (failed.code == ErrorCode::kRefused && (why.find("not yet valid") != std::string::npos ||
                                             why.find("expired") != std::string::npos)) {
    why += " (is this host's clock right?)";
  }
  Attempt out;
  switch (failed.code) {
    case ErrorCode::kTimeout: return lost(request, error(ErrorCode::kTimeout, why));
    case ErrorCode::kInvalid: return lost(request, error(ErrorCode::kUnavailable, why));
    case ErrorCode::kUnavailable: out.again = true; break;
    default: break;
  }
  out.failure = error(failed.code, why);
  return out;
}

Duration ApiCaller::pause_of(const Attempt& last, int tries) {
  Duration pause = kFirstPause * (1 << std::min(tries - 1, 4));
  if (last.asked) pause = std::max(pause, *last.asked);
  return pause + pause / 4 * static_cast<int>(outside_.random() % 101) / 100;
}

bool ApiCaller::pause(Duration about, Instant deadline) {
  const Duration jittered = about + about / 2 * static_cast<int>(outside_.random() % 101) / 100;
  if (now() + jittered >= deadline) return false;
  outside_.sleep(jittered);
  return true;
}

Result<ApiAnswer> ApiCaller::call(const ApiRequest& request, Instant deadline) {
  for (int tries = 1;; ++tries) {
    const Duration wait = budget_.wait(now(), request.of_move);
    if (wait > Duration(0) && request.of_move && now() + wait < deadline) outside_.sleep(wait);
    if (!budget_.take(now(), request.of_move)) {
      return error(ErrorCode::kUnavailable,
                   fmt::format("not asked: the budget ({}), or the far side, allows the next call "
                               "in {}",
                               budget_.text(),
                               format_duration(std::chrono::ceil<std::chrono::seconds>(wait))));
    }
    Attempt got = attempt(request, deadline);
    if (got.answer) return std::move(*got.answer);
    if (!got.again || request.once || tries == kTriesMost) return std::move(got.failure);
    const Duration pause = pause_of(got, tries);
    if (now() + pause >= deadline) return std::move(got.failure);
    outside_.sleep(pause);
  }
}

}  // namespace pointsman
