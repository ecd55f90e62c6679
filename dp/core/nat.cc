#include "dp/core/nat.h"

#include <bit>

#include "dp/sip/parser.h"

namespace lb::core {
namespace {

constexpr std::size_t kContactsMax = 32;  // addresses looked through in one Contact header

// The last address of a comma list (recorded behaviour: golden/relay 125); false for "*" or a
// broken one.
bool last_contact(std::string_view text, const sip::TextIndex& index,
                  sip::NameAddr& last) noexcept {
    for (std::size_t i = 0; i < kContactsMax; ++i) {
        std::string_view rest;
        if (!sip::parse_name_addr(text, last, rest, &index)) return false;
        if (rest.empty()) return true;
        text = rest;
    }
    return false;
}

bool is_behind_nat(Context& context, const sip::Uri& contact) noexcept {
    return context.frame().source.address.is_private() || !host_is_source(context, contact.host);
}

// The parameter with its semicolon, for removal. Empty: absent.
std::string_view whole_param(std::string_view params, std::string_view name) noexcept {
    const auto value = sip::find_param(params, name);
    if (!value || value->data() == nullptr) return {};
    const std::size_t end = static_cast<std::size_t>(value->data() + value->size() - params.data());
    const std::size_t semicolon = params.substr(0, end).rfind(';');
    return semicolon == std::string_view::npos ? std::string_view{}
                                               : params.substr(semicolon, end - semicolon);
}

bool is_source_text(Context& context, std::string_view host) noexcept {
    const std::string_view source = context.source_text();
    return host.size() == source.size() && same_short(host.data(), source.data(), host.size());
}

// False for a Contact that is somebody else's address, and right as it is: where a 3xx leads (RFC
// 3261 21.3), what a registrar has of a phone; and with `auto`, of a request that came by another
// proxy, whose address the source is.
bool is_senders_contact(const sip::Message& message, table::Nat nat) noexcept {
    if (message.is_reply())
        return message.status > 100 && message.status < 300 && message.cseq_method != "REGISTER";
    return nat == table::Nat::kAlways || (message.via_lines == 1 && has_own_line(message));
}

// Sets context.wrong_contact if there is one.
[[gnu::noinline]] void find_wrong_contact(Context& context, table::Nat nat) noexcept {
    const sip::Message& message = context.message();
    if (context.dispatch().is_destination(context.frame().source) ||
        !is_senders_contact(message, nat))
        return;

    sip::NameAddr contact;
    sip::Uri uri;
    if (!last_contact(message.contact.value, message.index, contact) ||
        !sip::parse_uri(contact.uri, uri, &message.index))
        return;
    if (uri.scheme != sip::Scheme::kSip && uri.scheme != sip::Scheme::kSips) return;
    if (nat == table::Nat::kAuto && !is_behind_nat(context, uri)) return;
    context.wrong_contact = {uri.host_port, whole_param(uri.params, "maddr")};
}

}  // namespace

// By the breaks behind its scheme.
bool plainly_names(std::string_view contact, const sip::TextIndex& index,
                   std::string_view source) noexcept {
    constexpr std::string_view kBegin = "<sip:";
    // What is longer is IPv6, which has brackets in a URI.
    if (source.size() < 4 || source.size() > 16) return false;
    if (!contact.starts_with(kBegin) || contact.back() != '>') return false;
    const char* const user = contact.data() + kBegin.size();
    const char* const last = contact.data() + contact.size() - 1;
    // That is a break: none that is looked at lies behind it.
    std::uint64_t breaks = index.breaks_at(user);
    if (breaks == 0) return false;
    const char* const at_sign = user + std::countr_zero(breaks);
    const char* const host = at_sign + 1;
    const char* const host_end = host + source.size();
    if (*at_sign != '@' || host_end > last || !same_short(host, source.data(), source.size()))
        return false;
    if (host_end == last) return true;
    breaks &= breaks - 1;  // without the '@'
    breaks &= breaks - 1;  // and what ends the host
    return *host_end == ':' && breaks != 0 && user + std::countr_zero(breaks) == last;
}

void add_contact_edits(Context& context, table::Nat nat) noexcept {
    if (!context.wrong_contact && contact_stays(context, nat)) return;
    const WrongContact& wrong = *context.wrong_contact;
    sip::EditList& edits = context.scratch.edits;
    char* const text = edits.room(kEndpointTextMax);
    if (text == nullptr) return;
    const std::size_t size = context.frame().source.write(text);
    edits.shrink(text + size);
    edits.replace(wrong.host_port, {text, size});
    if (!wrong.maddr.empty()) edits.remove(wrong.maddr);
}

bool contact_stays_anyway(Context& context, table::Nat nat) noexcept {
    find_wrong_contact(context, nat);
    return !context.wrong_contact;
}

bool host_is_source(Context& context, std::string_view host) noexcept {
    if (is_source_text(context, host)) return true;
    return sip::literal_host(host) == context.frame().source.address;
}

bool must_force_rport(Context& context, table::Nat nat) noexcept {
    if (nat != table::Nat::kAuto) return nat == table::Nat::kAlways;
    const std::string_view sent_by = context.message().top_via.host;
    if (is_source_text(context, sent_by)) return false;
    const auto host = sip::literal_host(sent_by);
    return host && host->is_private() && *host != context.frame().source.address;
}

}  // namespace lb::core
