#pragma once

#include <deque>
#include <string>
#include <vector>

#include "orchestrator/sim/sim_host.h"
#include "providers/provider.h"

// A DNS account: record sets with marks that change under a prerequisite in one message, as RFC
// 2136 has it; authoritative servers that show a change later; and what may go wrong in between.

namespace pointsman {

class World;

class SimZone {
 public:
  explicit SimZone(World& world);

  bool down = false;
  int lost_replies = 0;      // The next so many writes are made, and their replies lost.
  Duration late_by{0};       // The next write is made later by this, and its reply lost.
  bool stale_reads = false;  // Reads show what was before the last change.

  RecordSet read(const RecordKey& key) const;
  // Applies under the change's own prerequisites, now.
  Result<void> apply(const Change& change);
  // Somebody at another console.
  void edit(int service, std::size_t record, int site);

  // What an authoritative server answers.
  AuthorityAnswer ask(const std::string& server, const RecordKey& key) const;
  // Where a resolver's fresh answer leads; -1: to no site.
  int shown(int service, std::uint64_t chance) const;
  int written() const { return written_; }
  // Whether every server shows `site` for every record of `service`.
  bool is_foreign(int service) const;  // A human's value stands in a record of it.
  bool agrees(int service, int site) const;

 private:
  struct Entry {
    RecordSet now;
    RecordSet before;
    std::array<std::vector<std::string>, 2> shown;
    std::string last_written_mark;
  };
  std::size_t records(int service) const;
  const Entry* find(const RecordKey& key) const;
  Entry* find(const RecordKey& key);
  void change(Entry& entry, const std::vector<std::string>& values, const std::string& mark);

  World& world_;
  std::deque<Entry> entries_;
  int written_ = 0;
};

std::string address_of(int site);
std::string record_name(int service, std::size_t record);
int service_of(const std::string& record_name);

// What a publisher is given: the reading it was shown when it asked, and writes that take place
// now.
class StagedProvider final : public Provider {
 public:
  explicit StagedProvider(World& world) : world_(world) {}

  Result<RecordSet> staged = Error{ErrorCode::kUnavailable, "nothing was read"};

  ProviderLimits limits() const override { return {std::chrono::seconds(1), true}; }
  Result<RecordSet> read(const RecordKey&, Duration) override { return staged; }
  Result<void> replace(const Change& change, Duration within) override;
  Result<std::vector<std::string>> render(const Change&, Duration) override {
    return std::vector<std::string>{};
  }
  Result<std::string> preflight(const RecordKey&, Duration) override { return std::string("well"); }
  Result<std::vector<std::string>> authorities(const RecordKey&, Duration) override {
    return std::vector<std::string>{"ns1", "ns2"};
  }

 private:
  World& world_;
};

}  // namespace pointsman
