#include "dp/core/rewrite.h"

#include <charconv>

#include "dp/core/nat.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"

namespace lb::core {
namespace {

constexpr std::int32_t kMaxForwards = 70;

// Appends texts to room taken from the edit list's arena.
class Writer {
public:
    Writer(sip::EditList& edits, std::size_t size) noexcept
        : edits_(edits),
          begin_(edits.room(size)),
          at_(begin_),
          end_(begin_ == nullptr ? begin_ : begin_ + size) {}

    Writer& text(std::string_view text) noexcept {
        if (begin_ != nullptr && text.size() <= static_cast<std::size_t>(end_ - at_)) {
            copy_short(at_, text.data(), text.size());
            at_ += text.size();
        } else {
            fits_ = false;
        }
        return *this;
    }
    Writer& hex64(std::uint64_t value) noexcept {
        if (begin_ == nullptr || end_ - at_ < 16) return fits_ = false, *this;
        write_hex64(value, at_);
        at_ += 16;
        return *this;
    }
    Writer& number(unsigned value) noexcept {
        char digits[10];
        return text({digits, static_cast<std::size_t>(
                                 std::to_chars(digits, digits + 10, value).ptr - digits)});
    }

    // What was written, to stay until the list is cleared. Empty (and the list bad) if it did not
    // fit.
    std::string_view done() noexcept {
        if (begin_ == nullptr) return {};
        if (!fits_) return edits_.room(sip::EditList::kArenaSize + 1), std::string_view{};
        edits_.shrink(at_);
        return {begin_, static_cast<std::size_t>(at_ - begin_)};
    }

private:
    sip::EditList& edits_;
    char* begin_;
    char* at_;
    char* end_;
    bool fits_ = true;
};

bool forms_dialog(const sip::Message& request) noexcept {
    using enum sip::Method;
    return request.to_addr.tag.empty() &&
           (request.method == kInvite || request.method == kSubscribe || request.method == kRefer);
}

void write_own_route(Writer& to, const Context& context, std::string_view name,
                     const table::Listener& listener, bool twin) noexcept {
    to.text(name).text(listener.record_route_uri);
    if (twin) to.text(";r2=on");
    to.text(context.service().enable_full_lr ? ";lr=on;" : ";lr;")
        .text(sip::kCookieParam)
        .text("=");
    to.hex64(sip::dialog_cookie(context.tables.secret, context.message().call_id.value))
        .text(">\r\n");
}

// Record-Route or Path: one value, or two when the message leaves by another listener than it came
// in by; the outer one first.
void write_own_routes(Writer& to, const Context& context, std::string_view name,
                      table::ListenerIndex out) noexcept {
    const bool twin = out != context.listener;
    if (twin) write_own_route(to, context, name, context.listener_at(out), true);
    write_own_route(to, context, name, context.listener_at(context.listener), twin);
}

void add_front_headers(Context& context, table::ListenerIndex out,
                       const Endpoint& reply_to) noexcept {
    const sip::Message& message = context.message();
    const table::Service& service = context.service();
    Writer front(context.scratch.edits, kEditGrowthMax);
    if (message.max_forwards_value < 0)
        front.text("Max-Forwards: ").number(kMaxForwards).text("\r\n");
    if (service.record_route && forms_dialog(message))
        write_own_routes(front, context, "Record-Route: ", out);
    if (service.path && message.method == sip::Method::kRegister)
        write_own_routes(front, context, "Path: ", out);

    char branch[sip::kBranchSize];
    sip::write_relay_branch(context.tables.secret, context.transaction, reply_to, branch);
    front.text(context.listener_at(out).via).text({branch, sizeof branch}).text("\r\n");
    context.scratch.edits.insert(message.header.data(), front.done());
}

// received and rport of the topmost Via, in place (spec/dispatcher.md 7.2; RFC 3261 18.2.1, RFC
// 3581).
void add_via_edits(Context& context, bool force_rport) noexcept {
    const sip::Via& via = context.message().top_via;
    const Endpoint& source = context.frame().source;
    sip::EditList& edits = context.scratch.edits;

    const bool received =
        via.has_rport() || !via.received_param.empty() || !host_is_source(context, via.host);
    const char* const behind_sent_by = via.sent_by.data() + via.sent_by.size();
    if (force_rport && !via.has_rport()) {
        edits.insert(behind_sent_by, Writer(edits, 16).text(";rport=").number(source.port).done());
    }
    if (received) {
        const std::string_view text = Writer(edits, kAddressTextMax + 16)
                                          .text(";received=")
                                          .text(context.source_text())
                                          .done();
        if (via.received_param.empty()) {
            edits.insert(behind_sent_by, text);
        } else {
            edits.replace(via.received_param, text);
        }
    }
    if (via.has_rport()) {
        edits.replace(via.rport_param,
                      Writer(edits, 16).text(";rport=").number(source.port).done());
    }
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

Endpoint reply_endpoint_of(const Context& context, bool force_rport) noexcept {
    const sip::Via& via = context.message().top_via;
    const Endpoint& source = context.frame().source;
    if (via.has_rport() || force_rport) return source;
    return {source.address, via.port != 0 ? via.port : kSipPort};
}

void add_request_edits(Context& context, const LooseRoute& route, const NextHop& hop,
                       table::ListenerIndex out) noexcept {
    const bool force_rport = must_force_rport(context);
    add_front_headers(context, out, reply_endpoint_of(context, force_rport));
    add_via_edits(context, force_rport);
    add_route_edits(context, route);
    if (!hop.host_port.empty()) add_set_host_edit(context, hop.host_port);
    add_contact_edits(context);
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
    add_contact_edits(context);
}

void count_down_max_forwards(Context& context) noexcept {
    const sip::Message& message = context.message();
    if (message.max_forwards_value < 0) return;
    const std::string_view digits = message.max_forwards.value;
    char text[10];
    const std::int32_t left =
        message.max_forwards_value > kMaxForwards ? kMaxForwards : message.max_forwards_value - 1;
    const char* const end = std::to_chars(text, text + sizeof text, left).ptr;
    const std::size_t size = static_cast<std::size_t>(end - text);
    char* const at =
        const_cast<char*>(digits.data());  // a view into the packet, which is ours to write
    std::memset(at, ' ', digits.size() - size);
    std::memcpy(at + digits.size() - size, text, size);
}

Bytes apply_edits(Context& context) noexcept {
    const std::string_view message = context.message().text;
    const sip::EditList& edits = context.scratch.edits;
    char* const begin = const_cast<char*>(message.data());
    const std::ptrdiff_t front =
        reinterpret_cast<std::uint8_t*>(begin) - context.packet.data + context.packet.headroom;
    if (!edits.ok() || front - edits.growth() < static_cast<std::ptrdiff_t>(net::kHeadersMax))
        return {};
    char* const moved = edits.apply(begin, message.size());
    const auto size =
        static_cast<std::size_t>(static_cast<std::ptrdiff_t>(message.size()) + edits.growth());
    return {reinterpret_cast<std::uint8_t*>(moved), size};
}

}  // namespace lb::core
