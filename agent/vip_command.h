#pragma once

#include <iosfwd>
#include <string>

// pointsman-agent vip SERVICE fit|holds|yields: what keepalived's scripts ask and tell the agent
// that runs here. None of them changes who is in power.

namespace pointsman {

struct VipAsked {
  std::string config;
  std::string service;
  std::string word;  // fit: is this site fit to serve? holds, yields: what became of the address.
};

// 0: fit; told. 1: not fit, with the reason; not kept. 2: usage or configuration. 3: no agent
// answers within 2 s. 4: it refused: it has no such service.
int run_vip(const VipAsked& asked, std::ostream& out);

}  // namespace pointsman
