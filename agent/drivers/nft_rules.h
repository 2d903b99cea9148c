#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/deadman.h"
#include "base/time.h"

// What the dead-man switch says to nftables, and how it reads the answers. Pure.
//
//   table inet pointsman
//     chain prerouting, output, postrouting   jump to the chains of each service
//     chain in_S, out_S                       what passes, by mode; the last rule drops
//     set ports_S, store_S, allow4_S, allow6_S
//     set lease_S                             the ports that are open, with what is left of the
//     lease
//
// postrouting is there for answers of containers, which are forwarded and never pass output.

namespace pointsman {

inline constexpr const char* kNftTable = "inet pointsman";

// kInvalid: a name, port or address that nftables must not see.
Result<void> check_deadman_ports(const DeadmanPorts& service);

// Makes table and base chains unless they are there, and their jumps for all `services` anew.
std::string nft_base(const std::vector<DeadmanPorts>& services);

// Makes sets and chains of one service for `mode`; what lives in lease_S is kept. Not for
// kUntouched.
std::string nft_service(const DeadmanPorts& service, DeadmanMode mode);

// One transaction that sets all ports of the service to `rest`; `present`: they are deleted first,
// and when one of them is gone the kernel refuses it all.
std::string nft_renewal(const DeadmanPorts& service, Duration rest, bool present);

// Everything of the service is taken out.
std::string nft_removal(const DeadmanPorts& service);

// "2s345ms" as nftables writes it; nullopt when it is none.
std::optional<Duration> parse_nft_time(const std::string& text);

// What is left at least on any port of the service, by a listing of lease_S; zero when one of them
// is missing.
Duration lease_rest(const DeadmanPorts& service, const std::string& listing);
bool lease_empty(const std::string& listing);

// By a listing of in_S; nullopt when its rules are none of ours.
std::optional<DeadmanMode> mode_of(const std::string& listing);

}  // namespace pointsman
