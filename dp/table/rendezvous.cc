#include "dp/table/rendezvous.h"

#include <algorithm>
#include <array>
#include <bit>

#include "dp/table/random.h"

namespace lb::table {
namespace {

constexpr unsigned kFraction = 40;  // bits behind the point
constexpr unsigned kIndexBits = 8;

// log2 of a number in [1, 2), given and returned with 62 and kFraction bits behind the point, by
// squaring.
constexpr std::uint64_t log2_of(std::uint64_t x) {
    std::uint64_t result = 0;
    for (unsigned bit = 0; bit < kFraction; ++bit) {
        x = static_cast<std::uint64_t>(static_cast<unsigned __int128>(x) * x >> 62);
        result <<= 1;
        if (x >= (std::uint64_t{1} << 63)) {
            x >>= 1;
            result |= 1;
        }
    }
    return result;
}

constexpr std::array<std::uint64_t, (1 << kIndexBits) + 1> make_logs() {
    std::array<std::uint64_t, (1 << kIndexBits) + 1> logs{};
    for (std::uint64_t i = 0; i < (1 << kIndexBits); ++i) {
        logs[i] = log2_of((std::uint64_t{1} << 62) + (i << (62 - kIndexBits)));
    }
    logs[1 << kIndexBits] = std::uint64_t{1} << kFraction;
    return logs;
}

constexpr auto kLogs = make_logs();

}  // namespace

std::uint64_t negative_log2(std::uint64_t u) noexcept {
    u |= 1;  // log of zero
    const auto lead = static_cast<unsigned>(std::countl_zero(u));
    const std::uint64_t mantissa = u << lead << 1;  // the bits behind the leading one
    const std::size_t index = mantissa >> (64 - kIndexBits);
    // The next 24 bits say where between two entries of the table.
    const std::uint64_t part = mantissa << kIndexBits >> 40;
    const std::uint64_t step = kLogs[index + 1] - kLogs[index];
    const std::uint64_t log = kLogs[index] + (step * part >> 24);
    return (std::uint64_t{lead + 1} << kFraction) - log;
}

std::uint64_t rendezvous_score(std::uint64_t key, std::uint64_t identity) noexcept {
    return mix64(key ^ identity);
}

Rendezvous::Rendezvous(std::span<const std::uint64_t> identities,
                       std::span<const std::uint32_t> weights)
    : identities_(identities.begin(), identities.end()), weights_(weights.begin(), weights.end()) {
    if (std::ranges::all_of(weights_, [](std::uint32_t w) { return w == 0; })) {
        std::ranges::fill(weights_, 1U);
    }
    for (const std::uint32_t weight : weights_) equal_ = equal_ && weight == weights_.front();
}

}  // namespace lb::table
