#pragma once

#include "providers/provider.h"

// The contract of providers/provider.h as cases that every provider must pass. Each case changes
// something and is then asked again: the second run must change nothing.

namespace pointsman {

// One account under test, and a way past the provider to see and spoil what it holds.
class ProviderBench {
 public:
  virtual ~ProviderBench() = default;
  virtual Provider& provider() = 0;
  // A name within the zone that no earlier case has touched.
  virtual RecordKey fresh_key(const std::string& type) = 0;
  // As another administrator would set it; `values` empty: remove the set, and its mark.
  virtual void put(const RecordSet& set) = 0;
  // What the account holds, read past the provider.
  virtual RecordSet get(const RecordKey& key) = 0;
  // A number that grows with every change of the account (a zone's serial).
  virtual long changes() = 0;
  // A number that grows with every request to write that the far side has heard, whatever it made
  // of it: a zone's serial does not tell of an UPDATE that changed nothing.
  virtual long writes() = 0;

  // What is different where no zone is changed. A case without a subject there says so.

  // The types of record that the provider publishes, the one for most cases first.
  virtual std::vector<std::string> types() { return {"A", "AAAA", "CNAME"}; }
  // What stands there for this address; must keep the order of addresses. For "2001:db8::1",
  // something that cannot stand in a set of the first type.
  virtual std::string value(const std::string& address) { return address; }
  // Whether there is room for this mark.
  virtual bool keeps(const std::string& /*mark*/) { return true; }
  virtual bool has_ttl() { return true; }
  virtual bool folds_case() { return true; }  // Of names.
  // Whether the account itself knows that a CNAME stands alone at its name.
  virtual bool knows_cname() { return true; }
};

// Runs every case as doctest subcases' assertions; call within a TEST_CASE.
void run_provider_suite(ProviderBench& bench);

}  // namespace pointsman
