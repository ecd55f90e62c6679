#include "dp/sip/call_id.h"

#include <cstring>

#include "dp/base/limits.h"

namespace lb::sip {
namespace {

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

// What stands behind the name and its colon; null data if the line is no Call-ID.
std::string_view value_of(std::string_view line) noexcept {
    constexpr std::string_view kName = "call-id";
    if (line.empty()) return {};
    std::size_t at = 0;
    if ((line[0] | 0x20) == 'i') {
        at = 1;
    } else {
        if (line.size() <= kName.size()) return {};
        // '-' has the bit that makes a letter small already.
        for (; at < kName.size(); ++at) {
            if (static_cast<char>(line[at] | 0x20) != kName[at]) return {};
        }
    }
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at == line.size() || line[at] != ':') return {};
    return line.substr(at + 1);
}

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && (is_blank(text.back()) || text.back() == '\r')) text.remove_suffix(1);
    return text;
}

}  // namespace

std::string_view find_call_id(std::string_view message) noexcept {
    for (std::size_t n = 0; n < kHeaderLinesMax + 2 && !message.empty(); ++n) {
        const void* end = std::memchr(message.data(), '\n', message.size());
        if (end == nullptr) return {};
        const auto size = static_cast<std::size_t>(static_cast<const char*>(end) - message.data());
        const std::string_view line = message.substr(0, size);
        if (n > 0 && (line.empty() || line == "\r")) return {};
        const std::string_view value = n > 0 ? value_of(line) : std::string_view();
        if (value.data() != nullptr) return trimmed(value);
        message.remove_prefix(size + 1);
    }
    return {};
}

}  // namespace lb::sip
