#include "test/support/fake_aliyun.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

namespace pointsman {
namespace {

std::string in_hex(const unsigned char* bytes, std::size_t count) {
  const char* const digits = "0123456789abcdef";
  std::string out;
  for (std::size_t k = 0; k < count; ++k) {
    out.push_back(digits[bytes[k] / 16]);
    out.push_back(digits[bytes[k] % 16]);
  }
  return out;
}

std::string sha256(const std::string& text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), out, &size, EVP_sha256(), nullptr);
  return in_hex(out, size);
}

std::string hmac_sha256(const std::string& key, const std::string& text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &size);
  return in_hex(out, size);
}

std::string decoded(const std::string& text) {
  std::string out;
  for (std::size_t k = 0; k < text.size(); ++k) {
    if (text[k] == '%' && k + 2 < text.size()) {
      out.push_back(static_cast<char>(std::strtol(text.substr(k + 1, 2).c_str(), nullptr, 16)));
      k += 2;
    } else {
      out.push_back(text[k] == '+' ? ' ' : text[k]);
    }
  }
  return out;
}

std::string encoded(const std::string& text) {
  static const std::string kKept =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
  std::string out;
  for (const char c : text) {
    if (kKept.find(c) != std::string::npos) {
      out.push_back(c);
      continue;
    }
    char escape[4];
    std::snprintf(escape, sizeof escape, "%%%02X", static_cast<unsigned>(c) & 0xFFU);
    out += escape;
  }
  return out;
}

void split_pairs(const std::string& text, std::map<std::string, std::string>& into) {
  for (std::size_t at = 0; at < text.size();) {
    const auto stop = std::min(text.find('&', at), text.size());
    const auto equals = std::min(text.find('=', at), stop);
    into[decoded(text.substr(at, equals - at))] =
        equals < stop ? decoded(text.substr(equals + 1, stop - equals - 1)) : "";
    at = stop + 1;
  }
}

std::string part(const std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  if (at == std::string::npos) return "";
  const auto begin = at + from.size();
  const auto stop = to.empty() ? std::string::npos : text.find(to, begin);
  return text.substr(begin, stop == std::string::npos ? stop : stop - begin);
}

// The signature that `request` should carry, from the wire alone.
std::string expected_signature(const FakeRequest& request, const std::string& secret) {
  const auto mark = request.target.find('?');
  std::map<std::string, std::string> query;
  if (mark != std::string::npos) split_pairs(request.target.substr(mark + 1), query);
  std::string canonical = request.method + "\n" + request.target.substr(0, mark) + "\n";
  for (auto at = query.begin(); at != query.end(); ++at) {
    canonical += (at == query.begin() ? "" : "&") + encoded(at->first) + "=" + encoded(at->second);
  }
  canonical += "\n";
  const std::string names = part(request.header("authorization"), "SignedHeaders=", ",");
  for (std::size_t at = 0; at <= names.size();) {
    const auto stop = std::min(names.find(';', at), names.size());
    const std::string name = names.substr(at, stop - at);
    canonical += name + ":" + request.header(name) + "\n";
    at = stop + 1;
  }
  canonical += "\n" + names + "\n" + sha256(request.body);
  return hmac_sha256(secret, "ACS3-HMAC-SHA256\n" + sha256(canonical));
}

// Every header that must be signed is; nullopt, or the one that is not.
std::optional<std::string> unsigned_header(const FakeRequest& request) {
  const std::string names =
      ";" + part(request.header("authorization"), "SignedHeaders=", ",") + ";";
  for (const auto& [name, value] : request.headers) {
    const bool must = name == "host" || name.starts_with("x-acs-") ||
                      (name == "content-type" && !request.body.empty());
    if (must && names.find(";" + name + ";") == std::string::npos) return name;
  }
  return std::nullopt;
}

long seconds_of(const std::string& date) {
  std::tm parts{};
  const char* end = strptime(date.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return end == nullptr || *end != '\0' ? -1 : static_cast<long>(timegm(&parts));
}

std::string date_header(long at) {
  char out[64];
  const std::time_t time = at;
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return out;
}

}  // namespace

FakeAliyun::FakeAliyun() : http_([this](const FakeRequest& request) { return answer(request); }) {}

void FakeAliyun::between(Between between) {
  const std::lock_guard lock(mutex_);
  between_ = std::move(between);
}

std::vector<FakeCall> FakeAliyun::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::vector<std::string> FakeAliyun::refusals() const {
  const std::lock_guard lock(mutex_);
  return refusals_;
}

void FakeAliyun::forget_calls() {
  const std::lock_guard lock(mutex_);
  calls_.clear();
  refusals_.clear();
}

int FakeAliyun::count(const std::string& action) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(
      calls_.begin(), calls_.end(), [&](const FakeCall& call) { return call.action == action; }));
}

long FakeAliyun::writes() const {
  const std::lock_guard lock(mutex_);
  return std::count_if(calls_.begin(), calls_.end(),
                       [](const FakeCall& call) { return !call.action.starts_with("Describe"); });
}

FakeReply FakeAliyun::error(int status, const std::string& code, const std::string& message) {
  return {status, Json::object({{"RequestId", "0B7AD377-7E86-44A8-B9A8-53E8666E72FE"},
                                {"HostId", "127.0.0.1"},
                                {"Code", code},
                                {"Message", message}})
                      .dump()};
}

FakeReply FakeAliyun::answer(const FakeRequest& request) {
  FakeCall call;
  Between between;
  std::optional<FakeReply> reply;
  long now = 0;
  {
    const std::lock_guard lock(mutex_);
    now = static_cast<long>(std::time(nullptr)) + world_.clock_ahead_s;
    reply = refuse(request, call);
    if (reply) {
      refusals_.push_back(reply->body);
    } else {
      calls_.push_back(call);
      between = between_;
    }
  }
  const auto serving = [this, call] {
    const std::lock_guard lock(mutex_);
    return serve(call);
  };
  if (!reply) reply = between ? between(call, serving) : serving();
  reply->headers.emplace_back("Date", date_header(now));
  return *std::move(reply);
}

std::optional<FakeReply> FakeAliyun::refuse(const FakeRequest& request, FakeCall& call) {
  const std::string authorization = request.header("authorization");
  call.action = request.header("x-acs-action");
  const auto mark = request.target.find('?');
  if (mark != std::string::npos) split_pairs(request.target.substr(mark + 1), call.parameters);
  if (request.header("content-type") == "application/x-www-form-urlencoded") {
    split_pairs(request.body, call.parameters);
  }
  const auto key = world_.keys.find(part(authorization, "Credential=", ","));
  if (key == world_.keys.end()) {
    return error(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.");
  }
  if (!authorization.starts_with("ACS3-HMAC-SHA256 ") ||
      request.header("x-acs-content-sha256") != sha256(request.body) ||
      part(authorization, "Signature=", "") != expected_signature(request, key->second.secret)) {
    return error(400, "SignatureDoesNotMatch", "Specified signature is not matched.");
  }
  if (const auto name = unsigned_header(request)) {
    return error(400, "IncompleteSignature", *name + " is not signed");
  }
  const long now = static_cast<long>(std::time(nullptr)) + world_.clock_ahead_s;
  const long then = seconds_of(request.header("x-acs-date"));
  if (then < 0) return error(400, "InvalidTimeStamp.Format", "Specified time stamp is no time.");
  if (std::labs(now - then) > 900) {
    return error(400, "InvalidTimeStamp.Expired", "Specified time stamp or date is expired.");
  }
  if (!nonces_.insert(request.header("x-acs-signature-nonce")).second) {
    return error(400, "SignatureNonceUsed", "Specified signature nonce was used already.");
  }
  if (request.header("x-acs-security-token") != key->second.token) {
    return error(403, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.");
  }
  if (key->second.denied.count(call.action) != 0) {
    return error(403, "Forbidden.RAM", "User not authorized to operate on the resource.");
  }
  const std::string version = request.header("x-acs-version");
  const bool balances = call.action.find("Backend") != std::string::npos ||
                        call.action.find("LoadBalancer") != std::string::npos ||
                        call.action == "DescribeHealthStatus";
  if (version != (balances ? "2014-05-15" : "2015-01-09")) {
    return error(404, "InvalidAction.NotFound", "Specified api is not found: " + call.action);
  }
  return std::nullopt;
}

FakeReply FakeAliyun::serve(const FakeCall& call) {
  if (call.action == "DescribeSubDomainRecords") return describe(call);
  if (call.action == "DescribeDomainInfo") return describe_domain(call);
  if (call.action.find("DomainRecord") != std::string::npos) return write(call);
  return balance(call);
}

}  // namespace pointsman
