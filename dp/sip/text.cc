#include "dp/sip/text.h"

namespace lb::sip {
namespace {

// Ends an unquoted parameter value. Brackets, slashes and colons are let through: real senders put
// addresses there (RFC 5118 4.5).
constexpr CharSet kEndsValue(";,\" \t\r\n");

bool take_value(Cursor& cursor, std::string_view& value) noexcept {
    const char* const begin = cursor.at;
    if (cursor.is('"')) {
        if (!cursor.skip_quoted()) return false;
    } else {
        cursor.at = kEndsValue.find(cursor.at, cursor.end);
    }
    value = between(begin, cursor.at);
    return true;
}

}  // namespace

bool take_param(Cursor& cursor, Param& param) noexcept {
    const char* const begin = cursor.at++;
    cursor.skip_lws();
    param.name = cursor.take_token();
    if (param.name.empty()) return false;
    param.value = between(cursor.at, cursor.at);  // a flag: empty, but somewhere
    const char* end = cursor.at;
    cursor.skip_lws();
    if (cursor.take('=')) {
        cursor.skip_lws();
        if (!take_value(cursor, param.value)) return false;
        end = cursor.at;
        cursor.skip_lws();
    }
    param.text = between(begin, end);
    return true;
}

bool parse_number(std::string_view digits, std::uint64_t max, std::uint64_t& number) noexcept {
    if (digits.empty()) return false;
    std::uint64_t value = 0;
    for (const char c : digits) {
        if (!is_digit(c)) return false;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
        if (value > max) return false;  // before it can overflow: max is far below 2**60
    }
    number = value;
    return true;
}

bool parse_port(std::string_view digits, std::uint16_t& port) noexcept {
    std::uint64_t number = 0;
    if (!parse_number(digits, 65535, number)) return false;
    port = static_cast<std::uint16_t>(number);
    return true;
}

}  // namespace lb::sip
