#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

// A private certificate authority and the identities it signs, for mutual TLS between monitors and
// agents: P-256 keys, one DNS name each (a site's name, or a monitor's), good as client and server.
//
//   <folder>/ca.pem, ca.key          the authority; ca.key stays here, on one safe host
//   <folder>/<name>.pem, <name>.key  an identity; goes to its host together with ca.pem
//
// Keys have mode 0600. Not thread-safe between processes that share no folder lock; calls on one
// folder wait for nobody: a second one at the same time is kConflict.

namespace pointsman {

inline constexpr int kAuthorityDays = 3650;
inline constexpr int kIdentityDays = 825;

// Makes the folder when absent and the authority in it. Returns the files written. kConflict when
// the folder holds an authority already: it is never replaced, for that would void every identity.
Result<std::vector<std::string>> certs_init(const std::string& folder);

// Signs an identity for each name; returns the files written. kInvalid for a name that is no DNS
// name; kConflict when one has a certificate already, unless `renew`: it then gets a new one for
// the key it has (remove the key file first to change the key as well). All names are checked
// before anything is written; a failure midway leaves whole identities only.
Result<std::vector<std::string>> certs_issue(const std::string& folder,
                                             const std::vector<std::string>& names, bool renew);

// What a certificate says of itself.
struct IdentityFacts {
  std::vector<std::string> names;  // DNS subject alternative names.
  std::string not_after;           // "2029-02-25T10:00:00Z"
  std::int64_t seconds_left = 0;   // Negative: expired.
  bool not_yet_valid = false;
  bool authority = false;
};
// The first certificate of a PEM file.
Result<IdentityFacts> read_identity(const std::string& file);

// Whether `cert_file` was signed by an authority of `ca_file` and `key_file` belongs to it.
// kRefused says in plain words what does not fit.
Result<void> check_identity(const std::string& ca_file, const std::string& cert_file,
                            const std::string& key_file);

}  // namespace pointsman
