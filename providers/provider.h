#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/time.h"

// A Provider changes one account that says where users go: the zone of a name, or the servers
// behind a load balancer. It has never heard of sites, roles or failover.
//
// What users are sent by is called a record set, whatever the account calls it. At a DNS provider
// it is one. At a load balancer it is the set of servers that receive users: zone is the region,
// name the balancer's id, a type of the provider's own says what the values are, and a TTL has no
// meaning.

namespace pointsman {

struct RecordKey {
  std::string zone;  // Without trailing dot; compared without case.
  std::string name;  // Full name, without trailing dot.
  std::string type;  // "A", "AAAA", "CNAME", or one of the provider's own.

  bool operator==(const RecordKey&) const = default;
};

struct RecordSet {
  RecordKey key;
  std::vector<std::string> values;  // Sorted, in presentation form; empty: the set is absent.
  std::chrono::seconds ttl{0};
  // Ours, as last written ("" when there is none): opaque. Where parts of the set carry different
  // ones (somebody was here, or we were interrupted): all of them, joined by line breaks, which no
  // mark may hold.
  std::string mark;
};

struct Change {
  RecordKey key;
  std::vector<std::string> desired;
  std::chrono::seconds ttl{60};
  std::string mark;                   // Opaque, at most 200 bytes of printable ASCII.
  std::vector<std::string> expected;  // Values that may stand there now besides `desired`.
  std::vector<std::string>
      expected_marks;  // Marks that may stand there now besides `mark`; "" = none.
  // Where RecordSet::mark holds another: success lets it be overwritten, an error is what replace()
  // fails with. Called in replace() and render(), more than once. Unset: no other may stand there.
  std::function<Result<void>(const std::string& mark)> judge_mark{};
};

// What this provider can promise. A service that asks for more is refused at start.
struct ProviderLimits {
  std::chrono::seconds ttl_min{
      1};  // Told at start; in an emergency this floor is used, never a refusal.
  bool compare_and_set = false;  // replace() is atomic, also against other writers.
  // The longest that one read(), and one replace(), may take while each answer comes within the
  // provider's own time limit: whoever calls gives no less.
  Duration reading = 2s;
  Duration change = 4s;
};

// The one entry of authorities() that says: no name server can show this record, ask my API.
inline constexpr const char* kApiAuthority = "api";

// Calls block until done or `within` has passed, one at a time. No state that a restart would miss
// is kept between calls, and no secret appears in an Error or in rendered text.
class Provider {
 public:
  virtual ~Provider() = default;

  virtual ProviderLimits limits() const = 0;

  // The record set as the provider's API reports it now. An absent set is a success without values.
  virtual Result<RecordSet> read(const RecordKey& key, Duration within) = 0;

  // The same for a move that is under way: a provider that counts its calls serves it first.
  virtual Result<RecordSet> read_for_move(const RecordKey& key, Duration within) {
    return read(key, within);
  }

  // Makes `change.desired` the whole content of its record set and `change.mark` its mark; no other
  // set changes. If the live set already equals it, succeeds and writes nothing. If it holds a
  // value found in neither `expected` nor `desired`, or a mark found in neither `expected_marks`
  // nor equal to `mark`, which judge_mark() does not let pass either, fails with kConflict (or the
  // judge's error) and writes nothing: someone else was here. An empty `desired` is kInvalid: no
  // provider ever empties a set. Where nothing is amiss the set is read once, written once, and
  // read back.
  //
  // A provider without compare_and_set may lack the place or the right to keep a mark: then the
  // move succeeds all the same, an older mark of ours is removed where it can be, and preflight()
  // says so.
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
  // first. Or kApiAuthority alone, where the public answer does not show what the account holds (a
  // proxied record, a load balancer's weights): then read_for_move() is what has the last word.
  virtual Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) = 0;
};

// What one authoritative server answers.
struct AuthorityAnswer {
  std::string server;
  bool answered = false;
  bool lame = false;                // It said that it does not serve the zone; not answered.
  std::vector<std::string> values;  // Sorted.
  std::chrono::seconds ttl{0};
  std::string problem;  // Why not, when it has not answered.
  Duration took{0};
};

// Asks `server` directly, without recursion, UDP then TCP when truncated.
AuthorityAnswer ask_authority(const std::string& server, const RecordKey& key, Duration within);

// What the world is sent to for the zone of `key`: the answers of those name servers, at most 16,
// that the zone names by this host's resolvers, and that its parent names by its own servers.
// kNotFound: the resolvers know none, as for an internal zone.
Result<std::vector<AuthorityAnswer>> ask_delegated(const RecordKey& key, Duration within);

// One sentence on them, when the account holds `values` (sorted). `serves`: every one of them that
// answers says the same and none is lame, so that a change at the account reaches everybody.
struct Delegation {
  bool serves = false;
  std::string text;
};
Delegation judge_delegation(const std::vector<std::string>& values,
                            const std::vector<AuthorityAnswer>& answers);

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

// The types of record that a provider of this type publishes: "A", "AAAA", "CNAME" are those of
// DNS, all others the provider's own. Empty for an unknown type.
std::vector<std::string> record_types(const std::string& provider_type);

// kInvalid for an unknown type or bad settings.
Result<std::unique_ptr<Provider>> make_provider(const ProviderSettings& settings,
                                                const Clock& clock);

}  // namespace pointsman
