#pragma once

// The text of a probe: header fields, their order and their form as Kamailio sends them
// (spec/dispatcher.md 5.1, golden/relay/ping-*); branch, From tag and Call-ID are ours.
//
// Everything in it follows from the transaction's number and the target, so that a retransmission
// is written afresh, byte for byte the same, and no transaction needs to keep its message.

#include <cstdint>
#include <string>
#include <string_view>

#include "dp/base/address.h"
#include "dp/base/keyed_hash.h"

namespace lb::probe {

inline constexpr std::size_t kPingMax =
    4096;  // bytes; longer URIs than that leave room for are refused

struct PingFormat {
    std::string method = "OPTIONS";                 // ds_ping_method
    std::string from = "sip:dispatcher@localhost";  // ds_ping_from
    std::string user_agent;                         // empty: no such header
};

// Writes the probe with this number into `out`, replacing it. `from` empty: that of the format.
// False, and `out` empty, if a text holds control characters (it would forge headers) or all of it
// would be too long.
bool write_ping(const PingFormat& format, const Secret& secret, std::uint64_t number,
                std::string_view uri, std::string_view from, const Endpoint& local,
                std::string& out);

}  // namespace lb::probe
