#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "orchestrator/offline/preflight.h"
#include "providers/compare.h"

namespace pointsman {
namespace {

std::string listed(const std::vector<std::string>& values) {
  return values.empty() ? "nothing" : fmt::format("{}", fmt::join(values, ", "));
}

std::string record_name(const RecordKey& key) { return fmt::format("{} {}", key.name, key.type); }

// The site whose values these are; nullptr: of none.
const std::string* site_of(const RecordSettings& record, const std::vector<std::string>& values) {
  for (const auto& [site, own] : record.values) {
    std::vector<std::string> sorted = own;
    std::sort(sorted.begin(), sorted.end());
    if (sorted == values) return &site;
  }
  return nullptr;
}

struct Hint {
  std::string_view sign;  // In what the TLS library said.
  std::string_view words;
};
// From the particular to the general.
constexpr std::array<Hint, 9> kHints{{
    {"has expired", "its certificate has expired; `pointsman certs issue --renew NAME` renews it"},
    {"not yet valid", "its certificate begins in the future: one of the two clocks is wrong"},
    {"ostname mismatch",
     "its certificate is that of another name: are the URLs of the two sites exchanged?"},
    {"does not match",
     "its certificate is that of another name: are the URLs of the two sites exchanged?"},
    {"self-signed", "its certificate is of another authority than our ca.pem"},
    {"local issuer", "its certificate is of another authority than our ca.pem"},
    {"wrong version number", "something that does not speak TLS listens there"},
    {"the far side refuses",
     "the agent refused our certificate: is its ca.pem ours, and ours not expired?"},
    {"certificate", "the certificates do not fit; were both made by one `pointsman certs init`?"},
}};

std::string in_plain_words(const Error& error) {
  const bool too_late = error.message.find("timed out") != std::string::npos;
  if (error.code == ErrorCode::kRefused) {
    for (const Hint& hint : kHints) {
      if (error.message.find(hint.sign) != std::string::npos) return std::string(hint.words);
    }
    return "TLS was refused";
  }
  if (too_late) {
    return "does not answer in time: the host is down or hung, or a firewall drops the port";
  }
  if (error.code == ErrorCode::kUnavailable) {
    return "is not reached: the agent does not run, or the address is wrong";
  }
  // With TLS 1.3 a server refuses our certificate after our side of the handshake is done.
  if (error.code == ErrorCode::kTimeout) {
    return "closed the connection without an answer, most often because it refused our "
           "certificate: is its ca.pem ours, and ours not expired?";
  }
  return "gives no sound answer";
}

PreflightItem refused_status(PreflightItem item, const HttpAnswer& answer) {
  if (answer.status == 401 || answer.status == 403) {
    item.text = fmt::format(
        "refuses orders from our certificate ({}): add its name to monitors in agent.toml",
        answer.status);
  } else {
    item.text =
        fmt::format("answers {} to /v1/version: is this an agent of pointsman?", answer.status);
  }
  return item;
}

}  // namespace

PreflightItem judge_record(const ServiceSettings& service, const RecordSettings& record,
                           const RecordSet& live, const ProviderLimits& limits) {
  PreflightItem item;
  item.name = "record " + record_name(live.key);
  if (live.values.empty()) {
    item.text = "does not exist; make it with the value of the site in power before the first run";
    return item;
  }
  std::vector<std::string> values = live.values;
  std::sort(values.begin(), values.end());
  const std::string* site = site_of(record, values);
  if (site == nullptr) {
    item.text = fmt::format("names {}, the value of no site: the gate `record` would stay shut",
                            listed(values));
    return item;
  }
  const std::string ours = fmt::format("pointsman service={} ", service.name);
  for (const std::string& mark : marks_of(live.mark)) {
    if (mark.empty() || mark.starts_with(ours)) continue;
    item.text = fmt::format("carries the mark of another, \"{}\": no move would overwrite it",
                            printable(mark));
    return item;
  }
  item.ok = true;
  item.text = fmt::format("names {} ({}), TTL {} s", *site, listed(values), live.ttl.count());
  if (limits.ttl_min > service.ttl) {
    const double total =
        seconds(worst_case(service).total) + static_cast<double>(limits.ttl_min.count());
    item.warning = true;
    item.text += fmt::format(
        "; the provider takes no TTL below {} s (asked for: {} s), so caches follow a failover "
        "only after up to {:.1f} s in all",
        limits.ttl_min.count(), service.ttl.count(), total);
  } else if (live.ttl > service.ttl) {
    item.warning = true;
    item.text += fmt::format(
        "; configured are {} s: caches keep an answer longer until the first move, and "
        "after it too where the service raises TTLs by itself",
        service.ttl.count());
  }
  return item;
}

PreflightItem judge_authorities(const RecordSet& live,
                                const std::vector<AuthorityAnswer>& answers) {
  PreflightItem item;
  item.name = "authoritative answers " + record_name(live.key);
  if (answers.empty()) {
    item.text = "no authoritative server is known; name them with `authorities`";
    return item;
  }
  std::vector<std::string> expected = live.values;
  std::sort(expected.begin(), expected.end());
  item.ok = true;
  for (const AuthorityAnswer& answer : answers) {
    if (!item.text.empty()) item.text += "; ";
    if (!answer.answered) {
      item.ok = false;
      item.text += fmt::format("{} does not answer: {}", answer.server, printable(answer.problem));
      continue;
    }
    std::vector<std::string> values = answer.values;
    std::sort(values.begin(), values.end());
    const bool same = values == expected;
    item.ok = item.ok && same;
    item.text += same ? fmt::format("{} agrees ({} ms)", answer.server, whole_ms(answer.took))
                      : fmt::format("{} says {} where the provider says {}", answer.server,
                                    listed(values), listed(expected));
  }
  return item;
}

PreflightItem judge_zone(const RecordKey& key, const RecordSet& live,
                         const Result<std::vector<AuthorityAnswer>>& delegated) {
  PreflightItem item;
  item.name = fmt::format("delegation of {} for {}", key.zone, record_name(key));
  if (!delegated) {
    item.ok = true;
    item.warning = delegated.error().code != ErrorCode::kNotFound;
    item.text = "not compared: " + printable(delegated.error().message);
    return item;
  }
  std::vector<std::string> values = live.values;
  std::sort(values.begin(), values.end());
  const Delegation found = judge_delegation(values, *delegated);
  item.ok = found.serves;
  item.text = printable(found.text);
  return item;
}

PreflightItem judge_agent(const SiteSettings& site, const std::vector<std::string>& services,
                          const Result<HttpAnswer>& answer) {
  PreflightItem item;
  item.name = fmt::format("agent {} at {}", site.name, site.agent);
  if (!answer) {
    item.text =
        fmt::format("{} ({})", in_plain_words(answer.error()), printable(answer.error().message));
    return item;
  }
  if (answer->status != 200) return refused_status(std::move(item), *answer);
  const auto json = Json::parse(answer->body);
  const auto told = json ? json->string_at("site") : Result<std::string>(json.error());
  if (!told) {
    item.text = "answers /v1/version without a site: is this an agent of pointsman?";
    return item;
  }
  if (*told != site.name) {
    item.text = fmt::format("says that it is the agent of \"{}\"", printable(*told));
    return item;
  }
  std::vector<std::string> has;
  for (const Json& service : json->array_or_empty("services")) {
    if (service.is_string()) has.push_back(service.as_string());
  }
  std::vector<std::string> lacks;
  for (const std::string& service : services) {
    if (std::find(has.begin(), has.end(), service) == has.end()) lacks.push_back(service);
  }
  item.ok = lacks.empty();
  item.text = item.ok ? fmt::format("version {}, {} ms", printable(json->string_or("version", "?")),
                                    whole_ms(answer->took))
                      : fmt::format("its agent.toml has no service {}", listed(lacks));
  return item;
}

}  // namespace pointsman
