#include "orchestrator/offline/config.h"
#include "test/fuzz/fuzz_file.h"

// A monitor's configuration from anywhere: read whole, or refused with sentences that have a place.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pointsman;
  const FuzzFile file(bytes, size);
  const auto outcome = read_monitor_config(file.path());
  CHECK(outcome.config.has_value() == outcome.errors.empty());
  for (const ConfigError& error : outcome.errors) {
    CHECK(!error.text().empty());
    // What came from the file is shown in pieces, however long it is.
    CHECK(error.found.size() < 2000 && error.text().size() < 6000);
    for (const char c : error.text()) CHECK(static_cast<unsigned char>(c) >= 0x20);
  }
  if (outcome.config) CHECK(!outcome.config->services.empty());
  return 0;
}
