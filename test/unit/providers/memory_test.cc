#include "providers/memory.h"

#include "test/conformance/provider_suite.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace pointsman;

namespace {

class MemoryBench : public ProviderBench {
 public:
  Provider& provider() override { return provider_; }
  RecordKey fresh_key(const std::string& type) override {
    return {"example.test", fmt::format("n{}.example.test", ++names_), type};
  }
  void put(const RecordSet& set) override {
    zone_.put(set);
    ++puts_;
  }
  RecordSet get(const RecordKey& key) override { return zone_.get(key); }
  long changes() override { return zone_.writes() + puts_; }
  long writes() override { return zone_.writes(); }
  bool knows_cname() override { return false; }

 private:
  MemoryZone zone_;
  MemoryProvider provider_{zone_};
  int names_ = 0;
  int puts_ = 0;
};

}  // namespace

TEST_CASE("the memory provider keeps the contract") {
  MemoryBench bench;
  run_provider_suite(bench);
}
