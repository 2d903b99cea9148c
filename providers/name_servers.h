#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/dns.h"
#include "base/dns_transport.h"
#include "base/result.h"
#include "base/time.h"

// Which servers hold a zone, where the provider's API does not tell: as the world sees it, by this
// host's resolvers.

namespace pointsman {

// "ns1.example.test:53", sorted: the NS set of `zone`. kNotFound when there is none.
Result<std::vector<std::string>> name_servers_of(const DnsName& zone, Duration within);

// The same by these resolvers, one after the other.
Result<std::vector<std::string>> name_servers_of(const DnsName& zone,
                                                 const std::vector<DnsEndpoint>& resolvers,
                                                 Duration within);

// "ns1.example.test:53" -> where to ask it, by the address that came with it ("192.0.2.53:53"),
// else by its name: where the parent of `zone` sends the world, asked at the parent's own servers.
// Resolvers tell what the zone says of itself, which may differ. Empty when no parent could be
// asked.
std::map<std::string, std::string> delegated_by_parent(const DnsName& zone,
                                                       const std::vector<DnsEndpoint>& resolvers,
                                                       Duration within);

// Those of this host.
std::vector<DnsEndpoint> host_resolvers();

// The resolvers of a resolv.conf; this host's own when it names none.
std::vector<DnsEndpoint> resolvers_in(std::string_view resolv_conf);

}  // namespace pointsman
