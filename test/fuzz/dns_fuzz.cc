#include <cstdint>

#include "base/check.h"
#include "base/dns.h"

// A DNS message from anywhere: read or refused; and values of records to text and back.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pointsman;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  (void)parse_message(text).ok();
  const Result<DnsName> name = DnsName::from_wire(text);
  (void)DnsName::parse(text).ok();
  if (name.ok()) CHECK(size > 0);
  for (const int number : {1, 2, 5, 6, 15, 16, 28}) {
    const auto type = static_cast<std::uint16_t>(number);
    const Result<std::string> shown = rdata_to_text(type, text);
    if (shown.ok()) (void)rdata_from_text(type, *shown).ok();
    (void)canonical_value(type, text).ok();
  }
  return 0;
}
