#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

// [service.keepalived]: a virtual address for two sites on one LAN, and the configuration of
// keepalived that moves it (docs/keepalived.md; keepalived.conf(5), RFC 3768, RFC 5798).

namespace pointsman {

struct ServiceSettings;

struct KeepalivedSettings {
  std::vector<std::string> addresses;             // "192.0.2.100/24"; all of one family.
  std::map<std::string, std::string> interfaces;  // Site -> its interface in the LAN.
  int router_id = 0;                              // VRID, 1 to 255.
  bool multicast = false;                         // Else adverts go to the other site alone,
  std::map<std::string, std::string> unicast;     // from and to these: site -> its address there.
  Duration interval = 2s;
  Duration timeout = 3s;
  int weight = -50;
  int fall = 3;
  int rise = 2;
  Duration advert = 1s;
  std::map<std::string, int> priorities;  // Site -> its own.
  std::string credentials;                // Section with auth_pass; "": none.
  std::string auth_pass;
  std::string scripts = "/usr/lib/pointsman";
  std::string agent_config = "/etc/pointsman/agent.toml";  // {site} stands for the site's name.
  std::string agent_state = "/var/lib/pointsman-agent";    // The same.

  bool is_ipv6() const;
  // What being in power adds to a priority: more than the distance between the two.
  int power_weight() const;
  // After so long without a call of its scripts keepalived is gone or hangs.
  Duration silent_after() const { return fall * interval + timeout; }

  bool operator==(const KeepalivedSettings&) const = default;
};

// keepalived.conf of one site, whole. The text holds auth_pass.
std::string keepalived_text(const ServiceSettings& service, const std::string& site);

// The same for `keepalived -t` on this host, which need not have the site's interface and scripts.
std::string keepalived_trial(const ServiceSettings& service, const std::string& site,
                             const std::string& interface);

}  // namespace pointsman
