#include <charconv>
#include <cstring>

#include "dp/core/rewrite_usual.h"
#include "dp/sip/parser.h"

namespace lb::core {
namespace {

// Empty, and the list bad, if the arena is full.
std::string_view write_rport(sip::EditList& edits, std::uint16_t port) noexcept {
    const RportText rport(port);
    char* const at = edits.room(RportText::kRoom);
    if (at == nullptr) return {};
    rport.write(at);
    edits.shrink(at + rport.size);
    return {at, rport.size};
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

RequestPlan plan_request(Context& context, const LooseRoute& route, const NextHop& hop,
                         table::ListenerIndex out) noexcept {
    RequestPlan plan;
    make_plan(context, route, hop, out, plan);
    return plan;
}

void list_request_edits(Context& context, const LooseRoute& route, const NextHop& hop,
                        RequestPlan& plan) noexcept {
    const sip::Message& message = context.message();
    const sip::Via& via = message.top_via;
    const table::Service& service = context.service();
    const bool force_rport = !via.has_rport() && must_force_rport(context, service.nat);
    const std::uint16_t via_port = via.port != 0 ? via.port : kSipPort;
    plan.usual = false;
    plan.top.mac =
        branch_mac(context, *plan.top.in,
                   via.has_rport() || force_rport ? context.frame().source.port : via_port);
    context.scratch.edits.clear();
    context.scratch.edits.insert_gap(message.header.data(), plan.top.size);
    add_via_edits(context, force_rport);
    if (message.routes_count != 0) add_route_edits(context, route);
    // Where strict routing gives the message another Request-URI, that one's host stays.
    if (!hop.host_port.empty() && !route.next_is_strict && !route.recovered)
        add_set_host_edit(context, hop.host_port);
    add_contact_edits(context, service.nat);
}

std::string_view odd_own_via(const sip::Message& reply) noexcept {
    const std::string_view rest = sip::behind_top_via(reply);
    if (rest.empty()) return sip::line_of(reply.via, reply);
    const char* const begin = reply.via.value.data();
    return {begin, static_cast<std::size_t>(rest.data() - begin)};
}

void count_down_oddly(const sip::Message& message) noexcept {
    const std::int32_t value = message.max_forwards_value;
    if (value < 0) return;
    const std::string_view digits = message.max_forwards.value;
    char* const at = const_cast<char*>(digits.data());
    char text[10];
    const std::int32_t left = value > kMaxForwards ? kMaxForwards : value - 1;
    const char* const end = std::to_chars(text, text + sizeof text, left).ptr;
    const std::size_t size = static_cast<std::size_t>(end - text);
    std::memset(at, ' ', digits.size() - size);
    std::memcpy(at + digits.size() - size, text, size);
}

namespace {

[[gnu::noinline]] Bytes rewrite_without_route(Context& context, const RequestPlan& plan) noexcept {
    return rewrite_usual<true>(context, plan);
}

[[gnu::noinline]] Bytes rewrite_by_list(Context& context, const RequestPlan& plan) noexcept {
    const sip::EditList& edits = context.scratch.edits;
    const std::string_view message = context.message().text;
    char* const begin = const_cast<char*>(message.data());
    if (!edits.ok() || !has_room(context, begin, edits.growth())) return {};
    count_down_max_forwards(context.message());
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

Bytes rewrite_reply(Context& context, std::string_view via) noexcept {
    sip::EditList& edits = context.scratch.edits;
    edits.clear();
    edits.remove(via);
    add_contact_edits(context, context.service().nat);
    const std::string_view message = context.message().text;
    char* const begin = const_cast<char*>(message.data());
    if (!edits.ok() || !has_room(context, begin, edits.growth())) return {};
    return grown(edits.apply(begin, message.size()).begin, message, edits.growth());
}

}  // namespace lb::core
