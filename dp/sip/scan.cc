#include "dp/sip/scan.h"

#include <cstring>

namespace lb::sip {
namespace {

// True if the line [begin, end), with its LF, has nothing but its line end.
bool is_empty_line(const char* text, std::uint32_t begin, std::uint32_t end) noexcept {
    return end - begin == 1 || (end - begin == 2 && text[begin] == '\r');
}

}  // namespace

void scan_lines(std::string_view text, LineEnds& ends) noexcept {
    ends.count = 0;
    ends.closed = ends.too_many = false;
    std::uint32_t begin = 0;
    while (begin < text.size()) {
        const void* const found = std::memchr(text.data() + begin, '\n', text.size() - begin);
        if (found == nullptr) return;
        if (ends.count == ends.at.size()) {
            ends.too_many = true;
            return;
        }
        const auto end =
            static_cast<std::uint32_t>(static_cast<const char*>(found) - text.data() + 1);
        ends.at[ends.count++] = end;
        if (is_empty_line(text.data(), begin, end)) {
            ends.closed = true;
            return;
        }
        begin = end;
    }
}

}  // namespace lb::sip
