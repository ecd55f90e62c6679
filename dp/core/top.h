#pragma once

// What a relayed request gets on top, in this order (Kamailio's; golden/relay 086): Max-Forwards if
// it has none, Record-Route or Path, Via.

#include "dp/core/context.h"
#include "dp/sip/branch.h"

namespace lb::core {

struct Top {
    const table::Listener* in;   // the message was sent to
    const table::Listener* out;  // the message leaves by
    // As most are: prepared, but for the numbers. Null: it has to be put together.
    const table::TopText* prepared;
    std::size_t size;
    std::uint64_t cookie;   // sip::dialog_cookie(); read if a route is written
    std::uint64_t mac = 0;  // of the branch: sip::reply_mac(), and the mark of `in`
    bool max_forwards;
    bool record_route;
    bool path;
    bool full_lr;
};

// A NOTIFY may be the first that a subscriber hears, and so begin its dialog (RFC 6665 4.3),
// whatever tags it has.
inline bool forms_dialog(const sip::Message& request) noexcept {
    using enum sip::Method;
    return ((request.method == kInvite || request.method == kSubscribe ||
             request.method == kRefer) &&
            request.to_addr.tag.empty()) ||
           request.method == kNotify;
}

// The size of one that is not prepared, and write_top() for it. They get copies: who hands out a
// place in memory for his numbers must keep them there.
std::size_t odd_top_size(const table::Listener& in, const table::Listener& out, bool max_forwards,
                         bool record_route, bool path, bool full_lr) noexcept;
void write_odd_top(const Context& context, Top top, char* at) noexcept;

// Sets all of it but the numbers. `out`: the listener that the request leaves by.
inline void shape_top(const Context& context, const table::Entrance& entrance,
                      const table::Listener& out, Top& top) noexcept {
    const sip::Message& message = context.message();
    const table::Service& service = *entrance.service;
    top.in = entrance.listener;
    top.out = &out;
    top.max_forwards = message.max_forwards_value < 0;
    top.record_route = service.record_route && forms_dialog(message);
    top.path = service.path && message.method == sip::Method::kRegister;
    top.full_lr = service.enable_full_lr;
    if (top.in != top.out || top.max_forwards || top.path) [[unlikely]] {
        top.prepared = nullptr;
        top.size = odd_top_size(*top.in, *top.out, top.max_forwards, top.record_route, top.path,
                                top.full_lr);
    } else {
        top.prepared = &entrance.tops[top.record_route];
        top.size = top.prepared->size();
    }
}

// Writes `top.size` characters, in their order, and each once as far as whole blocks do: what is
// written twice keeps whoever reads it next (the checksum) waiting.
[[gnu::always_inline]] inline void write_top(const Context& context, const Top& top,
                                             char* at) noexcept {
    if (top.prepared == nullptr) [[unlikely]]
        return write_odd_top(context, top, at);
    const table::TopText& text = *top.prepared;
    std::size_t written = 0;
    if (top.record_route) {
        text.write(at, 0, text.cookie);
        write_hex64(top.cookie, at + text.cookie);
        written = text.cookie + 16;
    }
    text.write(at, written, text.branch);
    write_hex128(context.transaction, top.mac, at + text.branch);
    std::memcpy(at + text.branch + 32, "\r\n", 2);
}

}  // namespace lb::core
