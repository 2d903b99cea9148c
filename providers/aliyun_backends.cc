#include "providers/aliyun_backends.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/address.h"
#include "base/log.h"
#include "providers/compare.h"

namespace pointsman {
namespace {

constexpr int kFull = 100;

Error invalid(const RecordKey& key, std::string_view why) {
  return {ErrorCode::kInvalid, fmt::format("{}: {}", to_text(key), why)};
}

Error unreadable(std::string_view what) {
  return {ErrorCode::kInvalid, fmt::format("the answer is not understood: {}", what)};
}

bool is_id(const std::string& text) {
  return is_plain_name(text) && text.find('.') == std::string::npos;
}

Result<void> make_canonical(const RecordKey& key, std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    if (!is_id(id)) return invalid(key, fmt::format("\"{}\" is no server's id", printable(id)));
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return {};
}

// Weights come as numbers or as text.
std::optional<int> weight_of(const Json& server) {
  const Json* found = server.find("Weight");
  if (found == nullptr) return std::nullopt;
  std::int64_t out = -1;
  if (found->is_int()) {
    out = found->as_int();
  } else if (found->is_string()) {
    const std::string& text = found->as_string();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  }
  if (out < 0 || out > kFull) return std::nullopt;
  return static_cast<int>(out);
}

Result<const Json*> server_list(const Json& answer) {
  const Json* servers = answer.find("BackendServers");
  const Json* list = servers == nullptr ? nullptr : servers->find("BackendServer");
  if (list == nullptr || !list->is_array()) return unreadable("no BackendServers.BackendServer");
  return list;
}

bool holds(const std::vector<std::string>& ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

Result<void> check_balancer(const RecordKey& key) {
  if (key.type != "SLB") return invalid(key, "the type is not SLB");
  if (!is_id(key.zone)) return invalid(key, "the zone is no region, as cn-hangzhou");
  if (!is_id(key.name)) return invalid(key, "the name is no load balancer's id");
  return {};
}

Result<Change> check_backends(const Change& change) {
  RETURN_IF_ERROR(check_balancer(change.key));
  Change out = change;
  RETURN_IF_ERROR(make_canonical(change.key, out.desired));
  RETURN_IF_ERROR(make_canonical(change.key, out.expected));
  if (out.desired.empty())
    return invalid(change.key, "a load balancer is never left without a server");
  RETURN_IF_ERROR(check_mark(change));
  return out;
}

Result<Balancer> parse_balancer(const RecordKey& key, const Json& answer) {
  const auto list = server_list(answer);
  if (!list.ok()) return list.error();
  Balancer out;
  out.set.key = key;
  out.status = answer.string_or("LoadBalancerStatus");
  for (const Json& server : (*list)->as_array()) {
    const auto weight = weight_of(server);
    Backend backend{server.string_or("ServerId"), weight.value_or(0),
                    server.string_or("Type", "ecs"), server.string_or("ServerIp")};
    if (backend.id.empty() || !weight) return unreadable("a server without ServerId or Weight");
    if (backend.weight > 0 && !holds(out.set.values, backend.id)) {
      out.set.values.push_back(backend.id);
    }
    out.backends.push_back(std::move(backend));
  }
  std::sort(out.set.values.begin(), out.set.values.end());
  return out;
}

Result<void> compare_backends(const Balancer& live, const Change& change) {
  RecordSet set = live.set;
  set.ttl = change.ttl;
  set.mark = change.mark;
  const auto todo = compare(set, change);
  if (!todo.ok()) return todo.error();
  return {};
}

Result<std::vector<std::vector<Backend>>> plan_backends(const Balancer& live,
                                                        const Change& change) {
  std::vector<Backend> all;
  for (const std::string& id : change.desired) {
    bool member = false;
    for (Backend backend : live.backends) {
      if (backend.id != id) continue;
      member = true;
      if (backend.weight > 0) continue;
      backend.weight = kFull;
      all.push_back(std::move(backend));
    }
    if (!member) {
      return Error{ErrorCode::kNotFound, fmt::format("{} is no server of the default group of {}",
                                                     printable(id), to_text(change.key))};
    }
  }
  for (Backend backend : live.backends) {
    if (backend.weight == 0 || holds(change.desired, backend.id)) continue;
    backend.weight = 0;
    all.push_back(std::move(backend));
  }
  std::vector<std::vector<Backend>> calls;
  for (Backend& backend : all) {
    if (calls.empty() || calls.back().size() == kBackendsAtOnce) calls.emplace_back();
    calls.back().push_back(std::move(backend));
  }
  return calls;
}

std::string backends_text(const std::vector<Backend>& backends) {
  Json list = Json::array();
  for (const Backend& backend : backends) {
    Json entry = Json::object({{"ServerId", backend.id},
                               {"Weight", std::to_string(backend.weight)},
                               {"Type", backend.type}});
    if (backend.type != "ecs" && !backend.ip.empty()) entry.set("ServerIp", backend.ip);
    list.push(std::move(entry));
  }
  return list.dump();
}

Result<std::vector<BackendHealth>> parse_backend_health(const Json& answer) {
  const auto list = server_list(answer);
  if (!list.ok()) return list.error();
  std::vector<BackendHealth> out;
  for (const Json& server : (*list)->as_array()) {
    out.push_back({server.string_or("ServerId"), server.string_or("ServerHealthStatus")});
  }
  return out;
}

Result<void> judge_backend_health(const std::vector<BackendHealth>& health,
                                  const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    bool told = false;
    bool sound = false;
    for (const BackendHealth& one : health) {
      if (one.id != id) continue;
      told = true;
      sound = sound || one.state != "abnormal";
    }
    if (sound || !told) return {};
  }
  return Error{ErrorCode::kRefused,
               fmt::format("every server of that site fails the load balancer's health checks: {}",
                           to_text(ids))};
}

}  // namespace pointsman
