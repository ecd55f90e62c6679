#include "dp/sip/header_name.h"

#include "dp/sip/text.h"

namespace lb::sip {
namespace {

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
bool begins(std::string_view line, const Name<N>& name) noexcept {
    return line.size() > N && name.equals(line.data()) && !is_token(line[N]);
}

// One row per header: `rest` rows are tried when the first one does not fit.
template <std::size_t N>
HeaderStart match(std::string_view line, const Name<N>& name, Header header) noexcept {
    return begins(line, name) ? behind_name(line, N, header) : HeaderStart{};
}

template <std::size_t N, class... Rest>
HeaderStart match(std::string_view line, const Name<N>& name, Header header,
                  const Rest&... rest) noexcept {
    return begins(line, name) ? behind_name(line, N, header) : match(line, rest...);
}

constexpr Name kVia("via");
constexpr Name kV("v");
constexpr Name kFrom("from");
constexpr Name kF("f");
constexpr Name kTo("to");
constexpr Name kT("t");
constexpr Name kCallId("call-id");
constexpr Name kI("i");
constexpr Name kCseq("cseq");
constexpr Name kMaxForwards("max-forwards");
constexpr Name kContentLength("content-length");
constexpr Name kL("l");
constexpr Name kContact("contact");
constexpr Name kM("m");
constexpr Name kRoute("route");
constexpr Name kRecordRoute("record-route");
constexpr Name kRequire("require");
constexpr Name kProxyRequire("proxy-require");
constexpr Name kAuthorization("authorization");
constexpr Name kProxyAuthorization("proxy-authorization");

}  // namespace

HeaderStart classify(std::string_view line) noexcept {
    switch (line[0] | 0x20) {
        case 'v':
            return match(line, kVia, Header::kVia, kV, Header::kVia);
        case 'f':
            return match(line, kFrom, Header::kFrom, kF, Header::kFrom);
        case 't':
            return match(line, kTo, Header::kTo, kT, Header::kTo);
        case 'i':
            return match(line, kI, Header::kCallId);
        case 'l':
            return match(line, kL, Header::kContentLength);
        case 'm':
            return match(line, kMaxForwards, Header::kMaxForwards, kM, Header::kContact);
        case 'c':
            return match(line, kCallId, Header::kCallId, kCseq, Header::kCseq, kContact,
                         Header::kContact, kContentLength, Header::kContentLength);
        case 'r':
            return match(line, kRoute, Header::kRoute, kRecordRoute, Header::kRecordRoute, kRequire,
                         Header::kRequire);
        case 'a':
            return match(line, kAuthorization, Header::kAuthorization);
        case 'p':
            return match(line, kProxyAuthorization, Header::kProxyAuthorization, kProxyRequire,
                         Header::kProxyRequire);
        default:
            return {};
    }
}

}  // namespace lb::sip
