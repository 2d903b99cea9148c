#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "providers/masking.h"
#include "providers/read_write.h"
#include "providers/settings.h"

// A program of the operator's own: one run for one question, JSON on its standard input and output.
// The protocol, and a program that speaks it: docs/providers/exec.md.
//
//   options      argv         ["/usr/local/lib/pointsman/own", "--zone=corp"]: no shell
//                timeout      "2s": the longest run
//                ttl_min      "1s": the lowest TTL that the program can set
//                authorities  "192.0.2.53:53": servers to ask after a change; else the program's
//   credentials  any keys     handed over on standard input, never as arguments

namespace pointsman {
namespace {

constexpr int kVersion = 1;
constexpr std::size_t kOutputMost = 64 << 10;
constexpr std::size_t kListMost = 64;
constexpr std::size_t kMessageMost = 1000;

struct ExecSettings {
  std::string provider;
  std::vector<std::string> argv;
  Duration timeout = 2s;
  std::chrono::seconds ttl_min{1};
  std::vector<std::string> authorities;
  std::map<std::string, std::string> credentials;
};

std::optional<ErrorCode> code_of(std::string_view word) {
  for (const ErrorCode code :
       {ErrorCode::kTimeout, ErrorCode::kUnavailable, ErrorCode::kRefused, ErrorCode::kConflict,
        ErrorCode::kNotFound, ErrorCode::kInvalid, ErrorCode::kInternal}) {
    if (word == to_string(code)) return code;
  }
  return std::nullopt;
}

Json texts(const std::vector<std::string>& values) {
  Json out = Json::array();
  for (const std::string& value : values) out.push(value);
  return out;
}

Json content(const std::vector<std::string>& values, std::chrono::seconds ttl,
             const std::string& mark) {
  return Json::object(
      {{"values", texts(values)}, {"ttl", std::int64_t{ttl.count()}}, {"mark", mark}});
}

std::optional<std::vector<std::string>> texts_at(const Json& from, std::string_view key) {
  const Json* list = from.find(key);
  if (list == nullptr || !list->is_array() || list->as_array().size() > kListMost) {
    return std::nullopt;
  }
  std::vector<std::string> out;
  for (const Json& element : list->as_array()) {
    if (!element.is_string()) return std::nullopt;
    out.push_back(element.as_string());
  }
  return out;
}

bool has_only(const Json& answer, std::initializer_list<std::string_view> keys) {
  return std::all_of(answer.as_object().begin(), answer.as_object().end(),
                     [&](const Json::Member& member) {
                       return member.first == "version" ||
                              std::find(keys.begin(), keys.end(), member.first) != keys.end();
                     });
}

class ExecProvider : public ReadWriteProvider {
 public:
  explicit ExecProvider(ExecSettings settings)
      : settings_(std::move(settings)), masking_(settings_.credentials) {}

  ProviderLimits limits() const override {
    return with_times({settings_.ttl_min, false}, settings_.timeout, 1, 3);
  }
  Result<std::string> preflight(const RecordKey& key, Duration within) override;
  Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) override;

 protected:
  Result<RecordSet> fetch(const RecordKey& key, Instant deadline) override;
  Result<void> write(const RecordSet& live, const Change& change, Instant deadline) override;
  Result<std::vector<std::string>> show(const RecordSet& live, const Change& change,
                                        Instant deadline) override;
  Error error(ErrorCode code, std::string_view why) const override {
    return {code, fmt::format("{}: {}", who(), masking_.line(why, kMessageMost))};
  }

 private:
  // What a program that did not keep to the protocol leaves open: all, when it was to write.
  enum class Intent { kRead, kWrite };

  std::string who() const {
    return fmt::format("provider {} ({})", settings_.provider, settings_.argv[0]);
  }
  Json request(std::string_view verb, const RecordKey& key) const;
  // One run. The answer is an object of this version that is no error.
  Result<Json> ask(Json request, Intent intent, Instant deadline) const;
  Result<Json> judge(const ProcessOutcome& ran, Intent intent) const;
  Error broken(Intent intent, std::string_view why) const;

  ExecSettings settings_;
  Masking masking_;
};

Json ExecProvider::request(std::string_view verb, const RecordKey& key) const {
  return Json::object(
      {{"version", kVersion},
       {"verb", verb},
       {"provider", settings_.provider},
       {"key", Json::object({{"zone", key.zone}, {"name", key.name}, {"type", key.type}})}});
}

Error ExecProvider::broken(Intent intent, std::string_view why) const {
  return error(intent == Intent::kWrite ? ErrorCode::kTimeout : ErrorCode::kUnavailable, why);
}

Result<Json> ExecProvider::ask(Json request, Intent intent, Instant deadline) const {
  const Instant began = system_clock().now();
  const Duration within = std::min(settings_.timeout, deadline - began);
  Json credentials = Json::object();
  for (const auto& [key, value] : settings_.credentials) credentials.set(key, value);
  request.set("within_ms", whole_ms(within));
  request.set("credentials", std::move(credentials));
  const auto ran =
      run_process(settings_.argv, request.dump() + '\n', within, {kOutputMost, Leftovers::kKilled});
  log(LogLevel::kDebug, "provider-call",
      {{"provider", settings_.provider},
       {"call", request.string_or("verb")},
       {"writes", intent == Intent::kWrite},
       {"of_move", is_of_move()},
       {"outcome", ran.ok() ? std::to_string(ran->exit_code) : to_string(ran.error().code)},
       {"took_ms", whole_ms(system_clock().now() - began)}});
  if (ran.ok()) return judge(*ran, intent);
  const ErrorCode code = ran.error().code;
  // It could not be started: mended by an operator, not by asking otherwise.
  const bool not_started = code == ErrorCode::kNotFound || code == ErrorCode::kRefused;
  return error(not_started ? ErrorCode::kUnavailable : code, ran.error().message);
}

Result<Json> ExecProvider::judge(const ProcessOutcome& ran, Intent intent) const {
  // What was cut may end within a secret: then its beginning is shown, not its end.
  std::string words = masking_.masked(ran.err);
  if (ran.err.size() <= kOutputMost && words.size() > 300) words.erase(0, words.size() - 300);
  const std::string said = words.empty() ? "" : "; it says: " + masking_.line(words);
  if (ran.out.size() > kOutputMost) {
    return broken(intent,
                  fmt::format("more than {} KiB on standard output{}", kOutputMost >> 10, said));
  }
  const auto answer = Json::parse(ran.out);
  const bool ours = answer.ok() && answer->is_object() && answer->find("version") != nullptr &&
                    *answer->find("version") == Json(kVersion);
  if (ours && answer->find("error") != nullptr) {
    const auto code = code_of(answer->string_or("error"));
    const auto message = answer->string_at("message");
    if (!code || !message.ok() || !has_only(*answer, {"error", "message"})) {
      return broken(intent, "an error without a known word and a message" + said);
    }
    return error(*code, masking_.line(*message));
  }
  if (ran.exit_code != 0) {
    return broken(intent, fmt::format("ended with {}{}", ran.exit_code, said));
  }
  if (!answer.ok()) return broken(intent, "no JSON document: " + answer.error().message + said);
  if (!ours) return broken(intent, fmt::format("no object of version {}{}", kVersion, said));
  return *answer;
}

Result<RecordSet> ExecProvider::fetch(const RecordKey& key, Instant deadline) {
  const auto answer = ask(request("read", key), Intent::kRead, deadline);
  if (!answer.ok()) return answer.error();
  auto values = texts_at(*answer, "values");
  const auto ttl = answer->int_at("ttl");
  auto mark = answer->string_at("mark");
  if (!values || !ttl.ok() || *ttl < 0 || *ttl > std::int64_t{INT32_MAX} || !mark.ok() ||
      !has_only(*answer, {"values", "ttl", "mark"})) {
    return broken(Intent::kRead, "a read answers with values, ttl and mark, and nothing else");
  }
  return RecordSet{key, std::move(*values), std::chrono::seconds(*ttl), std::move(*mark)};
}

Result<void> ExecProvider::write(const RecordSet& live, const Change& change, Instant deadline) {
  Json asked = request("replace", change.key);
  asked.set("live", content(live.values, live.ttl, live.mark));
  asked.set("change", content(change.desired, change.ttl, change.mark));
  const auto answer = ask(std::move(asked), Intent::kWrite, deadline);
  if (!answer.ok()) return answer.error();
  if (!answer->bool_or("done") || !has_only(*answer, {"done"})) {
    return broken(Intent::kWrite, "a replace answers with done, true, and nothing else");
  }
  return {};
}

Result<std::vector<std::string>> ExecProvider::show(const RecordSet& live, const Change& change,
                                                    Instant deadline) {
  Json asked = request("render", change.key);
  asked.set("live", content(live.values, live.ttl, live.mark));
  asked.set("change", content(change.desired, change.ttl, change.mark));
  const auto answer = ask(asked, Intent::kRead, deadline);
  if (!answer.ok()) return answer.error();
  const auto writes = texts_at(*answer, "writes");
  if (!writes || !has_only(*answer, {"writes"})) {
    return broken(Intent::kRead, "a render answers with writes, and nothing else");
  }
  asked.set("verb", "replace");
  std::vector<std::string> out{masking_.line(
      fmt::format("run {} <<< {}", fmt::join(settings_.argv, " "), asked.dump()), 4096)};
  for (const std::string& one : *writes) out.push_back(masking_.line(one, 4096));
  return out;
}

Result<std::string> ExecProvider::preflight(const RecordKey& key, Duration within) {
  const Instant began = system_clock().now();
  const Instant deadline = began + within;
  const auto live = read(key, within);
  if (!live.ok()) return live.error();
  const Duration took = system_clock().now() - began;
  if (live->values.empty()) return error(ErrorCode::kNotFound, to_text(key) + " does not exist");
  const auto answer =
      ask(request("preflight", lower_key(check_key(key).value())), Intent::kRead, deadline);
  if (!answer.ok()) return answer.error();
  const auto text = answer->string_at("text");
  if (!text.ok() || !has_only(*answer, {"text"})) {
    return broken(Intent::kRead, "a preflight answers with text, and nothing else");
  }
  return fmt::format("{}: {}; {} is {} with TTL {} s; read in {} ms", who(), masking_.line(*text),
                     to_text(key), masking_.masked(to_text(live->values)), live->ttl.count(),
                     whole_ms(took));
}

Result<std::vector<std::string>> ExecProvider::authorities(const RecordKey& key, Duration within) {
  if (!settings_.authorities.empty()) return settings_.authorities;
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const auto answer = ask(request("authorities", lower_key(*checked)), Intent::kRead,
                          system_clock().now() + within);
  if (!answer.ok()) return answer.error();
  const auto servers = texts_at(*answer, "servers");
  if (!servers || !has_only(*answer, {"servers"})) {
    return broken(Intent::kRead, "authorities answers with servers, and nothing else");
  }
  for (const std::string& server : *servers) {
    if (parse_host_port(server, 53).ok() && masking_.masked(server) == server) continue;
    return broken(Intent::kRead, "servers hold what is no address: " + masking_.line(server));
  }
  return *servers;
}

constexpr const char* kArgv =
    "[\"/absolute/path/of/program\", \"argument\", ...]; the program can be executed and is "
    "writable by its owner alone";

bool is_sound_program(const std::string& path) {
  struct stat status {};
  return path.starts_with('/') && stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 && access(path.c_str(), X_OK) == 0;
}

}  // namespace

Result<std::unique_ptr<Provider>> make_exec(const ProviderSettings& settings, const Clock&) {
  SettingsReader reader(settings);
  reader.only_options({"type", "timeout", "ttl_min", "authorities"}, {"argv"});
  ExecSettings out;
  out.provider = settings.name;
  out.argv = reader.required_list("argv", kArgv);
  if (!out.argv.empty() && !is_sound_program(out.argv[0])) {
    reader.complain_option("argv", kArgv);
  }
  out.timeout = reader.timeout();
  out.ttl_min = reader.ttl_min(out.ttl_min, 1s, 24h);
  out.authorities = reader.authorities();
  out.credentials = settings.credentials;
  RETURN_IF_ERROR(reader.finish());
  return std::unique_ptr<Provider>(std::make_unique<ExecProvider>(std::move(out)));
}

}  // namespace pointsman
