#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "base/result.h"

// OpenSSL's certificates and keys with an owner. Private to this folder.

namespace pointsman {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using PrivateKey = std::unique_ptr<EVP_PKEY, FreeKey>;
using Certificate = std::unique_ptr<X509, FreeCertificate>;

// A failure of OpenSSL's as an Error; empties its queue.
Error openssl_error(const std::string& what);

PrivateKey make_key();  // P-256; null on failure.
Result<std::string> pem_of(EVP_PKEY* key);
Result<std::string> pem_of(X509* certificate);
Result<PrivateKey> key_from(const std::string& file);
Result<Certificate> certificate_from(const std::string& file);

}  // namespace pointsman
