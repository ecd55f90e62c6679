#include "dp/core/message_trace.h"

#include "dp/sip/parser.h"

namespace lb::core {

std::optional<TracePeer> TracePeer::parse(std::string_view text) noexcept {
    if (const auto prefix = Prefix::parse(text)) return TracePeer{*prefix, 0};
    const auto endpoint = Endpoint::parse(text);
    if (!endpoint) return std::nullopt;
    const auto length = static_cast<std::uint8_t>(endpoint->address.bits());
    return TracePeer{{endpoint->address, length}, endpoint->port};
}

std::string TracePeer::text() const {
    if (port != 0) return Endpoint{prefix.address, port}.text();
    return prefix.length == prefix.address.bits() ? prefix.address.text() : prefix.text();
}

bool look(const net::Packet& packet, const table::Tables& tables, TraceView& view) noexcept {
    // Checksums are the decision's business: a wrong one is a reason for a drop to be shown.
    const auto error = net::parse_frame(packet, view.frame, false);
    if (error != net::FrameError::kNone || !view.frame.is_udp || view.frame.is_fragment)
        return false;
    if (tables.dispatch == nullptr ||
        tables.dispatch->find_listener(view.frame.target) == table::kNoListener)
        return false;
    view.message.call_id = {};
    view.message.reply = false;
    sip::parse(view.frame.payload, view.message);
    view.reply = view.message.is_reply();
    return true;
}

bool may_match(const TraceFilter& filter, const TraceView& view) noexcept {
    if (!filter.call_id.empty() && view.message.call_id.value != filter.call_id) return false;
    const auto& near = view.reply ? filter.destination : filter.source;
    return !near || near->contains(view.frame.source);
}

bool matches(const TraceFilter& filter, bool reply, const Endpoint* relayed_to) noexcept {
    const auto& far = reply ? filter.source : filter.destination;
    return !far || (relayed_to != nullptr && far->contains(*relayed_to));
}

}  // namespace lb::core
