#include "providers/masking.h"

#include "base/clock.h"
#include "base/crypto.h"

#include <doctest/doctest.h>

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

TEST_CASE("a secret is masked in every spelling that a far side or a library gives it") {
  const std::string secret = "p?a/s+s w\"ord~1";
  const Masking masking(std::vector<std::string>{secret});
  for (const char* spelled : {
           "p?a/s+s w\\\"ord~1",              // JSON
           "p?a\\/s+s w\\\"ord~1",            // of PHP
           "p?a/s+s w\\\\\\\"ord~1",          // within JSON
           "703f612f732b732077226f72647e31",  // hex
           "703F612F732B732077226F72647E31",  //
           "p%3Fa%2Fs%2Bs%20w%22ord~1",       // percent-encoded
           "p%3fa%2fs%2bs%20w%22ord~1",       //
           "p%3Fa%2Fs%2Bs+w%22ord~1",         // as a form
       }) {
    CHECK_EQ(masking.masked("a " + std::string(spelled) + " b"), "a *** b");
  }
  for (const std::string user : {"", "u", "us", "use", "user:"}) {
    const std::string masked = masking.masked(base64(user + secret + ";"));
    CAPTURE(masked);
    CHECK_NE(masked.find("***"), std::string::npos);
    CHECK(masked.size() <= base64(user).size() + 3 + 4);
  }
  const Masking binary(std::vector<std::string>{"\xfb\xff?\xfe\xfb\xff?\xfe"});
  CHECK_EQ(binary.masked("+/8//vv/P/4="), "***4=");
  CHECK_EQ(binary.masked("-_8__vv_P_4="), "***4=");
}

TEST_CASE("a cut leaves no part of a secret") {
  const std::string secret = "0123456789abcdef0123456789abcdef";
  const Masking masking(std::vector<std::string>{secret});
  for (std::size_t before = 0; before < 400; ++before) {
    const std::string line = masking.line(std::string(before, 'x') + secret + secret + secret, 30);
    CAPTURE(before);
    CHECK_EQ(line.find("0123"), std::string::npos);
  }
  const Instant began = system_clock().now();
  CHECK(masking.line(std::string(std::size_t{64} << 20, 'x')).size() <= 310);
  CHECK(system_clock().now() - began < 2s);
}
