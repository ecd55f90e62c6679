#include "dp/core/rewrite.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <string>

#include "dp/base/assert.h"
#include "dp/core/nat.h"
#include "dp/core/top.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"

namespace lb::core {
namespace {

constexpr std::int32_t kMaxForwards = 70;
// The numbers 0 to 99 as two digits, the first one lowest.
constexpr auto kPairs = [] {
    std::array<std::uint16_t, 100> rows{};
    for (unsigned i = 0; i < 100; ++i)
        rows[i] = static_cast<std::uint16_t>(('0' + i / 10) | ('0' + i % 10) << 8);
    return rows;
}();

// ";rport=5060" in two words, and how long it is: no loop, no branch for the number of digits.
struct RportText {
    static constexpr std::string_view kName = ";rport=";
    static constexpr std::size_t kRoom = 16;
    std::uint64_t low, high;
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
        low = kNameWord | used << 56;
        high = used >> 8;
        size = kName.size() + 5 - static_cast<std::size_t>(unused) / 8;
    }
    // REQUIRES: kRoom writable bytes.
    void write(char* to) const noexcept {
        store_word(to, low);
        store_word(to + 8, high);
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
    char* const at = edits.room(RportText::kRoom);
    if (at == nullptr) return {};
    rport.write(at);
    edits.shrink(at + rport.size);
    return {at, rport.size};
}

// The port at the source address where replies have to go, and what says so in the branch.
void set_reply_port(const Context& context, std::uint16_t port, RequestPlan& plan) noexcept {
    const Endpoint reply_to{context.frame().source.address, port};
    plan.top.mac = sip::reply_mac(context.tables.secret, context.transaction, reply_to);
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

// The parts of a message between which something is put or goes away: what is in front of the first
// header field, from there to the topmost Via's sent-by, its parameters up to its rport, what
// follows up to a line that goes (`cut`), and what stays where it is.
struct Parts {
    const char* header;
    const char* sent_by_end;
    const char* rport;
    const char* behind_rport;
    const char* cut;
    const char* tail;

    Parts(const sip::Message& message, bool pops_route) noexcept
        : header(message.header.data()),
          sent_by_end(message.top_via.sent_by.data() + message.top_via.sent_by.size()),
          rport(message.top_via.has_rport() ? message.top_via.rport_param.data() : sent_by_end),
          behind_rport(rport + message.top_via.rport_param.size()),
          cut(behind_rport),
          tail(behind_rport) {
        if (!pops_route) return;
        const std::string_view line = message.routes[0].line;
        cut = line.data();
        tail = cut + line.size();
    }
    // Whether all but the first one can be taken by 64 bytes each. `end`: of the message.
    bool are_short(const char* end) const noexcept {
        return sent_by_end - header <= kMax && rport - sent_by_end <= kMax && end - tail >= kMax &&
               static_cast<std::size_t>(cut - behind_rport) <= Blocks::kSize;
    }

private:
    static constexpr std::ptrdiff_t kMax = Blocks::kSize;
};

// True if there is no edit of the Contact. REQUIRES: no edits yet.
bool contact_stays(Context& context, const table::Service& service) noexcept {
    sip::EditList& edits = context.scratch.edits;
    add_contact_edits(context, service.nat);
    if (edits.size() == 0 && edits.ok()) [[likely]]
        return true;
    edits.clear();
    return false;
}

// True if all of the Route set is one header field and goes.
bool pops_one_route(const sip::Message& message, const LooseRoute& route) noexcept {
    return message.routes_count == 1 && route.first == route.end && !route.recovered;
}

// What RequestPlan::usual says.
bool is_usual(Context& context, const LooseRoute& route, const NextHop& hop,
              const table::Service& service, RequestPlan& plan) noexcept {
    const sip::Message& message = context.message();
    const sip::Via& via = message.top_via;
    if (!via.received_param.empty() || !hop.host_port.empty()) return false;
    plan.pops_route = message.routes_count != 0;
    // Then the message may lose a line, but grows nevertheless.
    if (plan.pops_route &&
        (!pops_one_route(message, route) || message.routes[0].line.size() > plan.top.size))
        return false;
    if (!Parts(message, plan.pops_route).are_short(message.text.data() + message.text.size()))
        return false;
    plan.received = true;
    if (via.has_rport()) {
        // Ours is no shorter than the one that it replaces.
        if (via.rport_param.size() > RportText::kName.size() + 1) return false;
    } else {
        if (must_force_rport(context, service.nat)) return false;
        plan.received = !host_is_source(context, via.host);
        set_reply_port(context, via.port != 0 ? via.port : kSipPort, plan);
    }
    return hop.source_slot != table::Dispatch::kNotADestination || contact_stays(context, service);
}

}  // namespace

RequestPlan plan_request(Context& context, const LooseRoute& route, const NextHop& hop,
                         table::ListenerIndex out) noexcept {
    const table::Service& service = context.service();
    RequestPlan plan;
    plan_top(context, service, out, plan.top);
    // Long before it is written: AES takes its time, but not the core's.
    if (context.message().top_via.has_rport()) [[likely]]
        set_reply_port(context, context.frame().source.port, plan);
    plan.usual = is_usual(context, route, hop, service, plan);
    if (!plan.usual) list_request_edits(context, route, hop, plan);
    return plan;
}

[[gnu::noinline]] void list_request_edits(Context& context, const LooseRoute& route,
                                          const NextHop& hop, RequestPlan& plan) noexcept {
    const sip::Message& message = context.message();
    const sip::Via& via = message.top_via;
    const table::Service& service = context.service();
    const bool force_rport = !via.has_rport() && must_force_rport(context, service.nat);
    const std::uint16_t via_port = via.port != 0 ? via.port : kSipPort;
    plan.usual = false;
    set_reply_port(context, via.has_rport() || force_rport ? context.frame().source.port : via_port,
                   plan);
    context.scratch.edits.insert_gap(message.header.data(), plan.top.size);
    add_via_edits(context, force_rport);
    if (message.routes_count != 0) add_route_edits(context, route);
    if (!hop.host_port.empty()) add_set_host_edit(context, hop.host_port);
    add_contact_edits(context, service.nat);
}

namespace {

// The whole header field if our Via is alone in it, else this value and its comma.
std::string_view own_via(const sip::Message& reply) noexcept {
    const std::string_view rest = sip::behind_top_via(reply);
    if (rest.empty()) return sip::line_of(reply.via, reply);
    const char* const begin = reply.via.value.data();
    return {begin, static_cast<std::size_t>(rest.data() - begin)};
}

// True if nothing but the Via changes, and both what is in front of it and behind it can be taken
// by 64 bytes.
bool is_usual(Context& context, const ReplyPlan& plan) noexcept {
    const sip::Message& reply = context.message();
    const char* const end = reply.text.data() + reply.text.size();
    const auto short_size = static_cast<std::ptrdiff_t>(Blocks::kSize);
    return plan.via.data() - reply.text.data() <= short_size &&
           end - (plan.via.data() + plan.via.size()) >= short_size &&
           (context.dispatch().is_destination(context.frame().source) ||
            contact_stays(context, context.service()));
}

}  // namespace

ReplyPlan plan_reply(Context& context) noexcept {
    ReplyPlan plan{own_via(context.message()), false};
    plan.usual = is_usual(context, plan);
    if (!plan.usual) list_reply_edits(context, plan);
    return plan;
}

void list_reply_edits(Context& context, ReplyPlan& plan) noexcept {
    plan.usual = false;
    context.scratch.edits.remove(plan.via);
    add_contact_edits(context, context.service().nat);
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

// Overwrites the digits of Max-Forwards, right aligned and padded with spaces, at most 70
// (spec/dispatcher.md 7.8). REQUIRES: the value is absent or above 0.
void count_down_max_forwards(const Context& context) noexcept {
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

// A usual plan without a list. All parts move by 64 bytes whatever their size: what might be
// overwritten is read before anything is written, and what each part spoils behind itself the next
// one overwrites.
template <bool kPopsRoute>
Bytes rewrite_usual(Context& context, const RequestPlan& plan) noexcept {
    const sip::Message& message = context.message();
    const Parts parts(message, kPopsRoute);
    const bool has_rport = message.top_via.has_rport();
    const std::string_view received = plan.received ? context.received_text() : std::string_view();
    const RportText rport(context.frame().source.port);
    const std::size_t rport_size = has_rport ? rport.size : 0;
    const auto growth = static_cast<std::ptrdiff_t>(plan.top.size + received.size() + rport_size) -
                        (parts.behind_rport - parts.rport) - (parts.tail - parts.cut);
    char* const begin = const_cast<char*>(message.text.data());
    if (!has_room(context, begin, growth)) return {};

    // As a rule last: who reads in a wider word what was written a moment ago stalls the core.
    const bool counts_down_last = message.max_forwards.value.data() >= parts.tail;
    if (!counts_down_last) [[unlikely]]
        count_down_max_forwards(context);
    const Blocks via = Blocks::load(parts.header), parameters = Blocks::load(parts.sent_by_end);
    const Blocks behind_rport = Blocks::load(parts.behind_rport), tail = Blocks::load(parts.tail);
    for (const char* from = begin; from < parts.header; from += Blocks::kSize)
        Blocks::load(from).store(const_cast<char*>(from) - growth);

    char* to = const_cast<char*>(parts.header) - growth;
    write_top(context, plan.top, to);
    to += plan.top.size;
    via.store(to);
    to += parts.sent_by_end - parts.header;
    copy_pairs(to, received.data(), received.size());
    to += received.size();
    parameters.store(to);
    to += parts.rport - parts.sent_by_end;
    rport.write(to);
    to += rport_size;
    if (kPopsRoute) {
        behind_rport.store(to);
        to += parts.cut - parts.behind_rport;
    }
    LB_ASSERT(to == parts.tail);
    tail.store(to);
    if (counts_down_last) [[likely]]
        count_down_max_forwards(context);
    return grown(begin - growth, message.text, growth);
}

[[gnu::noinline]] Bytes rewrite_without_route(Context& context, const RequestPlan& plan) noexcept {
    return rewrite_usual<true>(context, plan);
}

[[gnu::noinline]] Bytes rewrite_by_list(Context& context, const RequestPlan& plan) noexcept {
    const sip::EditList& edits = context.scratch.edits;
    const std::string_view message = context.message().text;
    char* const begin = const_cast<char*>(message.data());
    if (!edits.ok() || !has_room(context, begin, edits.growth())) return {};
    count_down_max_forwards(context);
    const sip::EditList::Applied applied = edits.apply(begin, message.size());
    write_top(context, plan.top, applied.gap);
    return grown(applied.begin, message, edits.growth());
}

}  // namespace

Bytes rewrite_request(Context& context, const RequestPlan& plan) noexcept {
    if (!plan.usual) return rewrite_by_list(context, plan);
    return plan.pops_route ? rewrite_without_route(context, plan)
                           : rewrite_usual<false>(context, plan);
}

Bytes rewrite_reply(Context& context, const ReplyPlan& plan) noexcept {
    const sip::EditList& edits = context.scratch.edits;
    const std::string_view message = context.message().text;
    char* const begin = const_cast<char*>(message.data());
    const std::ptrdiff_t growth =
        plan.usual ? -static_cast<std::ptrdiff_t>(plan.via.size()) : edits.growth();
    if (!edits.ok() || !has_room(context, begin, growth)) return {};
    if (!plan.usual) return grown(edits.apply(begin, message.size()).begin, message, growth);

    char* const tail = const_cast<char*>(plan.via.data()) + plan.via.size();
    const Blocks front = Blocks::load(begin), behind = Blocks::load(tail);
    front.store(begin - growth);
    behind.store(tail);
    return grown(begin - growth, message, growth);
}

}  // namespace lb::core
