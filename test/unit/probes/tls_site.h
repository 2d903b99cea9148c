#pragma once

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <string>

#include "test/unit/probes/site.h"

namespace pointsman {

// A certificate authority and a site it vouches for, made on the spot.
class TlsIdentityOfSite {
 public:
  TlsIdentityOfSite(const std::string& names, int days) {
    ca_key_ = EVP_EC_gen("P-256");
    key_ = EVP_EC_gen("P-256");
    ca_ = certificate("test authority", ca_key_, 3650);
    extend(ca_, NID_basic_constraints, "critical,CA:TRUE");
    X509_set_issuer_name(ca_, X509_get_subject_name(ca_));
    X509_sign(ca_, ca_key_, EVP_sha256());
    leaf_ = certificate("site", key_, days);
    extend(leaf_, NID_subject_alt_name, names.c_str());
    X509_set_issuer_name(leaf_, X509_get_subject_name(ca_));
    X509_sign(leaf_, ca_key_, EVP_sha256());
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context_, leaf_);
    SSL_CTX_use_PrivateKey(context_, key_);
    path_ = "/tmp/pm-probes-ca-" + std::to_string(getpid()) + ".pem";
    FILE* file = fopen(path_.c_str(), "w");
    PEM_write_X509(file, ca_);
    fclose(file);
  }

  ~TlsIdentityOfSite() {
    unlink(path_.c_str());
    SSL_CTX_free(context_);
    X509_free(leaf_);
    X509_free(ca_);
    EVP_PKEY_free(key_);
    EVP_PKEY_free(ca_key_);
  }

  const std::string& ca_file() const { return path_; }

  // Serves 200 over TLS.
  Site::Serve serve(std::function<void(const char* sni)> on_name = {}) {
    return [this, on_name = std::move(on_name)](int fd) {
      SSL* ssl = SSL_new(context_);
      SSL_set_fd(ssl, fd);
      if (SSL_accept(ssl) == 1) {
        if (on_name) on_name(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
        answer(ssl);
      }
      SSL_free(ssl);
    };
  }

 private:
  static void answer(SSL* ssl) {
    std::string head;
    char bytes[512];
    for (;;) {
      const int got = SSL_read(ssl, bytes, sizeof bytes);
      if (got <= 0) return;
      head.append(bytes, static_cast<std::size_t>(got));
      if (head.find("\r\n\r\n") == std::string::npos) continue;
      head.clear();
      const std::string reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
      SSL_write(ssl, reply.data(), static_cast<int>(reply.size()));
    }
  }

  static X509* certificate(const char* name, EVP_PKEY* key, int days) {
    X509* made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -86'400);
    X509_gmtime_adj(X509_getm_notAfter(made), days * 86'400L + 3600);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    return made;
  }

  static void extend(X509* made, int kind, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    X509_add_ext(made, extension, -1);
    X509_EXTENSION_free(extension);
  }

  EVP_PKEY* ca_key_;
  EVP_PKEY* key_;
  X509* ca_;
  X509* leaf_;
  SSL_CTX* context_;
  std::string path_;
};

}  // namespace pointsman
