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
    static constexpr std::string_view kName = ";rport=";
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
bool has_twin(const RequestPlan& plan) noexcept { return plan.in != plan.out; }

const std::string& own_route(const RequestPlan& plan, const table::Listener& listener) noexcept {
    return listener.record_route[has_twin(plan)][plan.full_lr];
}

std::size_t own_routes_size(const RequestPlan& plan) noexcept {
    constexpr std::size_t kBehind = kHexSize + kRouteEnd.size();
    const std::size_t size = own_route(plan, *plan.in).size() + kBehind;
    return has_twin(plan) ? size + own_route(plan, *plan.out).size() + kBehind : size;
}

void write_own_route(Writer& to, const RequestPlan& plan,
                     const table::Listener& listener) noexcept {
    to.text(own_route(plan, listener));
    to.hex64(plan.cookie);
    to.text(kRouteEnd);
}

void write_own_path(Writer& to, const RequestPlan& plan, const table::Listener& listener) noexcept {
    to.text(kPath);
    to.text(std::string_view(own_route(plan, listener)).substr(table::kRecordRoute.size()));
    to.hex64(plan.cookie);
    to.text(kRouteEnd);
}

// The outer one first.
template <class Write>
void write_for_listeners(const RequestPlan& plan, Write write) noexcept {
    if (has_twin(plan)) write(*plan.out);
    write(*plan.in);
}

// ---- front ------------------------------------------------------------------------------------

void plan_routes(const Context& context, RequestPlan& plan) noexcept {
    static_assert(table::kRecordRouteCookie.substr(1, 2) == sip::kCookieParam);
    const std::size_t size = own_routes_size(plan);
    const std::size_t values = has_twin(plan) ? 2 : 1;
    plan.cookie = sip::dialog_cookie(context.tables.secret, context.message().call_id.value);
    if (plan.record_route) plan.front_size += size;
    if (plan.path) plan.front_size += size - values * (table::kRecordRoute.size() - kPath.size());
}

void plan_front(const Context& context, const table::Service& service, table::ListenerIndex out,
                RequestPlan& plan) noexcept {
    const sip::Message& message = context.message();
    plan.in = &context.listener_at(context.listener);
    plan.out = &context.listener_at(out);
    plan.front_size = plan.out->via.size() + sip::kBranchSize + kLineEnd.size();
    plan.max_forwards = message.max_forwards_value < 0;
    if (plan.max_forwards) plan.front_size += kMaxForwardsLine.size();
    plan.record_route = service.record_route && forms_dialog(message);
    plan.path = service.path && message.method == sip::Method::kRegister;
    plan.full_lr = service.enable_full_lr;
    if (plan.record_route || plan.path) plan_routes(context, plan);
}

// The port at the source address where replies have to go, and what says so in the branch.
void set_reply_port(const Context& context, std::uint16_t port, RequestPlan& plan) noexcept {
    const Endpoint reply_to{context.frame().source.address, port};
    plan.mac = sip::reply_mac(context.tables.secret, context.transaction, reply_to);
}

// Into the `plan.front_size` characters at `gap`.
[[gnu::always_inline]] inline void write_front(const Context& context, const RequestPlan& plan,
                                               char* gap) noexcept {
    Writer to{gap};
    if (plan.max_forwards) [[unlikely]]
        to.text(kMaxForwardsLine);
    if (plan.record_route) {
        write_for_listeners(plan, [&](const auto& each) { write_own_route(to, plan, each); });
    }
    if (plan.path) [[unlikely]] {
        write_for_listeners(plan, [&](const auto& each) { write_own_path(to, plan, each); });
    }
    to.text(plan.out->via);
    sip::write_relay_branch(context.transaction, plan.mac, to.at);
    to.at += sip::kBranchSize;
    to.text(kLineEnd);
    LB_ASSERT(to.at == gap + plan.front_size);
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

// What RequestPlan::usual says. The rport of ours is no shorter than the one that it replaces, so
// that everything moves towards the front.
bool is_usual(Context& context, const NextHop& hop, const table::Service& service) noexcept {
    const sip::Message& message = context.message();
    const sip::Via& via = message.top_via;
    return via.has_rport() && via.rport_param.size() <= RportText::kName.size() + 1 &&
           via.received_param.empty() && message.routes_count == 0 && hop.host_port.empty() &&
           contact_plainly_stays(context, service.nat);
}

}  // namespace

RequestPlan plan_request(Context& context, const LooseRoute& route, const NextHop& hop,
                         table::ListenerIndex out) noexcept {
    const table::Service& service = context.service();
    RequestPlan plan;
    plan_front(context, service, out, plan);
    // Long before it is written: AES takes its time, but not the core's.
    set_reply_port(context, context.frame().source.port, plan);
    plan.usual = is_usual(context, hop, service);
    if (!plan.usual) list_request_edits(context, route, hop, plan);
    return plan;
}

[[gnu::noinline]] void list_request_edits(Context& context, const LooseRoute& route,
                                          const NextHop& hop, RequestPlan& plan) noexcept {
    const sip::Message& message = context.message();
    const sip::Via& via = message.top_via;
    const table::Service& service = context.service();
    const bool force_rport = !via.has_rport() && must_force_rport(context, service.nat);
    plan.usual = false;
    if (!via.has_rport() && !force_rport) {
        set_reply_port(context, via.port != 0 ? via.port : kSipPort, plan);
    }
    context.scratch.edits.insert_gap(message.header.data(), plan.front_size);
    add_via_edits(context, force_rport);
    if (message.routes_count != 0) add_route_edits(context, route);
    if (!hop.host_port.empty()) add_set_host_edit(context, hop.host_port);
    add_contact_edits(context, service.nat);
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

// Room in front of the message for it to begin `growth` earlier, and for the frame's headers.
bool has_room(const Context& context, const char* begin, std::ptrdiff_t growth) noexcept {
    const std::ptrdiff_t front = reinterpret_cast<const std::uint8_t*>(begin) -
                                 context.packet.data + context.packet.headroom;
    return front - growth >= static_cast<std::ptrdiff_t>(net::kHeadersMax);
}

Bytes grown(char* begin, std::string_view message, std::ptrdiff_t growth) noexcept {
    return {reinterpret_cast<std::uint8_t*>(begin),
            static_cast<std::size_t>(static_cast<std::ptrdiff_t>(message.size()) + growth)};
}

// A usual plan without a list: four pieces of the message, and what comes between them.
Bytes rewrite_usual(Context& context, const RequestPlan& plan) noexcept {
    const sip::Message& message = context.message();
    const sip::Via& via = message.top_via;
    const std::string_view received = context.received_text();
    const RportText rport(context.frame().source.port);
    const auto growth = static_cast<std::ptrdiff_t>(plan.front_size + received.size() + rport.size -
                                                    via.rport_param.size());
    char* const begin = const_cast<char*>(message.text.data());
    if (!has_room(context, begin, growth)) return {};

    const char* from = begin;
    Writer to{begin - growth};
    const auto keep_until = [&](const char* end) {
        const auto size = static_cast<std::size_t>(end - from);
        move_to_front(to.at, from, size);
        to.at += size;
        from = end;
    };
    keep_until(message.header.data());
    write_front(context, plan, to.at);
    to.at += plan.front_size;
    keep_until(via.sent_by.data() + via.sent_by.size());
    to.text(received);
    keep_until(via.rport_param.data());
    char text[sizeof rport.text];
    store_word(text, rport.text);
    to.text({text, rport.size});
    LB_ASSERT(to.at == via.rport_param.data() + via.rport_param.size());
    return grown(begin - growth, message.text, growth);
}

[[gnu::noinline]] Bytes rewrite_by_list(Context& context, const RequestPlan& plan) noexcept {
    const sip::EditList& edits = context.scratch.edits;
    const std::string_view message = context.message().text;
    char* const begin = const_cast<char*>(message.data());
    if (!edits.ok() || !has_room(context, begin, edits.growth())) return {};
    const sip::EditList::Applied applied = edits.apply(begin, message.size());
    write_front(context, plan, applied.gap);
    return grown(applied.begin, message, edits.growth());
}

}  // namespace

Bytes rewrite_request(Context& context, const RequestPlan& plan) noexcept {
    return plan.usual ? rewrite_usual(context, plan) : rewrite_by_list(context, plan);
}

Bytes apply_reply_edits(Context& context) noexcept {
    const sip::EditList& edits = context.scratch.edits;
    const std::string_view message = context.message().text;
    char* const begin = const_cast<char*>(message.data());
    if (!edits.ok() || !has_room(context, begin, edits.growth())) return {};
    return grown(edits.apply(begin, message.size()).begin, message, edits.growth());
}

}  // namespace lb::core
