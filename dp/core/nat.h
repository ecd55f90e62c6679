#pragma once

// NAT helpers as nathelper has them (spec/dispatcher.md 7.9): fix_nated_contact() and
// force_rport().

#include "dp/core/context.h"
#include "dp/sip/chars.h"

namespace lb::core {

// The address of a message's first Contact header, the last one if there are several, gets the
// message's source as its host if `nat`, the setting of the message's service, asks for it:
//   always: whatever the Contact says; auto: if its host is private or not the source address, and
//   no other proxy is between.
// A destination's own Contact is right by definition and stays; so does one that is not the
// sender's own address, in a 3xx or a reply to REGISTER.

// True if the topmost Via is alone in its header field.
inline bool has_own_line(const sip::Message& message) noexcept {
    return sip::end_of(message.top_via.value) == sip::end_of(message.via.value);
}

// True if that Contact is one "<sip:user@host[:port]>" with the text of the source address as its
// host: what a phone that is not behind NAT sends, told without parsing. False says nothing.
bool plainly_names(std::string_view contact, const sip::TextIndex& index,
                   std::string_view source) noexcept;

// True if the Contact stays, told without parsing it. False says nothing.
inline bool contact_plainly_stays(Context& context, table::Nat nat) noexcept {
    const sip::Message& message = context.message();
    if (nat == table::Nat::kOff || !message.contact.present()) return true;
    if (nat != table::Nat::kAuto || context.frame().source.address.is_private()) return false;
    return plainly_names(message.contact.value, message.index, context.source_text());
}

// The same for any Contact. What is found is remembered for add_contact_edits().
bool contact_stays_anyway(Context& context, table::Nat nat) noexcept;
inline bool contact_stays(Context& context, table::Nat nat) noexcept {
    return contact_plainly_stays(context, nat) || contact_stays_anyway(context, nat);
}

// Adds the edits.
void add_contact_edits(Context& context, table::Nat nat) noexcept;

// True if a request's replies must go to its source port although its Via does not ask for that
// (force_rport):
//   always: yes; auto: the Via's host is private and the source is another address.
bool must_force_rport(Context& context, table::Nat nat) noexcept;

// True if the host is a literal and the message's source address. The usual spelling is told
// without parsing.
bool host_is_source(Context& context, std::string_view host) noexcept;

}  // namespace lb::core
