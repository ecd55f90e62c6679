#pragma once

// What the hash algorithms hash of a message (spec/dispatcher.md 2.2), as views into it.
//
// Threads: pure. Cost: no allocation; expand() copies into the caller's buffer.

#include <span>
#include <string_view>

#include "dp/base/address.h"
#include "dp/sip/message.h"
#include "dp/table/pvar.h"

namespace lb::core {

// The two strings of table::dispatcher_hash(); absent is empty.
struct HashText {
    std::string_view x;
    std::string_view y;
};

// A longer text fails, as it does in Kamailio.
inline constexpr std::size_t kPvarTextMax = 8192;

// User without password, and host[:port] unless `user_only`; a port that is the scheme's own is
// left out. False for a URI that is none, or of another scheme than sip, sips and tel.
bool uri_hash_text(std::string_view uri, bool user_only, HashText& text) noexcept;

// The user of Digest credentials: of Proxy-Authorization if that is Digest, else of Authorization.
// Cut at
// '@', and what stands in front of ':' dropped. False when there is none or it is empty.
bool auth_user(const sip::Message& request, std::string_view& user) noexcept;

// URI of From and To, without brackets, name or parameters; empty when it does not parse.
std::string_view from_uri(const sip::Message& message) noexcept;
std::string_view to_uri(const sip::Message& message) noexcept;

// Expands the program into `buffer` and trims the result; a variable without value is "<null>".
// False when it does not fit. An empty result is the caller's to judge.
bool expand(const table::PvarProgram& program, const sip::Message& message, const Endpoint& source,
            std::span<char> buffer, std::string_view& text) noexcept;

}  // namespace lb::core
