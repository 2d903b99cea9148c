#include "providers/aliyun_slb.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "providers/compare.h"

namespace pointsman {
namespace {

constexpr int kRoundsMost = 6;
constexpr Duration kConfirmWithin = 3s;
constexpr Duration kConfirmFirstPause = 20ms;
constexpr Duration kHealthWithin = 500ms;
constexpr const char* kNoServer = "i-pointsman-tries-its-rights";  // Member of nothing.

std::string calls_text(const std::vector<std::vector<Backend>>& calls) {
  std::string out;
  for (const auto& call : calls) {
    for (const Backend& backend : call) {
      out +=
          fmt::format("{}{} should weigh {}", out.empty() ? "" : ", ", backend.id, backend.weight);
    }
  }
  return printable(out);
}

// So that most of the time is left for the move itself.
Instant health_deadline(Instant now, Instant deadline) {
  return now + std::min<Duration>((deadline - now) / 4, kHealthWithin);
}

std::string health_text(const std::vector<BackendHealth>& health) {
  std::string out;
  for (const BackendHealth& one : health) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", one.id, one.state);
  }
  return out.empty() ? "of no server" : printable(out);
}

}  // namespace

AliyunSlbProvider::AliyunSlbProvider(AliyunSlbSettings settings, ApiOutside outside)
    : settings_(std::move(settings)),
      outside_(outside),
      api_(settings_.api, settings_.keys, "2014-05-15", std::move(outside)) {}

AliyunRequest AliyunSlbProvider::request_of(const std::string& action, const RecordKey& key) const {
  return {.action = action, .parameters = {{"RegionId", key.zone}, {"LoadBalancerId", key.name}}};
}

AliyunRequest AliyunSlbProvider::set_of(const std::vector<Backend>& backends,
                                        const RecordKey& key) const {
  AliyunRequest out = request_of("SetBackendServers", key);
  out.parameters["BackendServers"] = backends_text(backends);
  out.writes = true;
  return out;
}

Result<Balancer> AliyunSlbProvider::fetch(const RecordKey& key, Instant deadline, bool of_move) {
  RETURN_IF_ERROR(check_balancer(key));
  AliyunRequest request = request_of("DescribeLoadBalancerAttribute", key);
  request.of_move = of_move;
  const auto answer = api_.call(request, deadline);
  if (!answer.ok()) return answer.error();
  auto out = parse_balancer(key, *answer);
  if (!out.ok()) return api_.caller().error(ErrorCode::kUnavailable, out.error().message);
  return out;
}

Result<RecordSet> AliyunSlbProvider::read(const RecordKey& key, Duration within) {
  auto live = fetch(key, api_.caller().now() + within, false);
  if (!live.ok()) return live.error();
  return std::move(live->set);
}

Result<RecordSet> AliyunSlbProvider::read_for_move(const RecordKey& key, Duration within) {
  auto live = fetch(key, api_.caller().now() + within, true);
  if (!live.ok()) return live.error();
  return std::move(live->set);
}

Result<AliyunSlbProvider::Calls> AliyunSlbProvider::left(const Change& change, Instant deadline,
                                                         bool of_move) {
  const auto live = fetch(change.key, deadline, of_move);
  if (!live.ok()) return live.error();
  const auto ours = compare_backends(*live, change);
  if (!ours.ok()) return api_.caller().error(ours.error().code, ours.error().message);
  auto calls = plan_backends(*live, change);
  if (!calls.ok()) return api_.caller().error(calls.error().code, calls.error().message);
  return calls;
}

Result<std::vector<BackendHealth>> AliyunSlbProvider::health(const RecordKey& key, Instant deadline,
                                                             bool once) {
  AliyunRequest request = request_of("DescribeHealthStatus", key);
  request.once = once;
  const auto answer = api_.call(request, deadline);
  if (!answer.ok()) return answer.error();
  auto out = parse_backend_health(*answer);
  if (!out.ok()) return api_.caller().error(ErrorCode::kUnavailable, out.error().message);
  return out;
}

Result<void> AliyunSlbProvider::send(const Calls& calls, const RecordKey& key, Instant deadline) {
  for (const std::vector<Backend>& backends : calls) {
    AliyunRequest request = set_of(backends, key);
    request.of_move = true;
    const auto done = api_.call(request, deadline);
    // Those that lose weight come last: none of them is sent when one that gains it failed.
    if (!done.ok()) return done.error();
  }
  return {};
}

Result<void> AliyunSlbProvider::confirm(const Change& change, Instant deadline) {
  const Instant until = std::min(deadline, api_.caller().now() + kConfirmWithin);
  for (Duration pause = kConfirmFirstPause;; pause *= 2) {
    const auto calls = left(change, deadline, true);
    if (!calls.ok()) {
      if (calls.error().code == ErrorCode::kConflict) return calls.error();
      return Error{ErrorCode::kTimeout,
                   "the change was accepted but not read back: " + calls.error().message};
    }
    if (calls->empty()) return {};
    if (api_.caller().now() + pause >= until) {
      return api_.caller().error(
          ErrorCode::kTimeout,
          fmt::format("accepted, not effective: {}: {}", to_text(change.key), calls_text(*calls)));
    }
    outside_.sleep(pause + pause * static_cast<int>(outside_.random() % 100) / 200);
  }
}

Result<void> AliyunSlbProvider::replace(const Change& asked, Duration within) {
  const auto change = check_backends(asked);
  if (!change.ok()) return change.error();
  const Instant deadline = api_.caller().now() + within;
  Error last;
  for (int round = 0; round < kRoundsMost; ++round) {
    const auto calls = left(*change, deadline, true);
    if (!calls.ok()) return after_write(last, calls.error());
    if (calls->empty()) return {};
    if (settings_.ask_health && round == 0) {
      const auto now = health(change->key, health_deadline(api_.caller().now(), deadline), true);
      // Not to know is no reason to stay: the probes have found the site well.
      const auto sound = now.ok() ? judge_backend_health(*now, change->desired) : Result<void>();
      if (!sound.ok()) return api_.caller().error(sound.error().code, sound.error().message);
    }
    const auto sent = send(*calls, change->key, deadline);
    if (sent.ok()) return confirm(*change, deadline);
    last = sent.error();
    if (!api_.may_go_on(round, deadline)) return last;
  }
  return last;
}

Result<std::vector<std::string>> AliyunSlbProvider::render(const Change& asked, Duration within) {
  const auto change = check_backends(asked);
  if (!change.ok()) return change.error();
  const auto calls = left(*change, api_.caller().now() + within, false);
  if (!calls.ok()) return calls.error();
  std::vector<std::string> out;
  for (const auto& backends : *calls) out.push_back(api_.render(set_of(backends, change->key)));
  return out;
}

Result<std::string> AliyunSlbProvider::preflight(const RecordKey& key, Duration within) {
  const Instant deadline = api_.caller().now() + within;
  const auto live = fetch(key, deadline, false);
  if (!live.ok()) return live.error();
  if (live->status != "active") {
    return api_.caller().error(ErrorCode::kRefused,
                               fmt::format("{} is {}", to_text(key), printable(live->status)));
  }
  if (live->set.values.empty()) {
    return api_.caller().error(ErrorCode::kNotFound,
                               to_text(key) + ": no server of the default group receives users");
  }
  std::string checks = "its health checks are not asked";
  if (settings_.ask_health) {
    const auto now = health(key, deadline, false);
    if (!now.ok()) return now.error();
    checks = "by its own checks: " + health_text(*now);
  }
  AliyunRequest trial = set_of({{kNoServer, 0, "ecs", ""}}, key);
  const auto right = api_.try_right(trial, "", deadline);
  if (!right.ok()) return right.error();
  return fmt::format("{} in {}: {} of {} servers receive users: {}; {}; {}; no mark is kept{}",
                     key.name, key.zone, live->set.values.size(), live->backends.size(),
                     to_text(live->set.values), checks, *right, api_.caller().time_text());
}

Result<std::vector<std::string>> AliyunSlbProvider::authorities(const RecordKey& key, Duration) {
  RETURN_IF_ERROR(check_balancer(key));
  return std::vector<std::string>{kApiAuthority};
}

Result<std::unique_ptr<Provider>> make_aliyun_slb(const ProviderSettings& settings,
                                                  const Clock& clock) {
  SettingsReader reader(settings);
  AliyunSlbSettings out;
  out.api = read_api_settings(reader, settings,
                              {"https://slb.aliyuncs.com", {"health"}, kAliyunCredentials});
  out.keys = read_aliyun_keys(reader);
  const std::string health = reader.option("health", "refuse");
  if (health != "refuse" && health != "ignore") {
    reader.complain_option("health", "\"refuse\" or \"ignore\"");
  }
  out.ask_health = health == "refuse";
  RETURN_IF_ERROR(reader.finish());
  return std::unique_ptr<Provider>(
      std::make_unique<AliyunSlbProvider>(std::move(out), ApiOutside::real(clock)));
}

}  // namespace pointsman
