#include "agent/drivers/redis_driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "agent/drivers/drivers.h"
#include "agent/drivers/redis_way_back.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/file.h"
#include "base/json.h"

namespace pointsman {
namespace {

constexpr Duration kLook = 10ms;  // Between two looks at a server that is working.
// While the source is waited for no other verb can run, a promotion least of all: follow() gives up
// early and is called again.
constexpr Duration kCompareWithin = 2s;
constexpr Duration kConnectWithin = 1s;

std::int64_t setting(const RedisReply& reply, const std::string& name, std::int64_t otherwise) {
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    if (reply.elements[i] == name) {
      return number_at({{name, reply.elements[i + 1]}}, name, otherwise);
    }
  }
  return otherwise;
}

bool following(const RedisInfo& info, const HostPort& source) {
  return text_at(info, "role") == "slave" && text_at(info, "master_host") == source.host &&
         number_at(info, "master_port") == source.port;
}

}  // namespace

std::string redis_memory_file(const std::string& state_dir, const std::string& address) {
  if (state_dir.empty()) return "";
  std::string name = address;
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) { return std::isalnum(c) == 0 && c != '.' && c != '-'; }, '_');
  return state_dir + "/redis-" + name + ".json";
}

std::unique_ptr<Driver> make_redis_driver(const RedisSettings& settings,
                                          const std::string& state_dir) {
  return std::make_unique<RedisDriver>(settings, state_dir);
}

RedisDriver::RedisDriver(const RedisSettings& settings, const std::string& state_dir)
    : settings_(settings),
      memory_file_(redis_memory_file(state_dir, settings.address)),
      connection_(settings.address, settings.password) {}

Result<RedisDriver::State> RedisDriver::read_state(Instant deadline) {
  State state;
  auto info = connection_.run({"INFO"}, deadline);
  if (!info) return info.error();
  state.info = parse_redis_info(info->text);
  auto limits = connection_.run({"CONFIG", "GET", "min-replicas-*"}, deadline);
  if (!limits) return limits.error();
  state.min_replicas = setting(*limits, "min-replicas-to-write", 0);
  state.max_lag = setting(*limits, "min-replicas-max-lag", 0);
  auto read_only = connection_.run({"CONFIG", "GET", "replica-read-only"}, deadline);
  if (!read_only) return read_only.error();
  state.replica_read_only = read_only->elements.size() == 2 && read_only->elements[1] == "yes";
  return state;
}

Result<void> RedisDriver::command(const std::vector<std::string>& words, Instant deadline) {
  crash_point("before-redis", words.front());
  auto reply = connection_.run(words, deadline);
  crash_point("after-redis", words.front());
  if (!reply) return reply.error();
  return {};
}

Result<void> RedisDriver::set(const std::string& name, std::int64_t value, Instant deadline) {
  return command({"CONFIG", "SET", name, std::to_string(value)}, deadline);
}

Result<void> RedisDriver::load() {
  if (loaded_ || memory_file_.empty()) return {};
  auto text = read_file(memory_file_);
  if (!text && text.error().code == ErrorCode::kNotFound) {
    loaded_ = true;
    return {};
  }
  if (!text) return text.error();
  auto json = Json::parse(*text);
  if (!json) return Error{json.error().code, memory_file_ + ": " + json.error().message};
  memory_.min_replicas = json->int_or("min_replicas", 0);
  memory_.max_lag = json->int_or("max_lag", 10);
  memory_.fenced_id = json->string_or("fenced_id");
  memory_.fenced_offset = json->int_or("fenced_offset", 0);
  memory_.data_id = json->string_or("data_id");
  loaded_ = true;
  return {};
}

Result<void> RedisDriver::keep(const RedisMemory& memory) {
  if (memory == memory_) return {};
  if (!memory_file_.empty()) {
    Json json = Json::object({{"min_replicas", memory.min_replicas},
                              {"max_lag", memory.max_lag},
                              {"fenced_id", memory.fenced_id},
                              {"fenced_offset", memory.fenced_offset},
                              {"data_id", memory.data_id}});
    RETURN_IF_ERROR(write_file_durably(memory_file_, json.dump() + "\n"));
  }
  memory_ = memory;
  return {};
}

Result<void> RedisDriver::note_data(const State& state) {
  const std::string id = text_at(state.info, "master_replid");
  if (keys_of(state.info) == 0 || id == memory_.data_id) return {};
  RedisMemory memory = memory_;
  memory.data_id = id;
  return keep(memory);
}

StoreReport RedisDriver::report(Duration within) {
  const Instant deadline = system_clock().now() + within;
  const auto state = read_state(deadline);
  if (!state) return unread(name(), state.error());
  StoreReport report;
  report.name = name();
  const RedisInfo& info = state->info;
  report.liveness = Liveness::kUp;
  report.writable = state->writable();
  report.replica = state->replica();
  const RedisPosition position = position_of(info, false);
  report.executed = position.text();
  report.unit = "bytes";
  report.executed_count = static_cast<std::uint64_t>(std::max<std::int64_t>(position.offset, 0));
  if (!state->replica() && !position.former_id.empty()) {
    report.taken_over =
        static_cast<std::uint64_t>(std::max<std::int64_t>(position.former_offset, 0));
  }
  report.received = position_of(info, true).text();
  auto noted = load();
  if (noted) noted = note_data(*state);
  if (!noted) report.detail = noted.error().message;
  if (text_at(info, "loading") == "1") report.detail = "loading its data set";
  if (!state->replica()) return report;
  const bool up = text_at(info, "master_link_status") == "up";
  const bool syncing = text_at(info, "master_sync_in_progress") == "1";
  report.source = fmt::format("{}:{}", text_at(info, "master_host"), text_at(info, "master_port"));
  report.receiver_running = up;
  report.applier_running = !syncing && text_at(info, "loading") != "1";
  if (syncing) report.detail = "full synchronisation under way";
  const auto down_s = number_at(info, "master_link_down_since_seconds", -1);
  if (!up && down_s >= 0) report.lag = std::chrono::seconds(down_s);
  return report;
}

Result<void> RedisDriver::fence(FenceDepth, Duration within) {
  auto closed = close_writes(system_clock().now() + within);
  // No server process: nobody is there to acknowledge a write.
  if (!closed && closed.error().code == ErrorCode::kNotFound) return {};
  return closed;
}

Result<void> RedisDriver::close_writes(Instant deadline) {
  auto state = read_state(deadline);
  if (!state) return state.error();
  const auto loaded = load();
  if (state->min_replicas != kFenceMark) {
    RedisMemory memory = memory_;
    memory.min_replicas = state->min_replicas;
    memory.max_lag = state->max_lag;
    // A disk that fails must not keep the door open: then the memory of this process has to do.
    if (!loaded || !keep(memory)) memory_ = memory;
    clients_killed_ = false;
    RETURN_IF_ERROR(set("min-replicas-to-write", kFenceMark, deadline));
  }
  if (state->max_lag == 0) RETURN_IF_ERROR(set("min-replicas-max-lag", 10, deadline));
  if (!state->replica_read_only) {
    RETURN_IF_ERROR(command({"CONFIG", "SET", "replica-read-only", "yes"}, deadline));
  }
  if (!clients_killed_) {
    // Answers to writes of before, still in the server's buffers, go with their clients.
    RETURN_IF_ERROR(command({"CLIENT", "KILL", "TYPE", "normal"}, deadline));
  }
  state = read_state(deadline);
  if (!state) return state.error();
  if (state->writable()) {
    return {ErrorCode::kConflict, fmt::format("redis at {}: min-replicas-to-write reads back as {}",
                                              settings_.address, state->min_replicas)};
  }
  if (!clients_killed_ && !state->replica()) {
    const RedisPosition at = position_of(state->info, false);
    RedisMemory memory = memory_;
    memory.fenced_id = at.id;
    memory.fenced_offset = at.offset;
    if (!keep(memory)) memory_ = memory;
  }
  clients_killed_ = true;
  return {};
}

Result<void> RedisDriver::unfence(Duration within) {
  const Instant deadline = system_clock().now() + within;
  RETURN_IF_ERROR(load());
  auto state = read_state(deadline);
  if (!state) return state.error();
  if (state->replica()) {
    return {ErrorCode::kConflict,
            fmt::format("redis at {}: still follows {}; promote it first", settings_.address,
                        text_at(state->info, "master_host"))};
  }
  if (state->min_replicas != kFenceMark) return {};
  clients_killed_ = false;
  RETURN_IF_ERROR(set("min-replicas-max-lag", memory_.max_lag, deadline));
  RETURN_IF_ERROR(set("min-replicas-to-write", memory_.min_replicas, deadline));
  state = read_state(deadline);
  if (!state) return state.error();
  if (state->min_replicas == memory_.min_replicas) return {};
  return {ErrorCode::kConflict, fmt::format("redis at {}: min-replicas-to-write reads back as {}",
                                            settings_.address, state->min_replicas)};
}

Result<void> RedisDriver::refuse_empty(const State& state) const {
  const std::string id = text_at(state.info, "master_replid");
  if (keys_of(state.info) > 0 || memory_.data_id.empty() || memory_.data_id == id) return {};
  return {ErrorCode::kConflict,
          fmt::format("redis at {}: empty, though this site held keys of history {}: its source "
                      "came back empty and was copied (if that was meant, remove {})",
                      settings_.address, memory_.data_id, memory_file_)};
}

Result<void> RedisDriver::drain(Instant deadline) {
  // What stands in the replica's socket was received by this host: read until nothing more comes.
  std::int64_t last = -1;
  for (int same = 0; same < 3;) {
    auto info = connection_.run({"INFO", "replication"}, deadline);
    if (!info) return info.error();
    const std::int64_t read = position_of(parse_redis_info(info->text), true).offset;
    same = read == last ? same + 1 : 0;
    last = read;
    if (passed(deadline)) {
      return {ErrorCode::kTimeout,
              fmt::format("redis at {}: its source still sends writes", settings_.address)};
    }
    std::this_thread::sleep_for(kLook);
  }
  return {};
}

Result<void> RedisDriver::promote(Duration within) {
  const Instant deadline = system_clock().now() + within;
  RETURN_IF_ERROR(load());
  auto state = read_state(deadline);
  if (!state) return state.error();
  if (text_at(state->info, "loading") == "1" ||
      text_at(state->info, "master_sync_in_progress") == "1") {
    return {ErrorCode::kUnavailable,
            fmt::format("redis at {}: its data set is not complete yet", settings_.address)};
  }
  RETURN_IF_ERROR(refuse_empty(*state));
  if (state->replica()) RETURN_IF_ERROR(drain(deadline));
  // Also an operator's 1 goes: the pair's other half is gone, and no write would be taken. Before
  // leaving the source, so that one command opens and a crash leaves it shut or open, never stuck.
  clients_killed_ = false;
  if (state->min_replicas != 0) RETURN_IF_ERROR(set("min-replicas-to-write", 0, deadline));
  if (state->replica()) RETURN_IF_ERROR(command({"REPLICAOF", "NO", "ONE"}, deadline));
  state = read_state(deadline);
  if (!state) return state.error();
  if (!state->replica() && state->writable()) return {};
  return {ErrorCode::kConflict, fmt::format("redis at {}: reads back as {} and {}",
                                            settings_.address, text_at(state->info, "role"),
                                            state->writable() ? "writable" : "not writable")};
}

Result<void> RedisDriver::follow(const FollowTarget& target, Duration within) {
  const Instant deadline = system_clock().now() + within;
  const auto source = parse_host_port(target.source);
  if (!source) return Error{source.error().code, "redis: follow " + source.error().message};
  RETURN_IF_ERROR(load());
  auto state = read_state(deadline);
  if (!state) return state.error();
  if (!state->replica_read_only) {
    RETURN_IF_ERROR(command({"CONFIG", "SET", "replica-read-only", "yes"}, deadline));
  }
  if (!following(state->info, *source)) {
    if (!state->replica()) {
      RETURN_IF_ERROR(close_writes(deadline));
      state = read_state(deadline);
      if (!state) return state.error();
    }
    const Instant compared = std::min(deadline, system_clock().now() + kCompareWithin);
    RETURN_IF_ERROR(refuse_divergence(*state, target, compared));
    if (!settings_.password.empty()) {
      RETURN_IF_ERROR(command({"CONFIG", "SET", "masterauth", settings_.password}, deadline));
    }
    RETURN_IF_ERROR(command({"REPLICAOF", source->host, std::to_string(source->port)}, deadline));
  }
  return wait_until_following(*source, std::min(deadline, system_clock().now() + kConnectWithin));
}

Result<void> RedisDriver::refuse_divergence(const State& own, const FollowTarget& target,
                                            Instant deadline) {
  RedisConnection there(target.source, settings_.password);
  auto text = there.run({"INFO"}, deadline);
  if (!text) {
    const ErrorCode code = text.error().code;
    return {code == ErrorCode::kNotFound ? ErrorCode::kUnavailable : code,
            "redis: cannot compare with the source: " + text.error().message};
  }
  const RedisInfo theirs = parse_redis_info(text->text);
  if (text_at(theirs, "run_id") == text_at(own.info, "run_id")) {
    return {ErrorCode::kInvalid, fmt::format("redis: {} is this server itself", target.source)};
  }
  if (keys_of(own.info) == 0 || target.discard) return {};
  if (keys_of(theirs) == 0) {
    return {ErrorCode::kConflict,
            fmt::format("redis at {}: has keys, {} is empty", settings_.address, target.source)};
  }
  RedisPosition mine = position_of(own.info, true);
  if (mine.id == memory_.fenced_id) mine.offset = std::min(mine.offset, memory_.fenced_offset);
  const RedisPosition other = position_of(theirs, false);
  if (holds(other, mine).value_or(false)) return {};
  return {ErrorCode::kConflict,
          fmt::format("redis at {}: holds {}, which {} (at {}) does not", settings_.address,
                      mine.text(), target.source, other.text())};
}

Result<void> RedisDriver::wait_until_following(const HostPort& source, Instant deadline) {
  for (;;) {
    auto state = read_state(deadline);
    if (!state) return state.error();
    if (!following(state->info, source) || state->writable()) {
      return {ErrorCode::kConflict, fmt::format("redis at {}: does not follow {}:{}",
                                                settings_.address, source.host, source.port)};
    }
    if (text_at(state->info, "master_link_status") == "up") return note_data(*state);
    if (passed(deadline)) {
      return {ErrorCode::kUnavailable, fmt::format("redis at {}: follows {}:{}, not connected yet",
                                                   settings_.address, source.host, source.port)};
    }
    std::this_thread::sleep_for(kLook);
  }
}

Result<void> RedisDriver::keep_standby(Duration within) {
  const Instant deadline = system_clock().now() + within;
  auto state = read_state(deadline);
  if (!state) return state.error();
  if (!state->writable()) return {};
  if (!state->replica()) return close_writes(deadline);
  return command({"CONFIG", "SET", "replica-read-only", "yes"}, deadline);
}

std::optional<bool> RedisDriver::contains(const std::string& received,
                                          const std::string& executed) const {
  const auto whole = parse_redis_position(received);
  const auto part = parse_redis_position(executed);
  if (!whole || !part) return std::nullopt;
  return holds(*whole, *part);
}

// Reads the server as the verb would, so that the commands are those it would send now.
std::vector<std::string> RedisDriver::render(const std::string& verb) {
  const auto state = read_state(system_clock().now() + 1s);
  if (!state) return {"(" + state.error().message + ")"};
  const bool primary = !state->replica();
  const bool marked = state->min_replicas == kFenceMark;
  std::vector<std::string> commands;
  const bool closes = verb == "fence" || (verb == "follow" && primary) ||
                      (verb == "keep_standby" && primary && state->writable());
  if (closes && !marked) {
    commands.push_back(fmt::format("CONFIG SET min-replicas-to-write {}", kFenceMark));
  }
  if (closes) commands.push_back("CLIENT KILL TYPE normal");
  if ((closes || verb == "keep_standby") && !state->replica_read_only) {
    commands.push_back("CONFIG SET replica-read-only yes");
  }
  if (verb == "unfence" && primary && marked && load()) {
    commands.push_back(fmt::format("CONFIG SET min-replicas-to-write {}", memory_.min_replicas));
  }
  if (verb == "promote") {
    if (state->min_replicas != 0) commands.push_back("CONFIG SET min-replicas-to-write 0");
    if (!primary) commands.push_back("REPLICAOF NO ONE");
  }
  if (verb == "follow") {
    if (!settings_.password.empty()) commands.push_back("CONFIG SET masterauth ***");
    commands.push_back("REPLICAOF (the peer's advertise)");
  }
  return commands;
}

}  // namespace pointsman
