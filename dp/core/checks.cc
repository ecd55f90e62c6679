#include "dp/core/checks.h"

#include "dp/core/loose_route.h"

namespace lb::core {
namespace {

// OPTIONS addressed to us: no user part, and the host is one of our services (RFC 3261 11).
bool is_options_to_us(const Context& context, const sip::Uri& request_uri) noexcept {
    return context.message().method == sip::Method::kOptions && !request_uri.has_user &&
           context.message().routes_count == 0 &&
           own_listener(context, request_uri) != table::kNoListener;
}

}  // namespace

Answer answer_to_bad_request(sip::Error error) noexcept {
    if (error == sip::Error::kVersion) return {505, "Version Not Supported", {}};
    if (error == sip::Error::kBadMaxForwards) return {483, "Too Many Hops", {}};  // as maxfwd does
    return {400, "Bad Request", {}};
}

Answer check_request(const Context& context) noexcept {
    const sip::Message& message = context.message();
    sip::Uri request_uri;
    if (!sip::parse_uri(message.request_uri, request_uri, &message.index))
        return {400, "Bad Request", {}};
    if (is_options_to_us(context, request_uri)) return {200, "Keepalive", {}};
    if (request_uri.scheme == sip::Scheme::kOther) return {416, "Unsupported URI Scheme", {}};
    // Header parts of a Request-URI would become header fields at a later hop (RFC 4475 3.1.2.11).
    if (!request_uri.headers.empty()) return {400, "Bad Request", {}};
    if (message.max_forwards_value == 0) return {483, "Too Many Hops", {}};
    // Neither CANCEL nor ACK is refused for it (RFC 3261 8.2.2.3).
    if (message.proxy_require.present() && !message.follows_invite()) {
        context.scratch.edits.clear();
        char* const text = context.scratch.edits.room(message.proxy_require.value.size() + 16);
        if (text == nullptr) return {400, "Bad Request", {}};
        constexpr std::string_view kName = "Unsupported: ";
        std::size_t size = kName.copy(text, kName.size());
        for (const char c : message.proxy_require.value) {  // a folded list becomes one line
            text[size++] = c == '\r' || c == '\n' ? ' ' : c;
        }
        text[size++] = '\r';
        text[size++] = '\n';
        return {420, "Bad Extension", {text, size}};
    }
    return {};
}

}  // namespace lb::core
