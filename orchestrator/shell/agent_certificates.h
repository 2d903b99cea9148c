#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/http.h"

// When the agents' certificates end, by their own word: asked now and then, for /metrics alone.

namespace pointsman {

class AgentCertificates {
 public:
  // Site -> URL of its agent.
  AgentCertificates(const Clock& clock, TlsIdentity tls, std::map<std::string, std::string> agents);

  // Asks one that is due, within a second: many that are silent must not hold up who else has a
  // turn. Returns when to come again. One caller.
  Instant turn(Instant now);

  // Site -> how long its certificate still lasts, of those that answered once. Thread-safe.
  std::map<std::string, Duration> left(Instant now) const;

 private:
  struct Agent {
    std::string url;
    Instant due{0};
  };
  const Clock& clock_;
  const TlsIdentity tls_;
  std::map<std::string, Agent> agents_;
  mutable std::mutex mutex_;  // Of the next: asked on one thread, scraped on others.
  std::map<std::string, Instant> ends_;
};

}  // namespace pointsman
