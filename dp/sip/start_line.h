#pragma once

// The first line of a message (RFC 3261 7.1, 7.2).

#include <string_view>

#include "dp/sip/message.h"
#include "dp/sip/parser.h"

namespace lb::sip {

// Fills in start_line and the fields of a request or reply. kNotSip and kStatusCode say that the
// message is none; kVersion and kRequestUri leave a method, so that the request may be answered.
// REQUIRES: the line is at the begin of the text that message.index is of.
Error parse_start_line(std::string_view line, Message& message) noexcept;

}  // namespace lb::sip
