#include "providers/aliyun_api.h"

#include <fmt/format.h>

#include <array>

#include "base/address.h"
#include "base/crypto.h"
#include "base/text.h"

namespace pointsman {
namespace {

struct Known {
  std::string_view prefix;  // Of the vendor's code; the first that fits counts.
  ErrorCode code;
  AliyunNext next;
  std::string_view hint;
};

constexpr Duration kFirstWait = 500ms;
constexpr Duration kWaitMost = 4s;
constexpr std::size_t kCodeMost = 100;  // Of a code, or of the id of a request, in a message.

using enum ErrorCode;

constexpr std::array<Known, 30> kKnown{{
    {"DomainRecordDuplicate", kConflict, AliyunNext::kReadAgain, ""},
    {"DomainRecordConflict", kConflict, AliyunNext::kStop, "another record stands in the way"},
    {"DomainRecordNotBelongToUser", kNotFound, AliyunNext::kReadAgain, ""},
    {"InvalidRecordId", kNotFound, AliyunNext::kReadAgain, ""},
    {"DomainRecordLocked", kRefused, AliyunNext::kStop, "unlock the record in the console"},
    {"LastOperationNotFinished", kUnavailable, AliyunNext::kWait, ""},
    {"QuotaExceeded.TTL", kRefused, AliyunNext::kRaiseTtl,
     "the edition of the zone allows no such TTL"},
    {"SubDomainInvalid.TTL", kRefused, AliyunNext::kRaiseTtl,
     "the edition of the zone allows no such TTL"},
    {"InvalidDomainName", kNotFound, AliyunNext::kStop, "the zone is not in this account"},
    {"IncorrectDomainUser", kNotFound, AliyunNext::kStop, "the zone is not in this account"},
    {"DomainNotFound", kNotFound, AliyunNext::kStop, "the zone is not in this account"},
    {"InvalidLoadBalancerId", kNotFound, AliyunNext::kStop,
     "no such load balancer in this region and account"},
    {"InvalidAccessKeyId", kRefused, AliyunNext::kStop, "check access_key_id"},
    {"SignatureDoesNotMatch", kRefused, AliyunNext::kStop, "check access_key_secret"},
    {"IncompleteSignature", kRefused, AliyunNext::kStop, ""},
    {"InvalidTimeStamp", kRefused, AliyunNext::kStop, "mend the clock of this host"},
    {"SignatureNonceUsed", kUnavailable, AliyunNext::kReadAgain, ""},
    {"InvalidSecurityToken", kRefused, AliyunNext::kStop,
     "put fresh STS credentials into the credentials file and reload"},
    {"Forbidden.RAM", kRefused, AliyunNext::kStop, "the RAM policy does not allow this action"},
    {"NoPermission", kRefused, AliyunNext::kStop, "the RAM policy does not allow this action"},
    {"OperationDomain.NoPermission", kRefused, AliyunNext::kStop,
     "the RAM policy does not allow this action"},
    {"Forbidden", kRefused, AliyunNext::kStop, ""},
    {"DomainForbidden", kRefused, AliyunNext::kStop, "the zone is blocked"},
    {"DomainExpiredDNSForbidden", kRefused, AliyunNext::kStop, "the zone is blocked"},
    {"ServiceIsConfiguring", kUnavailable, AliyunNext::kWait, ""},
    {"OperationFailed", kUnavailable, AliyunNext::kWait, ""},
    {"LoadBalancerStatusNotSupport", kUnavailable, AliyunNext::kWait, ""},
    {"ServiceUnavailable", kTimeout, AliyunNext::kWait, ""},
    {"InternalError", kTimeout, AliyunNext::kWait, ""},
    {"UnKnownError", kTimeout, AliyunNext::kWait, ""},
}};

const Known* known(std::string_view code) {
  for (const Known& one : kKnown) {
    if (code.starts_with(one.prefix)) return &one;
  }
  return nullptr;
}

// Some gateways write the members in lower case.
std::string member(const Json& body, std::string_view name) {
  const std::string upper = body.string_or(name);
  return upper.empty() ? body.string_or(lowered(name)) : upper;
}

bool is_throttled(const ApiAnswer& answer) {
  return !answer.well() && member(answer.body, "Code").find("Throttling") != std::string::npos;
}

std::string host_of(const std::string& endpoint) {
  const auto url = url_parts_from(endpoint);
  if (!url) return "";
  const std::string host =
      url->host.find(':') == std::string::npos ? url->host : "[" + url->host + "]";
  return url->port == 0 ? host : fmt::format("{}:{}", host, url->port);
}

std::string date_text(WallTime wall) {
  return format_wall(wall).substr(0, std::string_view("2026-11-22T03:04:05").size()) + "Z";
}

std::vector<std::string> with_secrets(const AliyunKeys& keys) {
  std::vector<std::string> out{keys.secret};
  if (!keys.token.empty()) out.push_back(keys.token);
  return out;
}

ApiSettings masking(ApiSettings settings, const AliyunKeys& keys) {
  for (std::string& secret : with_secrets(keys)) settings.secrets.push_back(std::move(secret));
  return settings;
}

}  // namespace

AliyunKeys read_aliyun_keys(SettingsReader& reader) {
  constexpr const char* kText = "what the RAM console shows";
  AliyunKeys keys{reader.required_credential("access_key_id", kText),
                  reader.required_credential("access_key_secret", kText),
                  reader.credential("security_token")};
  const auto sound = [](const std::string& text) {
    for (const char c : text) {
      if (c <= ' ' || c > '~') return false;
    }
    return true;
  };
  constexpr const char* kPlain = "printable characters without spaces";
  if (!sound(keys.id)) reader.complain_credential("access_key_id", kPlain);
  if (!sound(keys.secret)) reader.complain_credential("access_key_secret", kPlain);
  if (!sound(keys.token)) reader.complain_credential("security_token", kPlain);
  if (keys.id.starts_with("STS.") && keys.token.empty()) {
    reader.complain_credential("security_token", "the token that belongs to an id of STS");
  }
  return keys;
}

AliyunApi::AliyunApi(ApiSettings settings, AliyunKeys keys, std::string version, ApiOutside outside)
    : keys_(std::move(keys)),
      version_(std::move(version)),
      outside_(outside),
      host_(host_of(settings.endpoint)),
      caller_(masking(std::move(settings), keys_),
              {[this](HttpRequest& request) { sign(request); }, is_throttled}, std::move(outside)) {
}

ApiRequest AliyunApi::request_of(const AliyunRequest& request) const {
  ApiRequest out;
  out.method = "POST";
  out.title = request.action;
  out.target = "/?" + canonical_query(request.parameters);
  if (request.parameters.empty()) out.target = "/";
  out.headers = {{"host", host_}, {"x-acs-action", request.action}, {"x-acs-version", version_}};
  out.writes = request.writes;
  out.of_move = request.of_move;
  out.once = request.once;
  return out;
}

void AliyunApi::sign(HttpRequest& request) const {
  AliyunToSign signing;
  signing.method = request.method;
  signing.body = request.body;
  const auto mark = request.url.find('?');
  AliyunFields headers{{"x-acs-date", date_text(outside_.clock.wall())},
                       {"x-acs-signature-nonce", random_id() + random_id()},
                       {"x-acs-content-sha256", hex(digest(Hash::kSha256, request.body))}};
  if (!keys_.token.empty()) {
    headers["x-acs-accesskey-id"] = keys_.id;
    headers["x-acs-security-token"] = keys_.token;
  }
  for (const auto& [name, value] : headers) request.headers.emplace_back(name, value);
  for (const auto& [name, value] : request.headers) {
    if (name == "host" || name.starts_with("x-acs-")) signing.headers[name] = value;
  }
  if (mark != std::string::npos) signing.query = request.url.substr(mark + 1);
  const auto path = request.url.find('/', request.url.find("://") + 3);
  signing.path = request.url.substr(path, mark - path);
  request.headers.emplace_back("authorization",
                               sign_aliyun(signing, keys_.id, keys_.secret).authorization);
}

Error AliyunApi::failed(Error error, std::string code, AliyunNext next) {
  failure_ = {error, std::move(code), next};
  return error;
}

Error AliyunApi::judge(const AliyunRequest& request, const ApiAnswer& answer) {
  const std::string code = caller_.words(member(answer.body, "Code"), kCodeMost);
  const std::string text = fmt::format("{} answers {} {}: {} (request {})", request.action,
                                       answer.status, code.empty() ? "without a code" : code,
                                       caller_.words(member(answer.body, "Message")),
                                       caller_.words(member(answer.body, "RequestId"), kCodeMost));
  const Known* meaning = known(code);
  if (meaning == nullptr) {
    if (answer.well() || answer.status >= 500) {
      return failed(caller_.error(kTimeout, text), code, AliyunNext::kWait);
    }
    return failed(caller_.status_error(answer.status, text), code, AliyunNext::kStop);
  }
  std::string hint(meaning->hint);
  const std::string skew = caller_.skew_text();
  if (code.starts_with("InvalidTimeStamp") && !skew.empty()) hint += ": " + skew;
  return failed(caller_.error(meaning->code, hint.empty() ? text : text + "; " + hint), code,
                meaning->next);
}

Result<Json> AliyunApi::call(const AliyunRequest& request, Instant deadline) {
  auto answer = caller_.call(request_of(request), deadline);
  if (!answer.ok()) {
    const ErrorCode code = answer.error().code;
    const AliyunNext next = code == kTimeout       ? AliyunNext::kReadAgain
                            : code == kUnavailable ? AliyunNext::kWait
                                                   : AliyunNext::kStop;
    return failed(answer.error(), "", next);
  }
  // A success carries no code; one that does is none, whatever its status says.
  if (!answer->well() || !member(answer->body, "Code").empty()) return judge(request, *answer);
  return std::move(answer->body);
}

bool AliyunApi::may_go_on(int round, Instant deadline) {
  if (failure_.next == AliyunNext::kStop) return false;
  if (failure_.next == AliyunNext::kReadAgain && round == 0) return true;
  const Duration wait = std::min<Duration>(kFirstWait * (1 << std::min(round, 3)), kWaitMost);
  const Duration jittered = wait + wait * static_cast<int>(outside_.random() % 100) / 200;
  if (caller_.now() + jittered >= deadline) return false;
  outside_.sleep(jittered);
  return true;
}

Result<std::string> AliyunApi::try_right(const AliyunRequest& impossible, std::string_view look_at,
                                         Instant deadline) {
  // The next would undo what somebody has mended since.
  if (applied_) return *applied_;
  const auto done = call(impossible, deadline);
  if (done.ok() && !look_at.empty()) {
    applied_ = caller_.error(
        kRefused, fmt::format("{} took what it had to turn down: a mere trial of the right was "
                              "applied; look at {} at once",
                              impossible.action, look_at));
    return *applied_;
  }
  if (done.ok() || (failure_.error.code != kTimeout && failure_.error.code != kUnavailable &&
                    failure_.error.code != kRefused)) {
    return impossible.action + " is allowed";
  }
  if (failure_.error.code == kRefused && failure_.next == AliyunNext::kRaiseTtl) {
    return impossible.action + " is allowed";
  }
  if (failure_.error.code == kRefused) return failure_.error;
  return fmt::format("whether {} is allowed is not known ({})", impossible.action,
                     failure_.code.empty() ? to_string(failure_.error.code) : failure_.code);
}

Error after_write(const Error& written, const Error& read) {
  if (written.message.empty() || read.code == kConflict) return read;
  if (written.code == kUnavailable) return written;  // It has not been acted on.
  return {kTimeout,
          fmt::format("outcome unknown: {}; and reading it: {}", written.message, read.message)};
}

std::string AliyunApi::render(const AliyunRequest& request) const {
  std::string out = caller_.render(request_of(request));
  constexpr std::string_view kSignature = ",Signature=";
  const auto at = out.find(kSignature);
  if (at == std::string::npos) return out;
  const auto begin = at + kSignature.size();
  return out.replace(begin, out.find('\n', begin) - begin, "***");
}

}  // namespace pointsman
