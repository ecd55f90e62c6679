#pragma once

// Following messages (siplane.trace): which ones a trace wants, and what is told of each.
//
// A filter speaks of requests: `source` is who sends them, `destination` where they are relayed to;
// the replies that come back count as well. So a trace by source shows whole transactions.
//
// Threads: pure; a filter does not change while workers read it.
// Cost:    look() parses the frame and the message once more: paid only while a trace runs.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dp/base/address.h"
#include "dp/core/verdict.h"
#include "dp/net/frame.h"
#include "dp/net/packet.h"
#include "dp/sip/message.h"
#include "dp/table/tables.h"

namespace lb::core {

inline constexpr std::size_t kTraceCallIdMax = 256;  // bytes

// Addresses at the far end: one, or a prefix; one port, or any (0).
struct TracePeer {
    Prefix prefix;
    std::uint16_t port = 0;

    // "192.0.2.1", "192.0.2.0/24", "192.0.2.1:5060", "[2001:db8::1]:5060", "2001:db8::/32".
    static std::optional<TracePeer> parse(std::string_view text) noexcept;
    bool contains(const Endpoint& endpoint) const noexcept {
        return prefix.contains(endpoint.address) && (port == 0 || port == endpoint.port);
    }
    std::string text() const;
};

// What is given must all match; nothing given: every message to a service.
struct TraceFilter {
    std::string call_id;  // the whole value, byte for byte
    std::optional<TracePeer> source, destination;
};

// A received frame as a trace sees it. Views into the frame: gone once route() has edited it, all
// but `reply` and the endpoints.
struct TraceView {
    net::FrameView frame;
    sip::Message message;
    bool reply = false;
};

// False if the frame is no whole UDP datagram to a listener of ours, so that nobody can say what it
// belongs to. A message that does not parse is looked at as far as it does.
bool look(const net::Packet& packet, const table::Tables& tables, TraceView& view) noexcept;

// Before the decision: false if the message cannot match, wherever it goes. REQUIRES: look().
bool may_match(const TraceFilter& filter, const TraceView& view) noexcept;
// After it. REQUIRES: may_match(). `relayed_to`: null unless the message is relayed.
bool matches(const TraceFilter& filter, bool reply, const Endpoint* relayed_to) noexcept;

// One message and what became of it.
struct TracedMessage {
    std::int64_t time_ns = 0;  // Unix time of the worker's turn: one for a burst of frames
    Verdict verdict;
    std::uint16_t device = 0;             // as net::Packet
    std::uint16_t vlan = net::kNoVlan;    // likewise; the bytes are without that tag
    std::uint32_t slot = kNoTrafficSlot;  // a request's destination (table::Member::slot), if one
    bool dispatched = false;              // chosen for it; else its Route or Request-URI led there
    ConstBytes received;
    ConstBytes sent;  // empty unless relayed or answered; checksums complete
};

}  // namespace lb::core
