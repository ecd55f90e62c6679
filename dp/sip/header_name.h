#pragma once

// Which header a line begins with, among those that Message needs.

#include <cstdint>
#include <string_view>

#include "dp/sip/text.h"

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
    kCount,
};

struct HeaderStart {
    Header header = Header::kOther;
    std::uint32_t value = 0;  // offset behind the colon; 0 for kOther and kBroken
};

namespace name {

// What stands behind a name that has just been recognised.
[[gnu::always_inline]] inline HeaderStart behind_name(std::string_view line, std::size_t size,
                                                      Header header) noexcept {
    std::size_t at = size;
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at < line.size() && line[at] == ':') return {header, static_cast<std::uint32_t>(at + 1)};
    // "To be: x" or "Via" alone is ours but broken; "Tone: x" is another header.
    return {at > size || is_lws(line[size]) ? Header::kBroken : Header::kOther, 0};
}

template <std::size_t N>
[[gnu::always_inline]] inline bool begins(std::string_view line, const Name<N>& name) noexcept {
    return line.size() > N && name.equals(line.data()) && !is_token(line[N]);
}

// One row per header: `rest` rows are tried when the first one does not fit.
template <std::size_t N>
[[gnu::always_inline]] inline HeaderStart match(std::string_view line, const Name<N>& name,
                                                Header header) noexcept {
    return begins(line, name) ? behind_name(line, N, header) : HeaderStart{};
}

template <std::size_t N, class... Rest>
[[gnu::always_inline]] inline HeaderStart match(std::string_view line, const Name<N>& name,
                                                Header header, const Rest&... rest) noexcept {
    return begins(line, name) ? behind_name(line, N, header) : match(line, rest...);
}

inline constexpr Name kVia("via");
inline constexpr Name kV("v");
inline constexpr Name kFrom("from");
inline constexpr Name kF("f");
inline constexpr Name kTo("to");
inline constexpr Name kT("t");
inline constexpr Name kCallId("call-id");
inline constexpr Name kI("i");
inline constexpr Name kCseq("cseq");
inline constexpr Name kMaxForwards("max-forwards");
inline constexpr Name kContentLength("content-length");
inline constexpr Name kL("l");
inline constexpr Name kContact("contact");
inline constexpr Name kM("m");
inline constexpr Name kRoute("route");
inline constexpr Name kRecordRoute("record-route");
inline constexpr Name kRequire("require");
inline constexpr Name kProxyRequire("proxy-require");
inline constexpr Name kAuthorization("authorization");
inline constexpr Name kProxyAuthorization("proxy-authorization");

}  // namespace name

// The first character picks at most three candidates, whose whole name is then compared, in any
// letter case or in compact form (RFC 3261 7.3.1, 7.3.3). Blanks in front of the colon are allowed
// (HCOLON). REQUIRES: line is not empty.
[[gnu::always_inline]] inline HeaderStart classify(std::string_view line) noexcept {
    switch (line[0] | 0x20) {
        case 'v':
            return name::match(line, name::kVia, Header::kVia, name::kV, Header::kVia);
        case 'f':
            return name::match(line, name::kFrom, Header::kFrom, name::kF, Header::kFrom);
        case 't':
            return name::match(line, name::kTo, Header::kTo, name::kT, Header::kTo);
        case 'i':
            return name::match(line, name::kI, Header::kCallId);
        case 'l':
            return name::match(line, name::kL, Header::kContentLength);
        case 'm':
            return name::match(line, name::kMaxForwards, Header::kMaxForwards, name::kM,
                               Header::kContact);
        case 'c':
            return name::match(line, name::kCallId, Header::kCallId, name::kCseq, Header::kCseq,
                               name::kContact, Header::kContact, name::kContentLength,
                               Header::kContentLength);
        case 'r':
            return name::match(line, name::kRoute, Header::kRoute, name::kRecordRoute,
                               Header::kRecordRoute, name::kRequire, Header::kRequire);
        case 'a':
            return name::match(line, name::kAuthorization, Header::kAuthorization);
        case 'p':
            return name::match(line, name::kProxyAuthorization, Header::kProxyAuthorization,
                               name::kProxyRequire, Header::kProxyRequire);
        default:
            return {};
    }
}

}  // namespace lb::sip
