#pragma once

#include <string>
#include <vector>

#include "base/dns.h"
#include "base/result.h"
#include "providers/provider.h"

// What every provider decides alike before it writes: whether a change is sound, and whether the
// live set lets it be written. Pure.

namespace pointsman {

// A key, checked: name within zone, type one that we manage.
struct CheckedKey {
  DnsName zone;
  DnsName name;
  std::uint16_t type = 0;
};
Result<CheckedKey> check_key(const RecordKey& key);
// Its names in lower case, without trailing dots.
RecordKey lower_key(const CheckedKey& key);

// Each value in canonical form, sorted, each once. kInvalid: one does not fit the type.
Result<void> make_canonical(const CheckedKey& key, std::vector<std::string>& values);

// The change with its values in canonical form, sorted, each once. kInvalid: a value does not fit
// the type, `desired` is empty or a CNAME has several, the ttl is not 1 s to 1 day, or the mark is
// above 200 bytes or not printable ASCII.
Result<Change> check_change(const Change& change);

// kInvalid: the mark is above 200 bytes or not printable ASCII.
Result<void> check_mark(const Change& change);

enum class Todo { kNothing, kWrite };

// REQUIRES: `change` came from check_change, and its ttl is one that the provider can set.
// kConflict names what stands there: a value or a mark that nobody declared. Of several marks each
// must be declared.
Result<Todo> compare(const RecordSet& live, const Change& change);

// The marks of RecordSet::mark; one, perhaps empty, unless parts of the set differ.
std::vector<std::string> marks_of(const std::string& mark);

// "api.example.test A", for messages.
std::string to_text(const RecordKey& key);
// "192.0.2.1, 192.0.2.2", or "nothing"; of many the first 16, and how many more.
std::string to_text(const std::vector<std::string>& values);

}  // namespace pointsman
