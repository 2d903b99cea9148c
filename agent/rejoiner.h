#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/protocol.h"
#include "base/clock.h"
#include "base/result.h"

// The way back of a site that lost power, as far as its stores go: what they hold that those of
// the site in power never had is found, written down and, when a person gave it up, replaced by a
// copy. On a thread of its own: a copy may take hours, and nothing waits for it.

namespace pointsman {

// One store on the way back. Calls block; long ones ask `stopped` several times a second and give
// up when it says so. kRefused: not without a person (rights, settings, space); any other failure
// is worth another attempt.
struct WayBackWatch {
  std::function<bool()> stopped;
  // Bytes; total 0: not known.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

class WayBack {
 public:
  virtual ~WayBack() = default;

  virtual std::string name() const = 0;

  // What this store holds that `source` never had, in words; "": provably nothing. Changes nothing.
  // Refuses while clients could still write here.
  virtual Result<std::string> survey(const std::string& source, Duration within) = 0;

  // Writes what survey() found into `folder`, in files of its own whose names begin with name().
  // Returns what they hold, for people and for the manifest.
  virtual Result<Json> write_down(const std::string& source, const std::string& folder,
                                  const WayBackWatch& watch) = 0;

  // What would keep the next two from their end: rights, programs, space.
  virtual Result<void> preflight(const std::string& source, const std::string& folder) = 0;

  // Fetches a consistent copy into `folder`, unless it is there whole already. Nothing of the store
  // is touched.
  virtual Result<void> copy(const std::string& source, const std::string& folder,
                            const WayBackWatch& watch) = 0;

  // Makes the copy the store's only content, so that it can follow `source`. Begins anew when it
  // was cut off before.
  virtual Result<void> replace(const std::string& source, const std::string& folder,
                               const WayBackWatch& watch) = 0;
};

// What one order asks for.
struct RejoinTask {
  bool reseed = false;  // Else a survey.
  bool dry = false;     // Nothing is written, not even down.
  std::string move;
  Reign reign;
  std::string power;                           // The site in power.
  std::map<std::string, std::string> sources;  // Store -> "host:port" there.
  // The stores may have been touched already; then this is where it was written down.
  bool spoiled = false;
  std::string bundle;
  // Asked before the first touch, with the bundle: whether the order still stands, durably noted.
  std::function<Result<void>(const std::string& bundle)> may_spoil;
  std::function<Result<void>()> replaced;  // Every store is whole again.
};

class Rejoiner {
 public:
  virtual ~Rejoiner() = default;

  // Never blocks. The same task again goes on, or begins anew when it has failed; "" or why not.
  virtual std::string begin(RejoinTask task) = 0;
  // Ends what is under way, soon; `why` is reported. A store that was touched stays as it is.
  virtual void cancel(const std::string& why) = 0;
  virtual std::optional<RejoinReport> report() const = 0;
  // Ends it and waits.
  virtual void stop() = 0;
};

struct RejoinerParts {
  std::string service;
  std::string site;
  std::string state_dir;
  std::vector<std::unique_ptr<WayBack>> stores;
  const Clock* clock = nullptr;
};
std::unique_ptr<Rejoiner> make_rejoiner(RejoinerParts parts);

}  // namespace pointsman
