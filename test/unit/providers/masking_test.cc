#include "providers/masking.h"

#include <doctest/doctest.h>

#include "base/clock.h"

using namespace pointsman;

TEST_CASE("every secret is masked, the longest first, and short ones are none") {
  const Masking masking(std::vector<std::string>{"abcd", "abcdef", "q\"uote", "xyz"});
  CHECK_EQ(masking.masked("abcdef abcd abcdabcd"), "*** *** ******");
  CHECK_EQ(masking.masked("xyz, q\"uote and q\\\"uote"), "xyz, *** and ***");
  CHECK_EQ(masking.masked("abcde"), "***e");
  CHECK_EQ(masking.masked("aabcd"), "a***");
  CHECK_EQ(masking.masked(""), "");
  const std::string cut = masking.line("abcd\n" + std::string(400, 'a'), 8);
  CHECK_EQ(cut, "***\\x0a" + std::string(4, 'a') + "...");
}

TEST_CASE("a secret that the far side repeats half a million times is masked in one pass") {
  std::string text;
  for (int k = 0; k < 500'000; ++k) text += "abcd,";
  const Instant began = system_clock().now();
  const std::string masked = Masking(std::vector<std::string>{"abcd"}).masked(text);
  CHECK(system_clock().now() - began < 10s);
  CHECK_EQ(masked.size(), 2'000'000U);
  CHECK_EQ(masked.find("abcd"), std::string::npos);
}
