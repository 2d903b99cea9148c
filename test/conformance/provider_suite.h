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
};

// Runs every case as doctest subcases' assertions; call within a TEST_CASE.
void run_provider_suite(ProviderBench& bench);

}  // namespace pointsman
