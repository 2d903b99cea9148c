#include "agent/boot_command.h"

#include <algorithm>
#include <ostream>

#include <fmt/format.h>
#include <fmt/ostream.h>

#include "agent/config.h"
#include "agent/service_runner.h"
#include "base/file.h"
#include "base/json.h"

namespace pointsman {
namespace {

// Not "*.json": those are the services' records.
std::string ports_path(const std::string& state_dir) { return state_dir + "/deadman.boot"; }

Json list_of(const auto& values) {
  Json list = Json::array();
  for (const auto& value : values) list.push(value);
  return list;
}

std::string text_of(const std::vector<DeadmanPorts>& services) {
  Json list = Json::array();
  for (const DeadmanPorts& ports : services) {
    list.push(Json::object({{"service", ports.service},
                            {"store_ports", list_of(ports.store_ports)},
                            {"public_ports", list_of(ports.public_ports)},
                            {"allow", list_of(ports.allow)}}));
  }
  return Json::object({{"services", std::move(list)}}).dump() + "\n";
}

std::vector<int> numbers_of(const Json& json, const char* key) {
  std::vector<int> numbers;
  for (const Json& one : json.array_or_empty(key)) {
    // Port 0 is none: what is no number is refused later, with the service's name.
    numbers.push_back(one.is_int() && one.as_int() <= 65535 ? static_cast<int>(one.as_int()) : 0);
  }
  return numbers;
}

bool has_had_a_role(const std::string& state_dir, const std::string& service) {
  const auto record = load_record(state_dir, service);
  if (record) return record->role != Role::kNone;
  return record.error().code != ErrorCode::kNotFound;
}

// The one key that is needed, whatever else is wrong with the file.
std::string state_dir_of(const std::string& path, std::ostream& out) {
  const std::string usual = AgentConfig().state_dir;
  std::vector<ConfigError> errors;
  const auto file = ConfigFile::load(path, errors);
  if (file) return beside(path, file->root().table("agent").text("state_dir", usual));
  fmt::print(out, "pointsman-agent boot: {}; going on with {}\n",
             errors.empty() ? path + ": cannot be read" : errors.front().text(), usual);
  return usual;
}

// By a sound configuration; by one with mistakes nothing is left open.
void leave_out_unguarded(const std::string& path, std::vector<DeadmanPorts>& services) {
  const auto outcome = read_agent_config(path);
  if (!outcome.config) return;
  std::erase_if(services, [&](const DeadmanPorts& ports) {
    return std::none_of(outcome.config->services.begin(), outcome.config->services.end(),
                        [&](const AgentServiceSettings& service) {
                          return service.name == ports.service && service.deadman;
                        });
  });
}

Result<bool> close(Deadman& deadman, const std::string& service) {
  const auto mode = deadman.mode(service);
  if (!mode) return mode.error();
  if (*mode != DeadmanMode::kUntouched) return false;
  RETURN_IF_ERROR(deadman.set_mode(service, DeadmanMode::kArmed));
  return true;
}

}  // namespace

Result<void> keep_boot_ports(const std::string& state_dir,
                             const std::vector<DeadmanPorts>& services) {
  const std::string text = text_of(services);
  const auto former = read_file(ports_path(state_dir));
  const bool none = !former && former.error().code == ErrorCode::kNotFound;
  if (none && services.empty()) return {};
  if (former && *former == text) return {};
  return write_file_durably(ports_path(state_dir), text);
}

Result<std::vector<DeadmanPorts>> boot_ports(const std::string& state_dir) {
  std::vector<DeadmanPorts> found;
  const auto text = read_file(ports_path(state_dir));
  if (!text && text.error().code == ErrorCode::kNotFound) return found;
  if (!text) return text.error();
  const auto json = Json::parse(*text);
  if (!json) {
    return Error{ErrorCode::kInvalid, ports_path(state_dir) + ": " + json.error().message};
  }
  for (const Json& one : json->array_or_empty("services")) {
    DeadmanPorts ports;
    ports.service = one.string_or("service");
    ports.store_ports = numbers_of(one, "store_ports");
    ports.public_ports = numbers_of(one, "public_ports");
    for (const Json& address : one.array_or_empty("allow")) {
      if (address.is_string()) ports.allow.push_back(address.as_string());
    }
    if (has_had_a_role(state_dir, ports.service)) found.push_back(std::move(ports));
  }
  return found;
}

int run_boot(const std::string& config, Deadman& deadman, std::ostream& out) {
  auto services = boot_ports(state_dir_of(config, out));
  if (!services) {
    fmt::print(out, "pointsman-agent boot: NOT CLOSED: {}\n", services.error().message);
    return 1;
  }
  leave_out_unguarded(config, *services);
  if (services->empty()) {
    fmt::print(out, "pointsman-agent boot: nothing to close: this site has had no role\n");
    return 0;
  }
  if (const auto done = deadman.set_up(*services); !done) {
    fmt::print(out, "pointsman-agent boot: NOT CLOSED: {}\n", done.error().message);
    return 1;
  }
  int exit = 0;
  for (const DeadmanPorts& ports : *services) {
    const auto closed = close(deadman, ports.service);
    if (!closed) exit = 1;
    fmt::print(out, "pointsman-agent boot: {}: {}\n", ports.service,
               !closed   ? "NOT CLOSED: " + closed.error().message
               : *closed ? "closed until the agent says otherwise"
                         : "its rules stand already");
  }
  return exit;
}

}  // namespace pointsman
