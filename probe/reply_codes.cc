#include "probe/reply_codes.h"

#include <charconv>
#include <optional>

#include "dp/sip/parser.h"

namespace lb::probe {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trim(std::string_view text) noexcept {
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Without the quotes it may stand in; nothing for several words.
std::optional<std::string_view> one_word(std::string_view text) noexcept {
    if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'')) {
        if (text.back() != text.front()) return std::nullopt;
        return text.substr(1, text.size() - 2);
    }
    if (text.find_first_of(kSpace) != std::string_view::npos) return std::nullopt;
    return text;
}

// The digits it begins with: "404x" is 404.
std::optional<unsigned> number(std::string_view text) noexcept {
    const auto word = one_word(text);
    if (!word) return std::nullopt;
    const std::string_view digits = word->substr(word->starts_with('+') ? 1 : 0);
    unsigned value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (parsed.ec != std::errc{}) return std::nullopt;
    return value;
}

}  // namespace

ReplyCodes::ReplyCodes() noexcept { add(200, 100); }

ReplyCodes ReplyCodes::parse(std::string_view text) noexcept {
    ReplyCodes codes;
    (void)codes.add_fields(text);
    return codes;
}

std::string_view ReplyCodes::first_ignored(std::string_view text) noexcept {
    return ReplyCodes().add_fields(text);
}

std::string_view ReplyCodes::add_fields(std::string_view text) noexcept {
    std::string_view ignored;
    std::string_view rest = text.substr(0, text.find(','));
    const std::string_view behind = text.substr(rest.size());
    while (!rest.empty()) {
        const std::size_t end = rest.find(';');
        const std::string_view field = trim(rest.substr(0, end));
        if (!field.empty() && !add_field(field) && ignored.empty()) ignored = field;
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    }
    return ignored.empty() ? trim(behind) : ignored;
}

bool ReplyCodes::accepts(unsigned code) const noexcept {
    return code < kCodesEnd && accepted_[code];
}

void ReplyCodes::add(unsigned first, unsigned count) noexcept {
    for (unsigned code = first; code < first + count; ++code) accepted_[code] = true;
}

bool ReplyCodes::add_field(std::string_view field) noexcept {
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view name = trim(field.substr(0, equals));
    const std::optional<unsigned> given = number(trim(field.substr(equals + 1)));
    if (!given) return false;
    if (sip::iequals(name, "code") && *given >= 100 && *given < kCodesEnd) {
        add(*given, 1);
        return true;
    }
    if (sip::iequals(name, "class") && *given >= 1 && *given <= 6) {
        add(*given * 100, 100);
        return true;
    }
    return false;
}

}  // namespace lb::probe
