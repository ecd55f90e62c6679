#pragma once

// What happens to one frame. Each received frame gets exactly one verdict, counted once, so that
//
//   received = forwarded + replied + punted + held + sum(dropped)
//
// holds at all times.

#include <array>
#include <cstdint>
#include <string_view>

#include "dp/table/network.h"

namespace lb::core {

enum class Action : std::uint8_t {
    kForward,     // a SIP message relayed: the frame has been rewritten in place
    kReply,       // a SIP reply stands where the request stood
    kPunt,        // not ours to decide: to the kernel by the TAP twin
    kSlowPath,    // a finished datagram whose next hop's MAC is not known: to the control thread,
                  // which sends it through the kernel (counted as punted)
    kResolve,     // untouched; needs a host name resolved first: to the control thread (counted as
                  // punted)
    kReassemble,  // a fragment of a datagram to us: held until it is whole
    kDrop,
};

enum class DropReason : std::uint8_t {
    kBadFrame,
    kBadChecksum,
    kForeignVlan,
    kForgedSource,
    kKeepalive,
    kBadSip,
    kBadAck,
    kNotOurVia,
    kBadBranch,
    kBadNextHop,
    kNoReplyRoute,
    kOurAck,
    kNoRoute,
    kTooBig,
    kRuleDrop,
    kAckRefused,
    kFragmentOverlap,
    kFragmentTimeout,
    kFragmentTableFull,
    kFragmentBad,
    kFragmentDuplicate,
    kTxFull,
    kNoMbuf,
    kPuntFull,
    kNoTwin,
    kSlowPathFull,
    kSpreadFull,
    kInternal,
    kCount,
};

struct DropReasonInfo {
    DropReason reason;
    std::string_view name;
    std::string_view help;  // what an operator should check first
};

// One row per reason, in enum order.
inline constexpr std::array kDropReasons{
    DropReasonInfo{DropReason::kBadFrame, "bad_frame",
                   "an Ethernet, IP or UDP header lies about its length"},
    DropReasonInfo{DropReason::kBadChecksum, "bad_checksum",
                   "IPv4 header or UDP checksum is wrong: bad cable, NIC or offload setting"},
    DropReasonInfo{DropReason::kForeignVlan, "foreign_vlan",
                   "a VLAN that no [[port]] names: check the switch port's trunk list"},
    DropReasonInfo{DropReason::kForgedSource, "forged_source",
                   "from an address that no other host has: multicast, loopback, our own, port 0"},
    DropReasonInfo{DropReason::kKeepalive, "keepalive",
                   "CRLF or empty keep-alive, absorbed as it should be"},
    DropReasonInfo{DropReason::kBadSip, "bad_sip",
                   "not SIP, or so malformed that no reply can be built"},
    DropReasonInfo{DropReason::kBadAck, "bad_ack", "a malformed ACK: never answered"},
    DropReasonInfo{DropReason::kNotOurVia, "not_our_via", "a reply whose topmost Via is not ours"},
    DropReasonInfo{
        DropReason::kBadBranch, "bad_branch",
        "a reply with our Via but a branch we never made: forged, or the secret changed"},
    DropReasonInfo{DropReason::kBadNextHop, "bad_next_hop",
                   "next hop is broadcast, multicast, ourselves, port 0 or not UDP"},
    DropReasonInfo{
        DropReason::kNoReplyRoute, "no_reply_route",
        "a reply with no second Via: answers a request of our own that nobody waits for"},
    DropReasonInfo{DropReason::kOurAck, "our_ack",
                   "ACK to a reply of ours, absorbed as it should be"},
    DropReasonInfo{DropReason::kNoRoute, "no_route",
                   "no route to the next hop: check routes on the TAP device"},
    DropReasonInfo{DropReason::kTooBig, "too_big", "message larger than limits allow"},
    DropReasonInfo{DropReason::kRuleDrop, "rule_drop", "a rule of the service says drop"},
    DropReasonInfo{DropReason::kAckRefused, "ack_refused",
                   "an ACK that may not or cannot be relayed: never answered"},
    DropReasonInfo{DropReason::kFragmentOverlap, "fragment_overlap",
                   "overlapping fragments: the datagram is abandoned (RFC 5722)"},
    DropReasonInfo{DropReason::kFragmentTimeout, "fragment_timeout",
                   "fragments of a datagram that never became whole"},
    DropReasonInfo{DropReason::kFragmentTableFull, "fragment_table_full",
                   "too many half datagrams: a fragment flood, or real loss"},
    DropReasonInfo{DropReason::kFragmentBad, "fragment_bad",
                   "a fragment with an impossible offset, length or size"},
    DropReasonInfo{DropReason::kFragmentDuplicate, "fragment_duplicate",
                   "a fragment that came twice: harmless, but a link or switch repeats frames"},
    DropReasonInfo{DropReason::kTxFull, "tx_full", "NIC queue full: add queues or workers"},
    DropReasonInfo{DropReason::kNoMbuf, "no_mbuf", "mbuf pool empty: raise it"},
    DropReasonInfo{DropReason::kPuntFull, "punt_full",
                   "the TAP queue is full: a flood of non-SIP traffic"},
    DropReasonInfo{DropReason::kNoTwin, "no_twin",
                   "a frame for the kernel on a [[port]] that has no `tap`"},
    DropReasonInfo{DropReason::kSlowPathFull, "slow_path_full",
                   "too many messages wait for the kernel to find a MAC or a name"},
    DropReasonInfo{DropReason::kSpreadFull, "spread_full",
                   "the worker that owns the call has too many waiting: add workers"},
    DropReasonInfo{DropReason::kInternal, "internal", "a bug: please report it"},
};

constexpr bool in_enum_order(const auto& table) {
    for (std::size_t i = 0; i < table.size(); ++i) {
        if (static_cast<std::size_t>(table[i].reason) != i) return false;
    }
    return table.size() == static_cast<std::size_t>(DropReason::kCount);
}
static_assert(in_enum_order(kDropReasons));

struct Verdict {
    Action action = Action::kDrop;
    DropReason reason = DropReason::kInternal;  // kDrop
    table::InterfaceIndex interface =
        table::kNoInterface;  // kForward, kReply, kSlowPath: way out;
                              // kPunt: the interface whose twin gets it
};

constexpr Verdict drop(DropReason reason) noexcept {
    return {Action::kDrop, reason, table::kNoInterface};
}

}  // namespace lb::core
