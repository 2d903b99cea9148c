#include "base/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "base/file.h"
#include "base/text.h"

namespace pointsman {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

// A file with a passphrase would make OpenSSL ask on the terminal.
int no_passphrase(char* /*into*/, int /*size*/, int /*writing*/, void* /*unused*/) { return -1; }

}  // namespace

std::vector<std::string> certificate_names(const X509* certificate) {
  std::vector<std::string> names;
  if (certificate == nullptr) return names;
  const std::unique_ptr<GENERAL_NAMES, Free> all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int k = 0; k < sk_GENERAL_NAME_num(all.get()); ++k) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(all.get(), k);
    if (one->type != GEN_DNS) continue;
    const std::string name(reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName)),
                           static_cast<std::size_t>(ASN1_STRING_length(one->d.dNSName)));
    if (name.find('\0') == std::string::npos) names.push_back(lowered(name));
  }
  return names;
}

namespace {

Result<std::unique_ptr<X509, Free>> certificate_of(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return text.error();
  const std::unique_ptr<BIO, Free> bio(
      BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  std::unique_ptr<X509, Free> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (certificate == nullptr) {
    return Error{ErrorCode::kInvalid, file + ": no certificate in PEM form"};
  }
  return certificate;
}

}  // namespace

Result<std::vector<std::string>> certificate_names(const std::string& file) {
  const auto certificate = certificate_of(file);
  if (!certificate) return certificate.error();
  return certificate_names(certificate->get());
}

Result<std::int64_t> certificate_seconds_left(const std::string& file) {
  const auto certificate = certificate_of(file);
  if (!certificate) return certificate.error();
  int days = 0;
  int rest = 0;
  if (ASN1_TIME_diff(&days, &rest, nullptr, X509_get0_notAfter(certificate->get())) != 1) {
    return Error{ErrorCode::kInvalid, file + ": its end of validity cannot be read"};
  }
  return std::int64_t{86'400} * days + rest;
}

}  // namespace pointsman
