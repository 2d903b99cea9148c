#include "orchestrator/shell/agent_certificates.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.h"

namespace pointsman {
namespace {

constexpr Duration kWithin = 1s;
constexpr Duration kWhenTold = 1h;
constexpr Duration kWhenSilent = 1min;
constexpr std::size_t kAnswerMost = 64 << 10;
constexpr double kYears = 100.0 * 366 * 86'400;  // No certificate that is longer is believed.

// nullopt: it does not answer, or is of a version that does not say.
std::optional<Duration> ask(const TlsIdentity& identity, const std::string& site,
                            const std::string& url) {
  TlsIdentity tls = identity;
  tls.peer_name = site;
  HttpClient client(std::move(tls));
  HttpRequest request;
  request.url = url + "/v1/version";
  request.answer_most = kAnswerMost;
  const auto answer = client.exchange(request, kWithin);
  if (!answer.ok() || answer->status != 200) return std::nullopt;
  const auto json = Json::parse(answer->body);
  if (!json.ok() || json->find("certificate_seconds_left") == nullptr) return std::nullopt;
  const double left = std::clamp(json->number_or("certificate_seconds_left"), -kYears, kYears);
  return std::chrono::seconds(static_cast<std::int64_t>(left));
}

}  // namespace

AgentCertificates::AgentCertificates(const Clock& clock, TlsIdentity tls,
                                     std::map<std::string, std::string> agents)
    : clock_(clock), tls_(std::move(tls)) {
  for (auto& [site, url] : agents) agents_[site].url = std::move(url);
}

Instant AgentCertificates::turn(Instant now) {
  const auto earlier = [](const auto& a, const auto& b) { return a.second.due < b.second.due; };
  const auto first = std::min_element(agents_.begin(), agents_.end(), earlier);
  if (first == agents_.end()) return Instant::never();
  if (first->second.due <= now) {
    const auto left = ask(tls_, first->first, first->second.url);
    const Instant heard = clock_.now();
    first->second.due = heard + (left ? kWhenTold : kWhenSilent);
    if (left) {
      const std::lock_guard lock(mutex_);
      ends_[first->first] = heard + *left;
    }
  }
  return std::min_element(agents_.begin(), agents_.end(), earlier)->second.due;
}

std::map<std::string, Duration> AgentCertificates::left(Instant now) const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, Duration> all;
  for (const auto& [site, end] : ends_) all[site] = end - now;
  return all;
}

}  // namespace pointsman
