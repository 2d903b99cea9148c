#include "agent/config.h"
#include "test/fuzz/fuzz_file.h"

// An agent's configuration from anywhere: read whole, or refused with sentences.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pointsman;
  const FuzzFile file(bytes, size);
  const auto outcome = read_agent_config(file.path());
  CHECK(outcome.config.has_value() == outcome.errors.empty());
  for (const ConfigError& error : outcome.errors) {
    CHECK(!error.text().empty());
    CHECK(error.found.size() < 2000 && error.text().size() < 6000);
    for (const char c : error.text()) CHECK(static_cast<unsigned char>(c) >= 0x20);
  }
  if (outcome.config) CHECK(!outcome.config->services.empty());
  return 0;
}
