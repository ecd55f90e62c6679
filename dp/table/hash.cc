#include "dp/table/hash.h"

namespace lb::table {
namespace {

// One byte as a signed number, widened as the reference does: bytes from 0x80 on borrow from above.
std::uint32_t widen(char byte) noexcept {
    return static_cast<std::uint32_t>(static_cast<signed char>(byte));
}

std::uint32_t mix(std::uint32_t group) noexcept { return group ^ (group >> 3); }

std::uint32_t sum_of(std::string_view text) noexcept {
    std::uint32_t sum = 0;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (; end - at >= 4; at += 4) {
        sum +=
            mix((widen(at[0]) << 24) + (widen(at[1]) << 16) + (widen(at[2]) << 8) + widen(at[3]));
    }
    std::uint32_t rest = 0;
    for (; at != end; ++at) rest = (rest << 8) + widen(*at);
    return sum + mix(rest);
}

}  // namespace

std::uint32_t dispatcher_hash(std::string_view x, std::string_view y) noexcept {
    const std::uint32_t sum = sum_of(x) + sum_of(y);
    const std::uint32_t hash = sum + (sum >> 11) + (sum >> 13) + (sum >> 23);
    return hash == 0 ? 1 : hash;
}

}  // namespace lb::table
