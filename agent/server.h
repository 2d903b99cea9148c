#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/service_runner.h"
#include "base/http_server.h"

// The agent's doors: HTTPS with mutual TLS for monitors and the peer, and a Unix socket for the
// command line on this host.

namespace pointsman {

class AgentServer {
 public:
  // The runners outlive this.
  AgentServer(const AgentConfig& config, std::vector<ServiceRunner*> services, bool dry_run);

  // kUnavailable names the address.
  Result<void> start();
  void stop();
  int port() const { return public_.port(); }
  void reload_tls();

 private:
  HttpReply poll(const HttpCall& call);
  HttpReply order(const HttpCall& call);
  HttpReply take(const HttpCall& call);
  HttpReply vip(const HttpCall& call);
  HttpReply version() const;
  HttpReply status();
  Result<void> identity_holds() const;
  bool is_monitor(const HttpCall& call, const std::string& name) const;
  ServiceRunner* find(const std::string& service) const;

  const AgentConfig& config_;
  const std::vector<ServiceRunner*> services_;
  const bool dry_run_;
  HttpServer public_;
  HttpServer control_;
};

}  // namespace pointsman
