#include "base/utf8.h"

namespace pointsman {
namespace {

// The length that the first byte announces, and the bounds of the second byte, which alone keep out
// overlong forms, surrogates and what lies above U+10FFFF.
struct Lead {
  std::size_t length;
  unsigned char second_least;
  unsigned char second_most;
};

Lead lead_of(unsigned char first) {
  if (first < 0x80) return {1, 0, 0};
  if (first < 0xC2) return {0, 0, 0};
  if (first < 0xE0) return {2, 0x80, 0xBF};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};
  if (first < 0xF0) return {3, 0x80, 0xBF};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first < 0xF4) return {4, 0x80, 0xBF};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const Lead lead = lead_of(static_cast<unsigned char>(text[0]));
  if (lead.length > text.size()) return 0;
  for (std::size_t i = 1; i < lead.length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool fits = i == 1 ? byte >= lead.second_least && byte <= lead.second_most
                             : byte >= 0x80 && byte <= 0xBF;
    if (!fits) return 0;
  }
  return lead.length;
}

}  // namespace pointsman
