#pragma once

#include "providers/compare.h"
#include "providers/provider.h"

// The course of a change at an account that knows no prerequisites: read, compare, write, read
// again. A provider of that kind says how one record set is read and written, and nothing else.

namespace pointsman {

class ReadWriteProvider : public Provider {
 public:
  Result<RecordSet> read(const RecordKey& key, Duration within) final;
  Result<RecordSet> read_for_move(const RecordKey& key, Duration within) final;
  Result<void> replace(const Change& change, Duration within) final;
  Result<std::vector<std::string>> render(const Change& change, Duration within) final;

 protected:
  // The set as the account holds it now, values in any order and spelling. `key` is checked, its
  // names are in lower case.
  virtual Result<RecordSet> fetch(const RecordKey& key, Instant deadline) = 0;

  // `change` as the account can take it: a TTL that is below its floor, though not below that of
  // limits(), is raised, and nothing else. Asked after each fetch() of replace() and render(), with
  // what it found.
  virtual Result<Change> adapt(const RecordSet& live, Change change, Instant deadline);

  // Makes `live`, which was just fetched, what `change` says, once: nothing is tried again in here.
  // kTimeout and kInternal: it may have acted, or may still act; it is read before anything else.
  // kConflict: it is no longer `live`, nothing was written. Any other: it has not acted.
  virtual Result<void> write(const RecordSet& live, const Change& change, Instant deadline) = 0;

  // What write() would send, in the form a person would check. Sends nothing.
  virtual Result<std::vector<std::string>> show(const RecordSet& live, const Change& change,
                                                Instant deadline) = 0;

  // `why`, with who and where before it; no secret.
  virtual Error error(ErrorCode code, std::string_view why) const = 0;

  // Whether the call under way belongs to a move: what it asks is asked before mere looks.
  bool is_of_move() const { return of_move_; }

 private:
  struct Begun {
    Change change;  // Checked; names in lower case.
    RecordSet live;
    Todo todo;
  };
  Result<void> make_so(const Change& change, Duration within);
  Result<RecordSet> fetch_sound(const RecordKey& key, Instant deadline);
  Result<Begun> begin(const Change& asked, Instant deadline);
  // After a write that was accepted: success once the account shows it, with that TTL or a higher
  // one.
  Result<void> confirm(const Change& change, Instant deadline);
  // After a write that failed with `failure`, which leaves open what is there now.
  Result<void> settle(const Begun& begun, const Error& failure, Instant deadline);

  bool of_move_ = false;  // Of the call under way: they come one at a time.
};

}  // namespace pointsman
