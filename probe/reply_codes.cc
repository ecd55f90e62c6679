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
    text = text.substr(0, text.find(','));
    while (!text.empty()) {
        const std::size_t end = text.find(';');
        const std::string_view field = text.substr(0, end);
        if (const std::size_t equals = field.find('='); equals != std::string_view::npos) {
            codes.add_field(trim(field.substr(0, equals)), trim(field.substr(equals + 1)));
        }
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    }
    return codes;
}

bool ReplyCodes::accepts(unsigned code) const noexcept {
    return code < kCodesEnd && accepted_[code];
}

void ReplyCodes::add(unsigned first, unsigned count) noexcept {
    for (unsigned code = first; code < first + count; ++code) accepted_[code] = true;
}

void ReplyCodes::add_field(std::string_view name, std::string_view value) noexcept {
    const std::optional<unsigned> given = number(value);
    if (!given) return;
    if (name == "code" && *given >= 100 && *given < kCodesEnd) add(*given, 1);
    if (name == "class" && *given >= 1 && *given <= 6) add(*given * 100, 100);
}

}  // namespace lb::probe
