#include "dp/sip/start_line.h"

#include "dp/sip/text.h"

namespace lb::sip {
namespace {

constexpr Name kSipSlash("sip");

// "SIP/" digits "." digits.
bool is_version(std::string_view text) noexcept {
    Cursor cursor(text);
    if (text.size() < 7 || !kSipSlash.equals(text.data()) || text[3] != '/') return false;
    cursor.at += 4;
    return !cursor.take_digits().empty() && cursor.take('.') && !cursor.take_digits().empty() &&
           cursor.done();
}

bool is_version_2(std::string_view text) noexcept {
    return text.size() == 7 && kSipSlash.equals(text.data()) && text.substr(3) == "/2.0";
}

// "SIP/2.0 200 OK": nearly every reply begins so. False when there is anything else in it: that is
// for parse_status_line() to judge.
bool take_usual_status_line(std::string_view line, Message& message) noexcept {
    constexpr std::string_view kBegin = "SIP/2.0 ";
    constexpr std::size_t kReason = kBegin.size() + 4;
    if (!line.starts_with(kBegin) || line.size() < kReason + 2 || !line.ends_with("\r\n"))
        return false;
    const auto digit = [&](std::size_t i) { return static_cast<unsigned>(line[8 + i]) - '0'; };
    if (digit(0) - 1 > 5 || digit(1) > 9 || digit(2) > 9 || line[kReason - 1] != ' ') return false;
    message.reply = true;
    message.status = static_cast<std::uint16_t>(digit(0) * 100 + digit(1) * 10 + digit(2));
    message.reason = between(line.data() + kReason, end_of(line) - 2);
    return true;
}

Error parse_status_line(std::string_view line, Message& message) noexcept {
    const std::size_t space = line.find(' ');
    if (!is_version_2(line.substr(0, space))) return Error::kVersion;
    message.reply = true;
    Cursor cursor(line.substr(space + 1));
    const std::string_view digits = cursor.take_digits();
    std::uint64_t status = 0;
    if (digits.size() != 3 || !parse_number(digits, 699, status) || status < 100) {
        return Error::kStatusCode;
    }
    if (!cursor.done() && !cursor.take(' ')) return Error::kStatusCode;
    message.status = static_cast<std::uint16_t>(status);
    message.reason = between(cursor.at, cursor.end);
    return Error::kNone;
}

Error parse_request_line(std::string_view line, Message& message) noexcept {
    Cursor cursor(line, &message.index);
    const std::string_view method = cursor.take_token();
    if (method.empty() || !cursor.take(' ')) return Error::kNotSip;
    const std::string_view rest = between(cursor.at, cursor.end);
    const std::string_view trimmed_rest = trimmed(rest);
    const std::size_t space = trimmed_rest.rfind(' ');
    if (space == std::string_view::npos || !is_version(trimmed_rest.substr(space + 1))) {
        return Error::kNotSip;
    }
    message.method_text = method;
    message.method = method_of(method);
    if (!is_version_2(trimmed_rest.substr(space + 1))) return Error::kVersion;
    message.request_uri = trimmed_rest.substr(0, space);
    const bool clean =
        trimmed_rest.size() == rest.size() && fits_request_line(message.request_uri, cursor.index);
    return clean ? Error::kNone : Error::kRequestUri;
}

std::string_view without_line_end(std::string_view line) noexcept {
    if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
}

// Any start line.
Error parse_any(std::string_view line, Message& message) noexcept {
    const std::string_view text = without_line_end(line);
    // "SIP/" cannot begin a request: '/' is no token character.
    if (text.size() >= 8 && kSipSlash.equals(text.data()) && text[3] == '/') {
        const std::size_t space = text.find(' ');
        if (space == std::string_view::npos) return Error::kNotSip;
        if (!is_version(text.substr(0, space))) return Error::kNotSip;
        return parse_status_line(text, message);
    }
    return parse_request_line(text, message);
}

}  // namespace

Error detail::parse_other_start_line(std::string_view line, Message& message) noexcept {
    if (take_usual_status_line(line, message)) return Error::kNone;
    const char* const uri_end = usual_uri_end(line);
    const bool usual =
        uri_end != nullptr &&
        take_usual_request_line(line, uri_end, BreakWalk(line.data(), message.index), message);
    return usual ? Error::kNone : parse_any(line, message);
}

bool fits_request_line(std::string_view uri, const TextIndex* index) noexcept {
    Cursor cursor(uri, index);
    cursor.skip_to(detail::kForeign);
    return cursor.done() && !uri.empty();
}

Method method_of(std::string_view token) noexcept {
    if (token.size() - 1 > 7) return token == "SUBSCRIBE" ? Method::kSubscribe : Method::kOther;
    return detail::find_method(load_packed(token));
}

}  // namespace lb::sip
