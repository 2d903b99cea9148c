#include "base/crypto.h"

#include <doctest/doctest.h>

namespace pointsman {
namespace {

TEST_CASE("crypto: published vectors of digests and MACs") {
  CHECK(hex(digest(Hash::kSha1, "abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(hex(digest(Hash::kSha256, "")) ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest(Hash::kSha384, "abc").size() == 48);
  CHECK(hex(digest(Hash::kSha512, "abc")).substr(0, 16) == "ddaf35a193617aba");
  // RFC 4231, case 2; RFC 2202, case 2.
  CHECK(hex(hmac(Hash::kSha256, "Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(hmac(Hash::kSha1, "Jefe", "what do ya want for nothing?")) ==
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  CHECK(hex(hmac(Hash::kSha256, {}, {})) ==
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("crypto: hex and base64 there and back") {
  CHECK(hex(std::string_view("\x00\xff\x1a", 3)) == "00ff1a");
  CHECK(*from_hex("00FF1a") == std::string_view("\x00\xff\x1a", 3));
  CHECK(!from_hex("abc").ok());
  CHECK(!from_hex("zz").ok());
  const char* plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
  const char* coded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  for (int i = 0; i < 7; ++i) {
    CHECK(base64(plain[i]) == coded[i]);
    CHECK(*from_base64(coded[i]) == plain[i]);
  }
  for (const char* bad :
       {"Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm 9v", "Zm9\n"}) {
    CHECK_MESSAGE(!from_base64(bad).ok(), bad);
  }
  const std::string noise = random_bytes(1000);
  CHECK(*from_base64(base64(noise)) == noise);
}

TEST_CASE("crypto: secrets and chance") {
  CHECK(equal_secret("abc", "abc"));
  CHECK(!equal_secret("abc", "abd"));
  CHECK(!equal_secret("abc", "ab"));
  CHECK(equal_secret("", ""));
  CHECK(random_id().size() == 16);
  CHECK(random_id() != random_id());
  CHECK(random_u64() != random_u64());
  CHECK(random_bytes(0).empty());
}

}  // namespace
}  // namespace pointsman
