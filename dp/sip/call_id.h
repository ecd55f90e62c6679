#pragma once

// The Call-ID alone, without parsing the message: to tell which worker a message belongs to before
// anyone looks at the rest.

#include <string_view>

namespace lb::sip {

// The value of the first Call-ID (or `i`) header, without blanks around it. Empty if there is none
// in front of the empty line, or if its value begins on a folded line. Not a check of anything.
// Bounds: kHeaderLinesMax lines. Thread: any. Cost: one search for LF a line, up to the Call-ID.
std::string_view find_call_id(std::string_view message) noexcept;

}  // namespace lb::sip
