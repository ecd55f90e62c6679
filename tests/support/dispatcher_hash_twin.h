#pragma once

// The slow, obvious twin of table::dispatcher_hash(): follows spec/dispatcher.md 2.1 line by line
// in wide signed numbers.

#include <cstdint>
#include <string_view>

namespace lb::test {

inline std::uint32_t dispatcher_hash_twin(std::string_view x, std::string_view y = {}) {
    constexpr std::int64_t k32 = std::int64_t{1} << 32;
    const auto to_32 = [](std::int64_t v) {
        return static_cast<std::uint32_t>(((v % k32) + k32) % k32);
    };
    std::int64_t acc = 0;
    const auto add = [&](std::int64_t v) {
        const std::uint32_t group = to_32(v);
        acc = to_32(acc + (group ^ (group / 8)));
    };
    for (const std::string_view s : {x, y}) {
        std::int64_t v = 0;
        std::size_t in_group = 0;
        for (const char c : s) {
            const int byte = static_cast<unsigned char>(c);
            v = v * 256 + (byte >= 128 ? byte - 256 : byte);
            if (++in_group == 4) {
                add(v);
                v = 0;
                in_group = 0;
            }
        }
        if (in_group != 0) add(v);
    }
    const std::uint32_t hash = to_32(acc + acc / 2048 + acc / 8192 + acc / 8388608);
    return hash == 0 ? 1 : hash;
}

}  // namespace lb::test
