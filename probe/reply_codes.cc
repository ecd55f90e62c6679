#include "probe/reply_codes.h"

#include <charconv>
#include <optional>

namespace lb::probe {

namespace {

std::string_view trim(std::string_view text) noexcept {
    constexpr std::string_view kSpace = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<unsigned> number(std::string_view text) noexcept {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
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
    if (name == "code" && *given >= 100 && *given < kCodesEnd) {
        add(*given, 1);
        return true;
    }
    if (name == "class" && *given >= 1 && *given <= 6) {
        add(*given * 100, 100);
        return true;
    }
    return false;
}

}  // namespace lb::probe
