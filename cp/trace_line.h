#pragma once

// What a trace says of one message: where it came from, what was decided, what went where.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "dp/core/message_trace.h"
#include "dp/table/tables.h"

namespace lb::cp {

inline constexpr std::size_t kTraceTextMax = 256;  // of each text out of a message

// Texts out of messages are cut to kTraceTextMax, and what could command a terminal is '?'.
struct TraceLine {
    std::uint64_t number = 0;  // from 1 on
    std::int64_t time_ns = 0;  // Unix
    std::string port;          // it came in by; "?" for a VLAN that no [[port]] names
    std::string source, target;
    std::string message;  // "INVITE sip:bob@example.com", "200 OK"; empty: no SIP
    std::string cseq;     // "1 INVITE"
    std::string call_id;
    std::string decision;
    // What went, empty if nothing did.
    std::string sent_port, sent_source, sent_target, sent_message;
};

// Destinations by the number of their counters; made again when the tables have others.
class TraceDestinations {
public:
    struct Destination {
        std::int32_t set = 0;
        std::string uri;
    };
    // Null if the slot is no destination's. Valid until the next call.
    const Destination* find(const std::shared_ptr<const table::Dispatch>& dispatch,
                            std::uint32_t slot);

private:
    std::shared_ptr<const table::Dispatch> dispatch_;
    std::unordered_map<std::uint32_t, Destination> by_slot_;
};

// A line, and by which interfaces the frames passed: kNoInterface if by none.
struct Described {
    TraceLine line;
    table::InterfaceIndex in = table::kNoInterface, out = table::kNoInterface;
};
Described describe(const core::TracedMessage& message, const table::Tables& tables,
                   TraceDestinations& destinations);

// "2026-11-22T16:38:53.123456+01:00", local time.
std::string time_text(std::int64_t time_ns);

}  // namespace lb::cp
