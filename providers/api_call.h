#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/http.h"
#include "base/json.h"
#include "base/result.h"
#include "providers/call_budget.h"
#include "providers/masking.h"
#include "providers/settings.h"

// The call that HTTP providers share: one JSON request and its answer within one deadline, with
// the retries that do no harm, a budget of calls, and failures told apart by what the far side may
// have done. Redirects, proxies and unverified TLS: never (base/http.h).

namespace pointsman {

// Where the API is and how it is spoken to. Made by read_api_settings() and the provider's maker.
struct ApiSettings {
  std::string provider;                // Its name in the configuration, for messages.
  std::string endpoint;                // "https://api.example.net/v4", without a slash at the end.
  Duration timeout = 2s;               // The longest wait for one answer.
  std::string ca_file{};               // PEM; empty: the system's store.
  std::vector<std::string> secrets{};  // Masked wherever they appear in text that we make.
  CallLimit limit{};
};

// What every HTTP provider is told:
//
//   options      endpoint  https, or http to this host itself, since whoever listens on the way
//   would
//                          read the credentials
//                timeout   "2s": the longest wait for one answer
//                ca_file   PEM, instead of the system's authorities
//
// and what is the type's own. Complains of whatever is wrong or unknown.
struct ApiOwn {
  std::string_view endpoint;  // Where none is configured.
  SettingsReader::Keys options{};
  SettingsReader::Keys credentials{};
};
ApiSettings read_api_settings(SettingsReader& reader, const ProviderSettings& settings,
                              const ApiOwn& own);

struct ApiRequest {
  std::string method = "GET";
  std::string target{};  // "/zones?name=example.test", encoded; follows the endpoint.
  std::string title{};   // For the log, where method and target do not say what it is.
  HttpHeaders headers{};
  std::string body{};
  std::string content_type = "application/json";  // Sent when there is a body.
  std::string accept = "application/json";
  // It changes something, so that it is never sent again when the far side may have acted.
  bool writes = false;
  // Served from the part of the budget that is kept for moves.
  bool of_move = false;
  // Good to know, but nothing hangs on it: asked once, and "come back later" holds up no other
  // call.
  bool once = false;
  bool may_be_empty = false;          // An answer without body is a success (204).
  std::size_t answer_most = 1 << 20;  // Of a good answer; of any other 1 MiB.
  // Of an answer that is a list, however long: which elements are wanted (Json::parse_list()).
  std::function<bool(const Json&)> keep{};
};

struct ApiAnswer {
  int status = 0;
  HttpHeaders headers;  // Names in lower case.
  Json body;            // Null when there was none and `may_be_empty`.

  bool well() const { return status >= 200 && status < 300; }
};

// What a provider adds to the call; each may be left out.
struct ApiHooks {
  // Completes a request before each sending (bearer token, signature with a fresh nonce).
  std::function<void(HttpRequest&)> sign{};
  // Whether an answer says "too many requests" though its status is not 429.
  std::function<bool(const ApiAnswer&)> throttled{};
};

// Time and chance; a test gives its own.
struct ApiOutside {
  const Clock& clock;  // Must outlive the caller.
  std::function<void(Duration)> sleep;
  std::function<std::uint64_t()> random;

  static ApiOutside real(const Clock& clock);
};

// One account at one API. One caller at a time; not thread-safe.
class ApiCaller {
 public:
  ApiCaller(ApiSettings settings, ApiHooks hooks, ApiOutside outside);

  // A value is an answer in JSON that is the far side's own judgement: 2xx, or 4xx for the provider
  // to read its code from (else status_error()). Failures:
  //   kTimeout      a write may have been acted on: its answer was lost, late, no JSON, too large,
  //                 or 5xx. Read before writing again. A read: no answer in time.
  //   kUnavailable  surely not acted on: not reached, no budget, told to come back later (429); or
  //                 a read that met 5xx or something that is not JSON.
  //   kRefused      TLS, or a redirect, which is not followed; 401 or 403 without JSON.
  //   others        as status_error(), when a 4xx carries no JSON.
  // Retries, jittered and few, as long as `deadline` (of the clock given) allows: reads, and
  // whatever was surely not acted on. Retry-After is obeyed, also by later calls, up to 5 minutes:
  // what is of a move waits for it if the deadline allows, other reads fail at once.
  Result<ApiAnswer> call(const ApiRequest& request, Instant deadline);

  // The request as it would go out, one line a header, secrets masked.
  std::string render(const ApiRequest& request) const;

  // "provider cf at api.cloudflare.com: ...", printable, secrets masked, 1000 bytes at most.
  Error error(ErrorCode code, std::string_view why) const;
  // Words of the far side for a part of such a sentence: masked before they are cut.
  std::string words(std::string_view said, std::size_t most = 300) const {
    return masking_.line(said, most);
  }
  // What a status other than 2xx means when nothing better is known.
  Error status_error(int status, std::string_view detail) const;

  Instant now() const { return outside_.clock.now(); }
  WallTime wall() const { return outside_.clock.wall(); }
  // Sleeps for `about`, and up to half as long again; false, at once, when `deadline` comes first.
  bool pause(Duration about, Instant deadline);
  // How far the far side's clock is ahead of ours, by the Date of its last answer: exact to about a
  // second. nullopt before the first.
  std::optional<Duration> server_ahead() const { return server_ahead_; }
  // "this host's clock is 12 s behind the server's", or "" within 2 s or when unknown.
  std::string skew_text() const;
  // "; it answered in 12 ms", of the last answer, and skew_text(): for the end of a pre-flight.
  std::string time_text() const;
  const ApiSettings& settings() const { return settings_; }

 private:
  struct Attempt;
  Attempt attempt(const ApiRequest& request, Instant deadline);
  void note_call(const ApiRequest& request, const Result<HttpAnswer>& answer, Instant began) const;
  Attempt judge(const ApiRequest& request, const HttpAnswer& answer);
  Attempt lost(const ApiRequest& request, Error failed) const;
  HttpRequest http_of(const ApiRequest& request) const;
  void note_time(const HttpAnswer& answer);
  Duration pause_of(const Attempt& last, int tries);

  const ApiSettings settings_;
  const ApiHooks hooks_;
  const ApiOutside outside_;
  const Masking masking_;
  HttpClient client_;
  CallBudget budget_;
  std::optional<Duration> server_ahead_;
  Duration latency_{0};
};

// "%2F" and the like for all but letters, digits and "-._~".
std::string percent_encoded(std::string_view text);

// "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<WallTime> parse_http_date(std::string_view text);

// Retry-After in seconds or as a date, which is taken against the answer's own Date, else against
// `wall`. nullopt: none, or none that can be read. Never negative, at most 5 minutes.
std::optional<Duration> retry_after(const HttpHeaders& headers, WallTime wall);

}  // namespace pointsman
