#include "orchestrator/offline/preflight.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "base/log.h"
#include "orchestrator/offline/certs.h"
#include "orchestrator/offline/notice_preflight.h"
#include "orchestrator/offline/reachable.h"

namespace pointsman {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kSoonDays = 30;

using Items = std::vector<PreflightItem>;
using Task = std::function<Items()>;

PreflightItem failed(std::string name, const Error& error) {
  return {std::move(name), false, false, printable(error.message)};
}

Items ask_record(Provider& provider, const ServiceSettings& service, const RecordSettings& record,
                 Duration within) {
  Items items;
  const RecordKey key{record.zone, record.name, record.type};
  const std::string name = fmt::format("{} {}", key.name, key.type);
  const auto sound = provider.preflight(key, std::max(within, provider.limits().change));
  items.push_back(
      sound ? PreflightItem{fmt::format("provider {} for {}", record.provider, name), true, false,
                            printable(*sound)}
            : failed(fmt::format("provider {} for {}", record.provider, name), sound.error()));
  const auto live = provider.read(key, std::max(within, provider.limits().reading));
  if (!live) {
    items.push_back(failed("record " + name, live.error()));
    return items;
  }
  items.push_back(judge_record(service, record, *live, provider.limits()));
  std::vector<std::string> servers = record.authorities;
  if (servers.empty()) {
    auto found = provider.authorities(key, within);
    if (!found) {
      items.push_back(failed("authoritative answers " + name, found.error()));
      return items;
    }
    servers = *std::move(found);
  }
  if (servers == std::vector<std::string>{kApiAuthority}) {
    items.push_back({"authoritative answers " + name, true, false,
                     "not asked: no name server can show this record, the provider's API has the "
                     "last word"});
    return items;
  }
  std::vector<AuthorityAnswer> answers;
  for (const std::string& server : servers) answers.push_back(ask_authority(server, key, within));
  items.push_back(judge_authorities(*live, answers));
  items.push_back(judge_zone(key, *live, ask_delegated(key, within)));
  return items;
}

// One provider at a time answers one question at a time; different ones are asked together.
Items ask_provider(const MonitorConfig& config, const ProviderSettings& settings,
                   const Clock& clock, Duration within) {
  Items items;
  const auto provider = make_provider(settings, clock);
  if (!provider) return {failed("provider " + settings.name, provider.error())};
  bool used = false;
  for (const ServiceSettings& service : config.services) {
    for (const RecordSettings& record : service.records) {
      if (record.provider != settings.name) continue;
      used = true;
      for (PreflightItem& item : ask_record(**provider, service, record, within)) {
        items.push_back(std::move(item));
      }
    }
  }
  if (!used) {
    items.push_back({"provider " + settings.name, true, true, "no record uses it"});
  }
  return items;
}

struct AgentQuestion {
  SiteSettings site;
  std::vector<std::string> services;
};

std::vector<AgentQuestion> agents_of(const MonitorConfig& config) {
  std::vector<AgentQuestion> all;
  for (const ServiceSettings& service : config.services) {
    for (const SiteSettings& site : service.sites) {
      if (site.agent.empty()) continue;
      const auto met = std::find_if(all.begin(), all.end(), [&](const AgentQuestion& q) {
        return q.site.agent == site.agent && q.site.name == site.name;
      });
      if (met == all.end()) {
        all.push_back({site, {service.name}});
      } else {
        met->services.push_back(service.name);
      }
    }
  }
  return all;
}

Items ask_agent(const MonitorConfig& config, const AgentQuestion& question, Duration within) {
  TlsIdentity tls = config.tls;
  tls.peer_name = question.site.name;
  HttpClient client(tls);
  HttpRequest request;
  request.url = question.site.agent + "/v1/version";
  request.answer_most = 64 << 10;
  return {judge_agent(question.site, question.services, client.exchange(request, within))};
}

PreflightItem judge_certificate(const std::string& file) {
  PreflightItem item;
  item.name = "certificate " + file;
  const auto facts = read_identity(file);
  if (!facts) return failed(item.name, facts.error());
  const std::int64_t days = facts->seconds_left / kDay;
  if (facts->seconds_left <= 0) {
    item.text = fmt::format("has expired at {}", facts->not_after);
  } else if (facts->not_yet_valid) {
    item.text = "begins in the future: is the clock of this host right?";
  } else {
    item.ok = true;
    item.warning = days < kSoonDays;
    item.text = fmt::format("{} days left, until {}{}", days, facts->not_after,
                            item.warning ? "; renew it soon" : "");
    if (!facts->names.empty()) {
      item.text +=
          fmt::format("; identity {}", printable(fmt::format("{}", fmt::join(facts->names, ", "))));
    }
  }
  return item;
}

Items judge_certificates(const MonitorConfig& config) {
  Items items;
  const TlsIdentity& tls = config.tls;
  for (const std::string& file : {tls.ca_file, tls.cert_file}) {
    if (!file.empty()) items.push_back(judge_certificate(file));
  }
  if (!tls.cert_file.empty()) {
    const auto fits = check_identity(tls.ca_file, tls.cert_file, tls.key_file);
    items.push_back(fits ? PreflightItem{"identity towards agents", true, false,
                                         "certificate, key and authority fit"}
                         : failed("identity towards agents", fits.error()));
  }
  if (config.web && !config.web->cert.empty()) {
    items.push_back(judge_certificate(config.web->cert));
  }
  return items;
}

PreflightItem ask_reference(const std::string& reference, Duration within) {
  const auto took = reach(reference, within);
  if (took) {
    return {"reference " + reference, true, false, fmt::format("answers, {} ms", whole_ms(*took))};
  }
  PreflightItem item = failed("reference " + reference, took.error());
  item.text += "; when no reference answers, nothing moves by itself";
  return item;
}

Items run_all(const std::vector<Task>& tasks, int at_once) {
  std::vector<Items> results(tasks.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t k = next++; k < tasks.size(); k = next++) results[k] = tasks[k]();
  };
  std::vector<std::thread> workers;
  const std::size_t count = std::min(tasks.size(), static_cast<std::size_t>(std::max(at_once, 1)));
  try {
    for (std::size_t k = 1; k < count; ++k) workers.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads to be had: those there are, this one at least, do all of it.
  }
  work();
  for (std::thread& worker : workers) worker.join();
  Items all;
  for (Items& items : results) {
    for (PreflightItem& item : items) all.push_back(std::move(item));
  }
  return all;
}

}  // namespace

std::vector<PreflightItem> preflight(const MonitorConfig& config, const Clock& clock,
                                     const PreflightSettings& settings) {
  std::vector<Task> tasks;
  for (const ProviderSettings& provider : config.providers) {
    tasks.emplace_back([&config, &provider, &clock, within = settings.within] {
      return ask_provider(config, provider, clock, within);
    });
  }
  for (const AgentQuestion& question : agents_of(config)) {
    tasks.emplace_back([&config, question, within = settings.within] {
      return ask_agent(config, question, within);
    });
  }
  tasks.emplace_back([&config] { return judge_certificates(config); });
  for (const std::string& reference : config.references) {
    tasks.emplace_back(
        [&reference, within = settings.within] { return Items{ask_reference(reference, within)}; });
  }
  for (const NoticeSettings& notice : config.notices) {
    tasks.emplace_back([&config, &notice, &clock, within = settings.within] {
      return Items{ask_channel(config, notice, clock, within)};
    });
  }
  return run_all(tasks, settings.at_once);
}

}  // namespace pointsman
