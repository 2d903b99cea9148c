#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/service_runner.h"
#include "base/http.h"

// Polls the other site's agent: our vouches go there and its reports come back. One poll carries
// all services of the pair, on one kept connection.

namespace pointsman {

class PeerPoller {
 public:
  struct Settings {
    std::string site;
    std::string url;  // "https://198.51.100.20:7443"
    std::string run;
    TlsIdentity tls;
  };

  // The runners outlive this; all have the same peer.
  PeerPoller(Settings settings, std::vector<ServiceRunner*> services, const Clock& clock);
  ~PeerPoller();
  PeerPoller(const PeerPoller&) = delete;
  PeerPoller& operator=(const PeerPoller&) = delete;

  void start();
  void stop();

 private:
  void run();
  void poll(const std::string& peer);
  void take(const HttpAnswer& answer, const std::string& peer, Instant asked);
  std::string peer_name() const;
  Duration period() const;
  void say(const std::string& trouble);

  const Settings settings_;
  const std::vector<ServiceRunner*> services_;
  const Clock& clock_;
  std::unique_ptr<HttpClient> client_;  // For `connected_`; made anew when the name changes.
  std::string connected_;
  std::uint64_t sequence_ = 0;
  bool told_ = false;
  bool answers_ = false;  // As last told.

  std::mutex mutex_;  // Of stopping.
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace pointsman
