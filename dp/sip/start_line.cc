#include "dp/sip/start_line.h"

#include <cstring>

#include "dp/base/bytes.h"
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
    constexpr std::string_view kUsualEnd = " SIP/2.0";
    if (rest.ends_with(kUsualEnd)) {  // nearly every message
        const std::string_view uri = rest.substr(0, rest.size() - kUsualEnd.size());
        if (fits_request_line(uri, cursor.index)) {
            message.method_text = method;
            message.method = method_of(method);
            message.request_uri = uri;
            return Error::kNone;
        }
    }
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

}  // namespace

namespace {

// A name of at most eight characters as one number.
constexpr std::uint64_t packed(std::string_view name) noexcept {
    std::uint64_t number = 0;
    for (std::size_t i = name.size(); i-- > 0;) {
        number = number << 8 | static_cast<std::uint8_t>(name[i]);
    }
    return number;
}

}  // namespace

bool fits_request_line(std::string_view uri, const TextIndex* index) noexcept {
    static constexpr StopSet kForeign(CharSet("<>").with_controls());  // UTF-8 is let pass
    Cursor cursor(uri, index);
    cursor.skip_to(kForeign);
    return cursor.done() && !uri.empty();
}

Method method_of(std::string_view token) noexcept {
    if (token.size() > 8) return token == "SUBSCRIBE" ? Method::kSubscribe : Method::kOther;
    char bytes[8] = {};
    copy_short(bytes, token.data(), token.size());
    std::uint64_t number;
    std::memcpy(&number, bytes, 8);
    switch (number) {
        case packed("INVITE"):
            return Method::kInvite;
        case packed("ACK"):
            return Method::kAck;
        case packed("BYE"):
            return Method::kBye;
        case packed("CANCEL"):
            return Method::kCancel;
        case packed("OPTIONS"):
            return Method::kOptions;
        case packed("REGISTER"):
            return Method::kRegister;
        case packed("MESSAGE"):
            return Method::kMessage;
        case packed("NOTIFY"):
            return Method::kNotify;
        case packed("INFO"):
            return Method::kInfo;
        case packed("UPDATE"):
            return Method::kUpdate;
        case packed("PRACK"):
            return Method::kPrack;
        case packed("REFER"):
            return Method::kRefer;
        case packed("PUBLISH"):
            return Method::kPublish;
        default:
            return Method::kOther;
    }
}

Error parse_start_line(std::string_view line, Message& message) noexcept {
    message.start_line = line;
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

}  // namespace lb::sip
