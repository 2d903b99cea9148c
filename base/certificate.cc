#include "base/certificate.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>

#include "base/file.h"

namespace pointsman {
namespace {

std::vector<std::string> dns_names(X509* certificate) {
  std::vector<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int k = 0; all != nullptr && k < sk_GENERAL_NAME_num(all); ++k) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, k);
    if (name->type != GEN_DNS) continue;
    const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
    names.emplace_back(text, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  GENERAL_NAMES_free(all);
  return names;
}

}  // namespace

Result<CertificateFacts> read_certificate(const std::string& path) {
  auto pem = read_file(path);
  if (!pem.ok()) return pem.error();
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem->data(), static_cast<int>(pem->size())), &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  if (!certificate) return {ErrorCode::kInvalid, path + " holds no certificate in PEM"};
  CertificateFacts facts;
  facts.names = dns_names(certificate.get());
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) == 1) {
    facts.not_after = {timegm(&end) * std::int64_t{1'000'000'000}};
  }
  return facts;
}

}  // namespace pointsman
