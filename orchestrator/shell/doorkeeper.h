#pragma once

#include <list>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/time.h"

// Who may come in by TCP: bearer tokens by role, and a bound on guessing them.

namespace pointsman {

enum class Entry {
  kStranger,  // No token, or a wrong one.
  kViewer,
  kOperator,
  kTooMany,  // This source guessed too often: no answer to any further guess, right or wrong.
};

class Doorkeeper {
 public:
  // Role -> token; kept as digests.
  explicit Doorkeeper(const std::map<std::string, std::string>& tokens) { set_tokens(tokens); }

  // `authorization` is the header as it came; `source` who counts as one. The work is the same
  // whatever the token. A source has ten wrong tokens, and one more every six seconds; beyond them
  // only a role that came in from there before still does, so that somebody who guesses from
  // behind the same address shuts no operator out. Thread-safe.
  Entry judge(const std::string& authorization, const std::string& source, Instant now);

  // Of a reload: former tokens count no more. Thread-safe.
  void set_tokens(const std::map<std::string, std::string>& tokens);

 private:
  struct Source {
    std::string name;
    Instant paid_until{0};  // Each wrong token moves it on; beyond a bound there are no more.
    bool let_viewer_in = false;
    bool let_operator_in = false;
  };
  Entry role_of(const std::string& authorization) const;
  Source& find(const std::string& name);

  struct Known {
    Entry entry;
    std::string digest;
  };
  std::mutex mutex_;  // Handlers run on several connection threads.
  std::vector<Known> known_;
  std::list<Source> sources_;  // The latest first; bounded.
};

}  // namespace pointsman
