#pragma once

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

// Certificates made on the spot, for tests only.

namespace pointsman::testing {

// A temporary folder that goes with the test.
struct Folder {
  std::string path = "/tmp/pm-test.XXXXXX";
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

// A private authority. Writes PEM files into `folder`.
class Authority {
 public:
  // Makes NAME.pem.
  Authority(const Folder& folder, const std::string& name)
      : folder_(folder), name_(name), key_(EVP_EC_gen("P-256")), own_(make(key_, "CA " + name)) {
    extend(own_, NID_basic_constraints, "critical,CA:TRUE");
    extend(own_, NID_key_usage, "critical,keyCertSign,cRLSign");
    X509_set_issuer_name(own_, X509_get_subject_name(own_));
    REQUIRE(X509_sign(own_, key_, EVP_sha256()) > 0);
    write(folder_ / (name + ".pem"), own_);
  }
  ~Authority() {
    X509_free(own_);
    EVP_PKEY_free(key_);
  }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  std::string ca_file() const { return folder_ / (name_ + ".pem"); }

  // Makes FILE.pem and FILE.key with the subject alternative names `names` ("DNS:hz").
  void issue(const std::string& file, const std::string& names) const {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = make(key, "someone");
    extend(certificate, NID_subject_alt_name, names.c_str());
    X509_set_issuer_name(certificate, X509_get_subject_name(own_));
    REQUIRE(X509_sign(certificate, key_, EVP_sha256()) > 0);
    write(folder_ / (file + ".pem"), certificate);
    std::FILE* out = std::fopen((folder_ / (file + ".key")).c_str(), "w");
    REQUIRE(out != nullptr);
    PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }

 private:
  static X509* make(EVP_PKEY* key, const std::string& name) {
    static long serial = 1;
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    return certificate;
  }
  static void extend(X509* certificate, int kind, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    REQUIRE(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static void write(const std::string& path, X509* certificate) {
    std::FILE* out = std::fopen(path.c_str(), "w");
    REQUIRE(out != nullptr);
    PEM_write_X509(out, certificate);
    std::fclose(out);
  }

  const Folder& folder_;
  const std::string name_;
  EVP_PKEY* key_;
  X509* own_;
};

}  // namespace pointsman::testing
