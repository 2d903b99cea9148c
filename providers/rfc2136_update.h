#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dns.h"
#include "base/dns_transport.h"
#include "base/tsig.h"
#include "providers/compare.h"
#include "providers/provider.h"

// The UPDATE messages (RFC 2136) of the rfc2136 provider, as pure functions.
//
// The mark of a name is a TXT beside it, "_pointsman.<name>". Every UPDATE is one atomic message
// whose prerequisites pin both the values and the mark that were read: an older plan, a late copy
// of this one, or another administrator's change makes it fail instead of overwrite.

namespace pointsman {

// A record set and its mark as the server holds them, and the very bytes, for prerequisites.
struct LiveSet {
  RecordSet set;
  std::vector<std::string> value_rdata;
  std::vector<std::string> mark_rdata;
};

Result<DnsName> mark_name(const DnsName& name);

// Replaces what is `live` by what `change` wants, mark included. REQUIRES: check_change() passed.
Result<DnsMessage> make_update(const CheckedKey& key, const Change& change, const LiveSet& live);

// An UPDATE that tries key and rights and cannot change anything: its prerequisite asks for a
// random name that does not exist, and its body would write what stands there already.
Result<DnsMessage> make_trial(const CheckedKey& key, const LiveSet& live);

// As nsupdate would be told it; the key by name, its secret never.
std::string update_text(const DnsMessage& update, const DnsEndpoint& server, const TsigKey& key);

// For how long around its time of signing an UPDATE may be applied: until `within` from now, as the
// server's clock has it, and no longer, so that a copy that was held up dies. `server_ahead_s` is
// what the server's clock is ahead of ours, to the second.
std::uint16_t update_fudge(Duration within, std::int64_t server_ahead_s);

}  // namespace pointsman
