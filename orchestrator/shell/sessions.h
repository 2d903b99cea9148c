#pragma once

#include <list>
#include <string>
#include <string_view>

#include "base/time.h"
#include "orchestrator/shell/doorkeeper.h"

// The sessions of browsers that logged in to the page. A book: it takes `now`, and whoever shares
// it between threads guards it.

namespace pointsman {

class Sessions {
 public:
  static constexpr Duration kLifetime = 12h;      // From the login, whatever happens.
  static constexpr Duration kIdleMost = 1h;       // Without a call; an open event stream is one.
  static constexpr std::size_t kMostOfRole = 32;  // The one unused for longest makes room.

  struct Opened {
    std::string id;    // For the cookie. Not kept: the book holds its digest.
    std::string csrf;  // What each order of the session must carry besides.
  };
  struct Session {
    std::string key;  // Names the session to us; tells nothing of its id.
    std::string digest;
    std::string csrf;
    Entry role = Entry::kStranger;
    Instant opened{0};
    Instant used{0};
  };

  Opened open(Entry role, Instant now);

  // The session of that id, used from now on; nullptr when there is none, or its time is over. The
  // work is the same whichever it is. Valid until the next call.
  const Session* find(std::string_view id, Instant now);

  // The same by its key.
  const Session* find_key(std::string_view key, Instant now);

  void close(std::string_view key);
  void close_role(Entry role);
  std::size_t count() const { return sessions_.size(); }

 private:
  void drop_ended(Instant now);

  std::list<Session> sessions_;
};

}  // namespace pointsman
