#include "orchestrator/offline/certs.h"

#include <fmt/format.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/address.h"
#include "base/crypto.h"
#include "base/file.h"
#include "orchestrator/offline/x509.h"

namespace pointsman {
namespace {

constexpr long kDay = 86'400;  // NOLINT(google-runtime-int): OpenSSL's type.
// Clocks of the hosts differ a little; a certificate made now must hold there at once.
constexpr long kEarlier = 300;  // NOLINT(google-runtime-int)

struct Authority {
  Certificate certificate;
  PrivateKey key;
};

std::string path_in(const std::string& folder, const std::string& name) {
  return folder + "/" + name;
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

bool add(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// 127 random bits: unique without a register of those given out.
bool number(X509* certificate) {
  std::string bytes = random_bytes(16);
  bytes[0] = static_cast<char>(static_cast<unsigned char>(bytes[0]) & 0x7fU);
  BIGNUM* serial = BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                             static_cast<int>(bytes.size()), nullptr);
  const bool done = serial != nullptr &&
                    BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(serial);
  return done;
}

bool name_it(X509_NAME* name, const std::string& common) {
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common.data()),
                                    static_cast<int>(common.size()), -1, 0) == 1;
}

// Everything but subject extensions and signature.
Certificate draft(EVP_PKEY* key, const std::string& common, int days) {
  Certificate certificate(X509_new());
  X509* made = certificate.get();
  if (made == nullptr || X509_set_version(made, X509_VERSION_3) != 1 || !number(made) ||
      X509_gmtime_adj(X509_getm_notBefore(made), -kEarlier) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(made), days * kDay) == nullptr ||
      X509_set_pubkey(made, key) != 1 || !name_it(X509_get_subject_name(made), common)) {
    return nullptr;
  }
  return certificate;
}

Result<Certificate> self_signed(EVP_PKEY* key) {
  // The random part tells two authorities of one administrator apart.
  Certificate made = draft(key, "pointsman authority " + random_id(), kAuthorityDays);
  X509* ca = made.get();
  if (ca == nullptr || X509_set_issuer_name(ca, X509_get_subject_name(ca)) != 1 ||
      !add(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add(ca, ca, NID_subject_key_identifier, "hash") ||
      !add(ca, ca, NID_authority_key_identifier, "keyid:always") ||
      X509_sign(ca, key, EVP_sha256()) == 0) {
    return openssl_error("making the authority's certificate");
  }
  return made;
}

Result<Certificate> signed_for(const std::string& name, EVP_PKEY* key, const Authority& authority) {
  Certificate made = draft(key, name, kIdentityDays);
  X509* leaf = made.get();
  X509* ca = authority.certificate.get();
  // No identity outlives the authority that vouches for it.
  if (leaf != nullptr && ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(ca)) > 0 &&
      X509_set1_notAfter(leaf, X509_get0_notAfter(ca)) != 1) {
    return openssl_error("bounding a certificate");
  }
  if (leaf == nullptr || X509_set_issuer_name(leaf, X509_get_subject_name(ca)) != 1 ||
      !add(leaf, ca, NID_basic_constraints, "critical,CA:FALSE") ||
      !add(leaf, ca, NID_key_usage, "critical,digitalSignature") ||
      !add(leaf, ca, NID_ext_key_usage, "serverAuth,clientAuth") ||
      !add(leaf, ca, NID_subject_alt_name, "DNS:" + name) ||
      !add(leaf, ca, NID_subject_key_identifier, "hash") ||
      !add(leaf, ca, NID_authority_key_identifier, "keyid:always") ||
      X509_sign(leaf, authority.key.get(), EVP_sha256()) == 0) {
    return openssl_error("signing a certificate for " + name);
  }
  return made;
}

Result<Authority> open_authority(const std::string& folder) {
  const std::string key_file = path_in(folder, "ca.key");
  if (!exists(path_in(folder, "ca.pem")) && !exists(key_file)) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("{} holds no authority; `pointsman certs init` makes one", folder)};
  }
  RETURN_IF_ERROR(check_secret_file(key_file));
  auto certificate = certificate_from(path_in(folder, "ca.pem"));
  if (!certificate) return certificate.error();
  auto key = key_from(key_file);
  if (!key) return key.error();
  Authority authority{*std::move(certificate), *std::move(key)};
  if (X509_check_private_key(authority.certificate.get(), authority.key.get()) != 1) {
    (void)openssl_error("");
    return Error{ErrorCode::kInvalid, fmt::format("{}: ca.key is not the key of ca.pem", folder)};
  }
  if (X509_cmp_current_time(X509_get0_notAfter(authority.certificate.get())) < 0) {
    return Error{ErrorCode::kInvalid, fmt::format("{}/ca.pem has expired", folder)};
  }
  return authority;
}

Result<void> check_names(const std::string& folder, const std::vector<std::string>& names,
                         bool renew) {
  if (names.empty()) return {ErrorCode::kInvalid, "no name given: sites' and monitors' names"};
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!is_plain_name(name) || !is_host_name(name) || name == "ca") {
      return {ErrorCode::kInvalid,
              fmt::format("\"{}\" cannot be an identity: 1 to 63 letters, digits, \"-\", \"_\", "
                          "\".\", the first a letter or digit, and not \"ca\"",
                          name)};
    }
    if (!seen.insert(name).second) {
      return {ErrorCode::kInvalid, fmt::format("\"{}\" is given twice", name)};
    }
    if (!renew && exists(path_in(folder, name + ".pem"))) {
      return {ErrorCode::kConflict,
              fmt::format("{}/{}.pem is there already; --renew renews it", folder, name)};
    }
  }
  return {};
}

// The key goes first: a certificate is never without its key, and a key left alone by a crash is
// used the next time.
Result<PrivateKey> own_key(const std::string& file, std::vector<std::string>& written) {
  if (exists(file)) {
    RETURN_IF_ERROR(check_secret_file(file));
    return key_from(file);
  }
  PrivateKey key = make_key();
  if (key == nullptr) return openssl_error("making a key");
  const auto pem = pem_of(key.get());
  if (!pem) return pem.error();
  RETURN_IF_ERROR(write_file_durably(file, *pem, 0600));
  written.push_back(file);
  return key;
}

Result<void> issue(const std::string& folder, const std::string& name, const Authority& authority,
                   std::vector<std::string>& written) {
  const auto key = own_key(path_in(folder, name + ".key"), written);
  if (!key) return key.error();
  const auto made = signed_for(name, key->get(), authority);
  if (!made) return made.error();
  const auto pem = pem_of(made->get());
  if (!pem) return pem.error();
  const std::string file = path_in(folder, name + ".pem");
  RETURN_IF_ERROR(write_file_durably(file, *pem, 0644));
  written.push_back(file);
  return {};
}

}  // namespace

Result<std::vector<std::string>> certs_init(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error{ErrorCode::kInternal, fmt::format("making {}: {}", folder, std::strerror(errno))};
  }
  const auto lock = FileLock::take(path_in(folder, ".lock"));
  if (!lock) return lock.error();
  const std::string key_file = path_in(folder, "ca.key");
  const std::string cert_file = path_in(folder, "ca.pem");
  for (const std::string& file : {key_file, cert_file}) {
    if (!exists(file)) continue;
    return Error{ErrorCode::kConflict,
                 fmt::format("{} is there already and is never replaced: every identity would be "
                             "void; choose another folder",
                             file)};
  }
  const PrivateKey key = make_key();
  if (key == nullptr) return openssl_error("making a key");
  const auto certificate = self_signed(key.get());
  if (!certificate) return certificate.error();
  const auto key_pem = pem_of(key.get());
  if (!key_pem) return key_pem.error();
  const auto cert_pem = pem_of(certificate->get());
  if (!cert_pem) return cert_pem.error();
  RETURN_IF_ERROR(write_file_durably(key_file, *key_pem, 0600));
  RETURN_IF_ERROR(write_file_durably(cert_file, *cert_pem, 0644));
  return std::vector<std::string>{cert_file, key_file};
}

Result<std::vector<std::string>> certs_issue(const std::string& folder,
                                             const std::vector<std::string>& names, bool renew) {
  const auto authority = open_authority(folder);
  if (!authority) return authority.error();
  const auto lock = FileLock::take(path_in(folder, ".lock"));
  if (!lock) return lock.error();
  RETURN_IF_ERROR(check_names(folder, names, renew));
  std::vector<std::string> written;
  for (const std::string& name : names) {
    RETURN_IF_ERROR(issue(folder, name, *authority, written));
  }
  return written;
}

}  // namespace pointsman
