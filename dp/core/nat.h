#pragma once

// NAT helpers as nathelper has them (spec/dispatcher.md 7.9): fix_nated_contact() and
// force_rport().

#include "dp/core/context.h"

namespace lb::core {

// Adds the edits that put the message's source address into the last address of its first Contact
// header, if `nat`, the setting of the message's service, asks for it:
//   always: whatever the Contact says; auto: if its host is private or not the source address.
// A destination's own Contact is right by definition and stays.
void add_contact_edits(Context& context, table::Nat nat) noexcept;

// True if a request's replies must go to its source port although its Via does not ask for that
// (force_rport):
//   always: yes; auto: the Via's host is private and the source is another address.
bool must_force_rport(Context& context, table::Nat nat) noexcept;

// True if the host is a literal and the message's source address. The usual spelling is told
// without parsing.
bool host_is_source(Context& context, std::string_view host) noexcept;

}  // namespace lb::core
