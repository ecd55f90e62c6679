#pragma once

// Local replies: a SIP reply takes the place of the request in its own buffer and goes back to
// where the request came from (design.md section 3).

#include "dp/core/context.h"
#include "dp/core/verdict.h"

namespace lb::core {

struct Answer {
    std::uint16_t code = 0;  // 0: nothing to say, go on
    std::string_view reason;
    std::string_view extra;  // whole header lines

    explicit operator bool() const noexcept { return code != 0; }
};

// kReply, or kDrop: an ACK is never answered (RFC 3261 17.1.1.3, counted as ack_refused), and a
// reply that does not fit the buffer is too_big. One reply for one request, so nothing is amplified
// in number.
Verdict answer(Context& context, const Answer& text) noexcept;

}  // namespace lb::core
