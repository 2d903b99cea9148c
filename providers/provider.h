#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/time.h"

// A Provider changes one DNS account. It knows zones and record sets, and has never heard of sites,
// roles or failover.

namespace pointsman {

struct RecordKey {
  std::string zone;  // Without trailing dot; compared without case.
  std::string name;  // Full name, without trailing dot.
  std::string type;  // "A", "AAAA", "CNAME".

  bool operator==(const RecordKey&) const = default;
};

struct RecordSet {
  RecordKey key;
  std::vector<std::string> values;  // Sorted, in presentation form; empty: the set is absent.
  std::chrono::seconds ttl{0};
  std::string mark;  // Ours, as last written ("" when there is none): opaque.
};

struct Change {
  RecordKey key;
  std::vector<std::string> desired;
  std::chrono::seconds ttl{60};
  std::string mark;                   // Opaque, at most 200 bytes of printable ASCII.
  std::vector<std::string> expected;  // Values that may stand there now besides `desired`.
  std::vector<std::string>
      expected_marks;  // Marks that may stand there now besides `mark`; "" = none.
};

// What this provider can promise. A service that asks for more is refused at start.
struct ProviderLimits {
  std::chrono::seconds ttl_min{
      1};  // Told at start; in an emergency this floor is used, never a refusal.
  bool compare_and_set = false;  // replace() is atomic, also against other writers.
};

// Calls block until done or `within` has passed, one at a time. No state that a restart would miss
// is kept between calls, and no secret appears in an Error or in rendered text.
class Provider {
 public:
  virtual ~Provider() = default;

  virtual ProviderLimits limits() const = 0;

  // The record set as the provider's API reports it now. An absent set is a success without values.
  virtual Result<RecordSet> read(const RecordKey& key, Duration within) = 0;

  // Makes `change.desired` the whole content of its record set and `change.mark` its mark; no other
  // set changes. If the live set already equals it, succeeds and writes nothing. If it holds a
  // value found in neither `expected` nor `desired`, or a mark found in neither `expected_marks`
  // nor equal to `mark`, fails with kConflict and writes nothing: someone else was here. An empty
  // `desired` is kInvalid: no provider ever empties a set.
  //
  // After any other failure the live set may hold values of both. Calling again with the same
  // arguments is safe, and completes the work: after an unknown outcome it reads before it writes.
  virtual Result<void> replace(const Change& change, Duration within) = 0;

  // The writes that replace(change) would send, in order, in the form a person would check (an
  // UPDATE in presentation format, an HTTP request), secrets masked. Reads for real; sends none.
  virtual Result<std::vector<std::string>> render(const Change& change, Duration within) = 0;

  // Whether credentials and rights look sound, by reads alone. The text is for people.
  virtual Result<std::string> preflight(const RecordKey& key, Duration within) = 0;

  // Authoritative servers ("192.0.2.53:53") to ask for `key`: NS at the provider's own server
  // first.
  virtual Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) = 0;
};

// What one authoritative server answers.
struct AuthorityAnswer {
  std::string server;
  bool answered = false;
  std::vector<std::string> values;  // Sorted.
  std::chrono::seconds ttl{0};
  std::string problem;  // Why not, when it has not answered.
  Duration took{0};
};

// Asks `server` directly, without recursion, UDP then TCP when truncated.
AuthorityAnswer ask_authority(const std::string& server, const RecordKey& key, Duration within);

// One [provider.NAME] section and the credentials section of the same name. Keys are checked by the
// maker: kInvalid names key, found and allowed; credentials' values never appear.
struct ProviderSettings {
  std::string name;
  std::string type;
  std::map<std::string, std::string> options;
  std::map<std::string, std::string> credentials;
  std::map<std::string, std::vector<std::string>> lists{};  // Options whose value is a list.

  bool operator==(const ProviderSettings&) const = default;
};

// The types of the registry, sorted: for error messages and completion.
std::vector<std::string> provider_types();

// kInvalid for an unknown type or bad settings.
Result<std::unique_ptr<Provider>> make_provider(const ProviderSettings& settings,
                                                const Clock& clock);

}  // namespace pointsman
