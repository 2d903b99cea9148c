#include "orchestrator/offline/x509.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

#include "base/file.h"

namespace pointsman {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

std::string content_of(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);  // NOLINT(google-runtime-int)
  return std::string(bytes, static_cast<std::size_t>(size));
}

Bio over(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// A key with a passphrase would make OpenSSL ask on the terminal.
int no_passphrase(char* /*into*/, int /*size*/, int /*writing*/, void* /*unused*/) { return -1; }

}  // namespace

Error openssl_error(const std::string& what) {
  std::array<char, 200> text{};
  const auto code = ERR_get_error();
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return {ErrorCode::kInternal,
          code == 0 ? what + " failed" : fmt::format("{} failed: {}", what, text.data())};
}

PrivateKey make_key() { return PrivateKey(EVP_EC_gen("P-256")); }

Result<std::string> pem_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return openssl_error("writing a private key");
  }
  return content_of(bio.get());
}

Result<std::string> pem_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return openssl_error("writing a certificate");
  }
  return content_of(bio.get());
}

Result<PrivateKey> key_from(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return text.error();
  const Bio bio = over(*text);
  PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return Error{ErrorCode::kInvalid, file + ": no private key in PEM form without a passphrase"};
  }
  return key;
}

Result<Certificate> certificate_from(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return text.error();
  const Bio bio = over(*text);
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (certificate == nullptr) {
    return Error{ErrorCode::kInvalid, file + ": no certificate in PEM form"};
  }
  return certificate;
}

}  // namespace pointsman
