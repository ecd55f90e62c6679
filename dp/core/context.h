#pragma once

// One packet on its way through route(): what the leaves share. Lives on the stack of route().

#include <optional>

#include "dp/core/route.h"
#include "dp/sip/uri.h"

namespace lb::core {

// What goes of a Contact that does not stay (nat.h): its host and port, and its maddr if any.
struct WrongContact {
    std::string_view host_port, maddr;
};

struct Context {
    net::Packet& packet;
    const table::Tables& tables;
    Scratch& scratch;
    table::InterfaceIndex interface = table::kNoInterface;  // it came in by
    table::ListenerIndex listener = table::kNoListener;     // it was sent to
    const table::Hop* const* hops = nullptr;                // of the door it came in by
    std::uint64_t transaction = 0;  // sip::transaction_number() of a request
    std::size_t source_text_size = 0;
    std::optional<WrongContact> wrong_contact{};  // once it was looked for, and if there is one

    // In words: an aggregate is cleared as a whole first.
    Context(net::Packet& its_packet, const table::Tables& now, Scratch& buffers) noexcept
        : packet(its_packet), tables(now), scratch(buffers) {}

    const net::FrameView& frame() const noexcept { return scratch.frame; }
    sip::Message& message() const noexcept { return scratch.message; }
    const table::Network& network() const noexcept { return *tables.network; }
    const table::Dispatch& dispatch() const noexcept { return *tables.dispatch; }
    const table::Listener& listener_at(table::ListenerIndex index) const noexcept {
        return dispatch().listeners()[index];
    }
    // The source address as text, written when first asked for.
    std::string_view source_text() noexcept {
        if (source_text_size == 0) {
            source_text_size = frame().source.address.write(scratch.received.address());
        }
        return {scratch.received.address(), source_text_size};
    }
    // ";received=" with it.
    std::string_view received_text() noexcept {
        const std::string_view address = source_text();
        return {scratch.received.text.data(), ReceivedText::kName.size() + address.size()};
    }
    const table::Entrance& entrance() const noexcept { return dispatch().entrance(listener); }
    const table::Service& service() const noexcept { return *entrance().service; }
};

}  // namespace lb::core
