#pragma once

// route(): decides what happens to one received frame. Pure but for the scratch: same frame, tables
// and secret, same verdict on every worker and every node. Never allocates, logs, blocks or reads a
// clock.

#include <array>
#include <cstdint>
#include <string_view>

#include "dp/base/limits.h"
#include "dp/core/path_mtus.h"
#include "dp/core/verdict.h"
#include "dp/core/worker_state.h"
#include "dp/net/frame.h"
#include "dp/net/packet.h"
#include "dp/sip/edit.h"
#include "dp/sip/message.h"
#include "dp/table/tables.h"

namespace lb::core {

// Where the request that was relayed last went, for whoever follows messages.
struct LastRequest {
    std::uint32_t slot = kNoTrafficSlot;  // its destination's, if any
    bool dispatched = false;
};

// ";received=" and the source address of the message: what the topmost Via gets, and the address
// alone for those who compare it.
struct ReceivedText {
    static constexpr std::string_view kName = ";received=";
    std::array<char, 64> text{};  // whole blocks of it are copied
    static_assert(kName.size() + kAddressTextMax <= 64);

    ReceivedText() noexcept { kName.copy(text.data(), kName.size()); }
    char* address() noexcept { return text.data() + kName.size(); }
};

// Buffers that one worker reuses for each packet, and the state that selection keeps per worker.
struct Scratch {
    // As of WorkerState. Throws std::bad_alloc.
    explicit Scratch(std::size_t transactions = kTransactionsDefault) : state(transactions) {}

    net::FrameView frame;
    sip::Message message;
    sip::Via second_via;  // of a reply: where it goes
    Endpoint followed;    // where its Route or Request-URI leads, if that is followed
    table::Hop hop;       // how to get to what is no neighbour
    sip::EditList edits;
    ReceivedText received;                 // Context::source_text() writes the address
    std::array<std::uint8_t, 8192> reply;  // local replies are composed here
    WorkerState state;                     // cursors, transaction table, random numbers
    LastRequest last_request;
    // Of datagrams that are cut, here or on their way. The workers take turns in the numbers.
    std::uint32_t datagram_id = 0;
    std::uint32_t datagram_id_step = 1;
    std::uint32_t next_datagram_id() noexcept { return datagram_id += datagram_id_step; }
    net::ChecksumMode checksum_mode = net::ChecksumMode::kSoftware;
    PathMtus* path_mtus = nullptr;  // of all workers; null: what routers say is not heard
    std::string_view unresolved;    // after kResolve: "host[:port]" as in the URI, within the frame
};

// REQUIRES: packet.bytes() is one received frame, contiguous; headroom >= kEditGrowthMax + 18 and
// tailroom for a local reply. After kForward, kReply and kSlowPath the packet holds the frame to
// send; after anything else it is as it was.
Verdict route(net::Packet& packet, const table::Tables& tables, Scratch& scratch) noexcept;

}  // namespace lb::core
