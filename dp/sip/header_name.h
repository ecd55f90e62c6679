#pragma once

// Which header a line begins with, among those that Message needs.

#include <cstdint>
#include <string_view>

namespace lb::sip {

enum class Header : std::uint8_t {
    kOther,   // any other name, or a line that is no header at all
    kBroken,  // one of ours without its colon
    kVia,
    kFrom,
    kTo,
    kCallId,
    kCseq,
    kMaxForwards,
    kContentLength,
    kContact,
    kRoute,
    kRecordRoute,
    kRequire,
    kProxyRequire,
    kAuthorization,
    kProxyAuthorization,
};

struct HeaderStart {
    Header header = Header::kOther;
    std::uint32_t value = 0;  // offset behind the colon; 0 for kOther and kBroken
};

// The first character picks at most three candidates, whose whole name is then compared, in any
// letter case or in compact form (RFC 3261 7.3.1, 7.3.3). Blanks in front of the colon are allowed
// (HCOLON). REQUIRES: line is not empty.
HeaderStart classify(std::string_view line) noexcept;

}  // namespace lb::sip
