#include "dp/core/rewrite.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <string>

#include "dp/base/assert.h"
#include "dp/core/nat.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"

namespace lb::core {
namespace {

constexpr std::int32_t kMaxForwards = 70;
constexpr std::string_view kMaxForwardsLine = "Max-Forwards: 70\r\n";
constexpr std::string_view kRouteEnd = ">\r\n";
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kPath = "Path: ";
constexpr std::size_t kHexSize = 16;

// The numbers 0 to 99 as two digits, the first one lowest.
constexpr auto kPairs = [] {
    std::array<std::uint16_t, 100> rows{};
    for (unsigned i = 0; i < 100; ++i)
        rows[i] = static_cast<std::uint16_t>(('0' + i / 10) | ('0' + i % 10) << 8);
    return rows;
}();

// ";rport=5060" in a register, and how long it is: no loop, no branch for the number of digits.
struct RportText {
    Block text;
    std::size_t size;

    explicit RportText(std::uint16_t port) noexcept {
        constexpr std::uint64_t kZeros = 0x3030303030, kLast = std::uint64_t{1} << 32;
        const unsigned rest = port % 10000U;
        const std::uint64_t digits = (std::uint64_t{'0'} + port / 10000U) |
                                     std::uint64_t{kPairs[rest / 100]} << 8 |
                                     std::uint64_t{kPairs[rest % 100]} << 24;
        const int unused = std::countr_zero((digits ^ kZeros) | kLast) & ~7;  // bits
        const std::uint64_t used = digits >> unused;
        static_assert(std::endian::native == std::endian::little && kName.size() == 7);
        text = Block{kNameWord | used << 56, used >> 8};
        size = kName.size() + 5 - static_cast<std::size_t>(unused) / 8;
    }

private:
    static constexpr std::string_view kName = ";rport=";
    static constexpr std::uint64_t kNameWord = [] {
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < kName.size(); ++i)
            word |= std::uint64_t{static_cast<unsigned char>(kName[i])} << (8 * i);
        return word;
    }();
};

// Empty, and the list bad, if the arena is full.
std::string_view write_rport(sip::EditList& edits, std::uint16_t port) noexcept {
    const RportText rport(port);
    char* const at = edits.room(sizeof rport.text);
    if (at == nullptr) return {};
    store_word(at, rport.text);
    edits.shrink(at + rport.size);
    return {at, rport.size};
}

bool forms_dialog(const sip::Message& request) noexcept {
    using enum sip::Method;
    return (request.method == kInvite || request.method == kSubscribe ||
            request.method == kRefer) &&
           request.to_addr.tag.empty();
}

// Writes texts one behind the other, into room that was measured before.
struct Writer {
    char* at;

    void text(std::string_view text) noexcept {
        copy_short(at, text.data(), text.size());
        at += text.size();
    }
    void hex64(std::uint64_t value) noexcept {
        write_hex64(value, at);
        at += kHexSize;
    }
};

// ---- Record-Route and Path --------------------------------------------------------------------

// One value, or two when the message leaves by another listener than it came in by.
bool has_twin(const FrontHeaders& front) noexcept { return front.in != front.out; }

const std::string& own_route(const FrontHeaders& front, const table::Listener& listener) noexcept {
    return listener.record_route[has_twin(front)][front.full_lr];
}

std::size_t own_routes_size(const FrontHeaders& front) noexcept {
    constexpr std::size_t kBehind = kHexSize + kRouteEnd.size();
    const std::size_t size = own_route(front, *front.in).size() + kBehind;
    return has_twin(front) ? size + own_route(front, *front.out).size() + kBehind : size;
}

void write_own_route(Writer& to, const FrontHeaders& front,
                     const table::Listener& listener) noexcept {
    to.text(own_route(front, listener));
    to.hex64(front.cookie);
    to.text(kRouteEnd);
}

void write_own_path(Writer& to, const FrontHeaders& front,
                    const table::Listener& listener) noexcept {
    to.text(kPath);
    to.text(std::string_view(own_route(front, listener)).substr(table::kRecordRoute.size()));
    to.hex64(front.cookie);
    to.text(kRouteEnd);
}

// The outer one first.
template <class Write>
void write_for_listeners(const FrontHeaders& front, Write write) noexcept {
    if (has_twin(front)) write(*front.out);
    write(*front.in);
}

// ---- front ------------------------------------------------------------------------------------

void plan_routes(const Context& context, FrontHeaders& front) noexcept {
    static_assert(table::kRecordRouteCookie.substr(1, 2) == sip::kCookieParam);
    const std::size_t size = own_routes_size(front);
    const std::size_t values = has_twin(front) ? 2 : 1;
    front.cookie = sip::dialog_cookie(context.tables.secret, context.message().call_id.value);
    if (front.record_route) front.size += size;
    if (front.path) front.size += size - values * (table::kRecordRoute.size() - kPath.size());
}

// What the Via says after our received and rport.
std::uint16_t reply_port(const Context& context, bool force_rport) noexcept {
    const sip::Via& via = context.message().top_via;
    if (via.has_rport() || force_rport) return context.frame().source.port;
    return via.port != 0 ? via.port : kSipPort;
}

FrontHeaders plan_front(const Context& context, const table::Service& service,
                        table::ListenerIndex out, bool force_rport) noexcept {
    const sip::Message& message = context.message();
    FrontHeaders front;
    front.in = &context.listener_at(context.listener);
    front.out = &context.listener_at(out);
    front.reply_port = reply_port(context, force_rport);
    front.size = front.out->via.size() + sip::kBranchSize + kLineEnd.size();
    front.max_forwards = message.max_forwards_value < 0;
    if (front.max_forwards) front.size += kMaxForwardsLine.size();
    front.record_route = service.record_route && forms_dialog(message);
    front.path = service.path && message.method == sip::Method::kRegister;
    front.full_lr = service.enable_full_lr;
    if (front.record_route || front.path) plan_routes(context, front);
    return front;
}

// Into the `front.size` characters at `gap`.
void write_front(const Context& context, const FrontHeaders& front, char* gap) noexcept {
    Writer to{gap};
    if (front.max_forwards) [[unlikely]]
        to.text(kMaxForwardsLine);
    if (front.record_route) {
        write_for_listeners(front, [&](const auto& each) { write_own_route(to, front, each); });
    }
    if (front.path) [[unlikely]] {
        write_for_listeners(front, [&](const auto& each) { write_own_path(to, front, each); });
    }
    to.text(front.out->via);
    sip::write_relay_branch(context.tables.secret, context.transaction,
                            {context.frame().source.address, front.reply_port}, to.at);
    to.at += sip::kBranchSize;
    to.text(kLineEnd);
    LB_ASSERT(to.at == gap + front.size);
}

// ---- Via --------------------------------------------------------------------------------------

// received and rport of the topmost Via, in place (spec/dispatcher.md 7.2; RFC 3261 18.2.1, RFC
// 3581). `force_rport`: it asks for no rport and gets one.
void add_via_edits(Context& context, bool force_rport) noexcept {
    const sip::Via& via = context.message().top_via;
    const std::uint16_t port = context.frame().source.port;
    sip::EditList& edits = context.scratch.edits;

    const bool received =
        via.has_rport() || !via.received_param.empty() || !host_is_source(context, via.host);
    const char* const behind_sent_by = via.sent_by.data() + via.sent_by.size();
    if (force_rport) edits.insert(behind_sent_by, write_rport(edits, port));
    if (received) {
        if (via.received_param.empty()) {
            edits.insert(behind_sent_by, context.received_text());
        } else {
            edits.replace(via.received_param, context.received_text());
        }
    }
    if (via.has_rport()) edits.replace(via.rport_param, write_rport(edits, port));
}

// ds_select_domain: what follows the '@' (or the scheme) becomes the destination's text
// (spec/dispatcher.md 8).
void add_set_host_edit(Context& context, std::string_view host_port) noexcept {
    sip::Uri uri;
    if (!sip::parse_uri(context.message().request_uri, uri, &context.message().index) ||
        uri.host_port.empty())
        return;
    const char* const begin = uri.host_port.data();
    const char* const end = uri.text.data() + uri.text.size();
    context.scratch.edits.replace({begin, static_cast<std::size_t>(end - begin)}, host_port);
}

}  // namespace

FrontHeaders add_request_edits(Context& context, const LooseRoute& route, const NextHop& hop,
                               table::ListenerIndex out) noexcept {
    const sip::Message& message = context.message();
    sip::EditList& edits = context.scratch.edits;
    const table::Service& service = context.service();
    const bool force_rport = !message.top_via.has_rport() && must_force_rport(context, service.nat);
    const FrontHeaders front = plan_front(context, service, out, force_rport);
    edits.insert_gap(message.header.data(), front.size);
    add_via_edits(context, force_rport);
    if (message.routes_count != 0) add_route_edits(context, route);
    if (!hop.host_port.empty()) add_set_host_edit(context, hop.host_port);
    add_contact_edits(context, service.nat);
    return front;
}

void add_reply_edits(Context& context) noexcept {
    const sip::Message& reply = context.message();
    sip::EditList& edits = context.scratch.edits;

    // The whole header field if our Via is alone in it, else this value and its comma.
    const std::string_view rest = sip::behind_top_via(reply);
    if (rest.empty()) {
        edits.remove(reply.via.line);
    } else {
        const char* const begin = reply.via.value.data();
        edits.remove({begin, static_cast<std::size_t>(rest.data() - begin)});
    }
    add_contact_edits(context, context.service().nat);
}

void count_down_max_forwards(Context& context) noexcept {
    const sip::Message& message = context.message();
    const std::int32_t value = message.max_forwards_value;
    const std::string_view digits = message.max_forwards.value;
    // A view into the packet, which is ours to write.
    char* const at = const_cast<char*>(digits.data());
    if (digits.size() == 2 && value > 10 && value <= kMaxForwards) [[likely]] {
        store_word(at, kPairs[static_cast<std::size_t>(value - 1)]);
        return;
    }
    if (value < 0) return;
    char text[10];
    const std::int32_t left = value > kMaxForwards ? kMaxForwards : value - 1;
    const char* const end = std::to_chars(text, text + sizeof text, left).ptr;
    const std::size_t size = static_cast<std::size_t>(end - text);
    std::memset(at, ' ', digits.size() - size);
    std::memcpy(at + digits.size() - size, text, size);
}

namespace {

struct Applied {
    Bytes message;  // empty: it would not fit
    char* gap = nullptr;
};

Applied apply_edits(Context& context) noexcept {
    const std::string_view message = context.message().text;
    const sip::EditList& edits = context.scratch.edits;
    char* const begin = const_cast<char*>(message.data());
    const std::ptrdiff_t growth = edits.growth();
    const std::ptrdiff_t front =
        reinterpret_cast<std::uint8_t*>(begin) - context.packet.data + context.packet.headroom;
    if (!edits.ok() || front - growth < static_cast<std::ptrdiff_t>(net::kHeadersMax)) return {};
    const sip::EditList::Applied applied = edits.apply(begin, message.size());
    const auto size =
        static_cast<std::size_t>(static_cast<std::ptrdiff_t>(message.size()) + growth);
    return {{reinterpret_cast<std::uint8_t*>(applied.begin), size}, applied.gap};
}

}  // namespace

Bytes apply_request_edits(Context& context, const FrontHeaders& front) noexcept {
    const Applied applied = apply_edits(context);
    if (!applied.message.empty()) write_front(context, front, applied.gap);
    return applied.message;
}

Bytes apply_reply_edits(Context& context) noexcept { return apply_edits(context).message; }

}  // namespace lb::core
