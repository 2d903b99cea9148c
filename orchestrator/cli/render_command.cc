#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <ostream>

#include <fmt/format.h>

#include "base/file.h"
#include "base/process.h"
#include "orchestrator/cli/run.h"
#include "orchestrator/offline/config.h"

namespace pointsman {
namespace {

constexpr const char* kDefaultConfig = "/etc/pointsman/pointsman.toml";
constexpr Duration kTryWithin = 10s;

struct Rendered {
  std::string site;
  std::string file;
  bool tried = false;  // keepalived found nothing wrong with it.
};

// Some interface of this host, for the trial: keepalived wants one that is there.
std::string any_interface() {
  std::string found;
  struct if_nameindex* all = if_nameindex();
  if (all == nullptr) return found;
  for (const struct if_nameindex* at = all; at->if_index != 0; ++at) {
    const std::string name = at->if_name;
    if (name == "lo") continue;
    if (found.empty() || name.starts_with("e")) found = name;
  }
  if_freenameindex(all);
  return found;
}

std::string find_keepalived() {
  for (const char* path : {"/usr/sbin/keepalived", "/usr/local/sbin/keepalived"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return "keepalived";
}

// keepalived's own opinion of a text: kInvalid with its words; kUnavailable when it could not be
// asked on this host.
Result<void> try_out(const std::string& text, const std::string& beside_file) {
  const std::string trial = beside_file + ".trial";
  RETURN_IF_ERROR(write_file_durably(trial, text));
  const auto ran = run_process({find_keepalived(), "-t", "-f", trial}, "", kTryWithin);
  ::unlink(trial.c_str());
  if (!ran) {
    const bool none = ran.error().code == ErrorCode::kNotFound;
    return Error{ErrorCode::kUnavailable,
                 none ? "keepalived is not installed on this host" : ran.error().message};
  }
  if (ran->exit_code == 0) return {};
  std::string words = ran->err + ran->out;
  for (auto at = words.find(trial); at != std::string::npos; at = words.find(trial)) {
    words.replace(at, trial.size(), beside_file);
  }
  while (!words.empty() && words.back() == '\n') words.pop_back();
  return Error{ErrorCode::kInvalid,
               fmt::format("keepalived -t ends with {}: {}", ran->exit_code, words)};
}

// A file that others may read must not get a secret.
Result<void> keep(const Rendered& one, const std::string& text, bool secret) {
  if (secret && ::access(one.file.c_str(), F_OK) == 0) {
    RETURN_IF_ERROR(check_secret_file(one.file));
  }
  return write_file_durably(one.file, text);
}

const ServiceSettings* find_service(const MonitorConfig& config, const std::string& name) {
  for (const ServiceSettings& service : config.services) {
    if (service.name == name) return &service;
  }
  return nullptr;
}

struct Failed {
  Exit exit;
  std::string text;
  std::string hint;
};

// Why `asked` cannot be rendered by this configuration.
std::optional<Failed> obstacle(const Invocation& asked, const MonitorConfig& config) {
  const ServiceSettings* service = find_service(config, asked.service);
  if (service == nullptr) {
    std::vector<std::string> names;
    for (const ServiceSettings& one : config.services) names.push_back(one.name);
    return Failed{kExitUsage, fmt::format("there is no service \"{}\"", asked.service),
                  "the services are: " + listed(names)};
  }
  if (!service->keepalived) {
    return Failed{
        kExitUsage,
        fmt::format("{}: service \"{}\" has no [service.keepalived]", config.file, asked.service),
        "it needs at least: addresses, interface, router_id"};
  }
  if (!service->keepalived->credentials.empty() && service->keepalived->auth_pass.empty()) {
    return Failed{kExitUsage,
                  fmt::format("{}: there is no [{}] with auth_pass", config.credentials,
                              service->keepalived->credentials),
                  "add it, or leave `credentials` out of [service.keepalived]"};
  }
  return std::nullopt;
}

Json files_json(const std::vector<Rendered>& files) {
  Json list = Json::array();
  for (const Rendered& one : files) {
    list.push(Json::object({{"site", one.site}, {"file", one.file}, {"checked", one.tried}}));
  }
  return list;
}

std::string files_text(const std::vector<Rendered>& files, const std::string& unasked) {
  std::string text;
  for (const Rendered& one : files) {
    text += fmt::format("wrote {}, for {}{}\n", shown(one.file), one.site,
                        one.tried ? ", and keepalived -t finds it sound" : "");
  }
  if (!unasked.empty()) {
    text += fmt::format("NOT CHECKED: {}. At each site: keepalived -t -f FILE\n", unasked);
  }
  return text +
         "Copy each to its site as /etc/keepalived/keepalived.conf, and the scripts of\n"
         "packaging/keepalived with it; then keepalived -t there, and systemctl reload "
         "keepalived.\n";
}

}  // namespace

int run_render(const Invocation& asked, const Terminal& terminal) {
  const std::string path = asked.config.empty() ? kDefaultConfig : asked.config;
  const auto refuse = [&](Exit exit, const std::string& text, const std::string& hint = "") {
    return tell({exit, exit == kExitUsage ? "invalid" : "failed", "", text, hint}, asked.json,
                terminal);
  };
  // Secrets are read only where one is needed, so that an operator without rights may render.
  auto outcome = read_monitor_config(path, false);
  const ServiceSettings* named =
      outcome.config ? find_service(*outcome.config, asked.service) : nullptr;
  if (named != nullptr && named->keepalived && !named->keepalived->credentials.empty()) {
    outcome = read_monitor_config(path, true);
  }
  if (!outcome.config) {
    std::string text;
    for (const ConfigError& error : outcome.errors)
      text += (text.empty() ? "" : "\n") + error.text();
    return refuse(kExitUsage, text, "pointsman check tells the same");
  }
  if (const auto failed = obstacle(asked, *outcome.config)) {
    return refuse(failed->exit, failed->text, failed->hint);
  }
  const ServiceSettings& service = *find_service(*outcome.config, asked.service);
  const std::string interface = any_interface();
  std::string unasked = interface.empty() ? "this host has no interface but lo" : "";
  std::vector<Rendered> files;
  for (const SiteSettings& site : service.sites) {
    Rendered one{site.name, fmt::format("{}/{}-{}.conf", asked.dir.empty() ? "." : asked.dir,
                                        service.name, site.name)};
    if (unasked.empty()) {
      const auto tried = try_out(keepalived_trial(service, site.name, interface), one.file);
      if (!tried && tried.error().code != ErrorCode::kUnavailable) {
        return refuse(kExitFailed, tried.error().message);
      }
      one.tried = tried.ok();
      if (!tried) unasked = tried.error().message;
    }
    const auto kept =
        keep(one, keepalived_text(service, site.name), !service.keepalived->auth_pass.empty());
    if (!kept) return refuse(kExitFailed, kept.error().message);
    files.push_back(std::move(one));
  }
  terminal.out << (asked.json ? Json::object({{"service", service.name},
                                              {"written", files_json(files)},
                                              {"unchecked", unasked}})
                                        .dump() +
                                    "\n"
                              : files_text(files, unasked))
               << std::flush;
  return unasked.empty() ? kExitDone : kExitPartial;
}

}  // namespace pointsman
