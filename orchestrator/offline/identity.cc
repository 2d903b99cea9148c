#include <fmt/format.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "base/certificate.h"
#include "orchestrator/offline/certs.h"
#include "orchestrator/offline/x509.h"

namespace pointsman {
namespace {

struct FreeStore {
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};
struct FreeContext {
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
};

std::string written_time(const ASN1_TIME* time) {
  std::tm tm{};
  if (ASN1_TIME_to_tm(time, &tm) != 1) return "";
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

}  // namespace

Result<IdentityFacts> read_identity(const std::string& file) {
  const auto certificate = certificate_from(file);
  if (!certificate) return certificate.error();
  X509* held = certificate->get();
  IdentityFacts facts;
  facts.names = certificate_names(held);
  facts.not_after = written_time(X509_get0_notAfter(held));
  int days = 0;
  int rest = 0;
  if (ASN1_TIME_diff(&days, &rest, nullptr, X509_get0_notAfter(held)) != 1) {
    return Error{ErrorCode::kInvalid, file + ": its end of validity cannot be read"};
  }
  facts.seconds_left = std::int64_t{86'400} * days + rest;
  facts.not_yet_valid = X509_cmp_current_time(X509_get0_notBefore(held)) > 0;
  facts.authority = X509_check_ca(held) == 1;
  return facts;
}

Result<void> check_identity(const std::string& ca_file, const std::string& cert_file,
                            const std::string& key_file) {
  const auto ca = certificate_from(ca_file);
  if (!ca) return ca.error();
  const auto certificate = certificate_from(cert_file);
  if (!certificate) return certificate.error();
  const auto key = key_from(key_file);
  if (!key) return key.error();
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    (void)openssl_error("");
    return {ErrorCode::kRefused, fmt::format("{} is not the key of {}", key_file, cert_file)};
  }
  const std::unique_ptr<X509_STORE, FreeStore> store(X509_STORE_new());
  const std::unique_ptr<X509_STORE_CTX, FreeContext> context(X509_STORE_CTX_new());
  // All of them are read: a file of two authorities is how one replaces the other.
  if (store == nullptr || context == nullptr ||
      X509_STORE_load_file(store.get(), ca_file.c_str()) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), certificate->get(), nullptr) != 1) {
    return openssl_error("reading " + ca_file);
  }
  if (X509_verify_cert(context.get()) == 1) return {};
  const int reason = X509_STORE_CTX_get_error(context.get());
  (void)openssl_error("");
  return {ErrorCode::kRefused, fmt::format("{} does not hold under {}: {}", cert_file, ca_file,
                                           X509_verify_cert_error_string(reason))};
}

}  // namespace pointsman
