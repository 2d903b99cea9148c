#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "agent/config.h"
#include "agent/deadman_thread.h"
#include "agent/peer.h"
#include "agent/server.h"
#include "agent/service_runner.h"
#include "agent/witness.h"
#include "base/file.h"
#include "base/http_server.h"

// The agent as a whole: made from its configuration, started, told to leave.

namespace pointsman {

class AgentProgram {
 public:
  // `config`, `witness` and `clock` outlive this.
  AgentProgram(const AgentConfig& config, Witness* witness, const Clock& clock, bool dry_run);
  ~AgentProgram();

  // Reads what a former run left, then starts every thread. kConflict: another agent runs on this
  // state; kInvalid: a broken record, and then nothing may start.
  Result<void> start();

  // Closes what no kernel would close after us, within `within`, and ends every thread.
  void leave(Duration within);

  void reload_certificates() { server_->reload_tls(); }

  // Whether every thread that a lease hangs on came round within the last 5 s.
  bool is_turning() const;

 private:
  Result<void> start_services(std::uint64_t incarnation);
  Result<std::unique_ptr<ServiceRunner>> make_runner(const AgentServiceSettings& settings,
                                                     std::uint64_t incarnation);
  std::unique_ptr<Rejoiner> make_way_back(const AgentServiceSettings& settings) const;
  std::vector<AttachedDriver> make_drivers(const AgentServiceSettings& settings) const;
  void find_deadman();
  void keep_for_boot();
  void start_deadman();
  void start_peers(const std::string& run);
  void start_metrics();

  const AgentConfig& config_;
  Witness* const witness_;
  const Clock& clock_;
  const bool dry_run_;
  std::optional<FileLock> lock_;
  std::unique_ptr<Deadman> found_deadman_;  // Until its thread owns it.
  std::vector<std::unique_ptr<ServiceRunner>> services_;
  std::unique_ptr<DeadmanThread> deadman_;
  std::vector<std::unique_ptr<PeerPoller>> peers_;
  std::unique_ptr<AgentServer> server_;
  HttpServer metrics_;
};

// The ports of a service, told apart: those of its stores, and all others, which are public.
DeadmanPorts deadman_ports(const AgentServiceSettings& settings);

}  // namespace pointsman
