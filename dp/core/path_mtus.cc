#include "dp/core/path_mtus.h"

#include <algorithm>

namespace lb::core {
namespace {

// A slot: 24 bits of the address's hash, 24 bits of seconds, 16 bits of MTU. Nothing was learned
// into one whose MTU is 0.
constexpr std::uint64_t kMask24 = 0xffffff;

std::uint64_t tag_of(std::uint64_t hash) noexcept { return hash >> 40; }
std::size_t slot_of(std::uint64_t hash) noexcept { return hash % PathMtus::kSlots; }
std::uint64_t seconds_of(std::uint64_t now_ms) noexcept { return now_ms / 1000 & kMask24; }

// Of a slot that is about `tag` and not too old; else 0.
std::uint16_t mtu_in(std::uint64_t slot, std::uint64_t tag, std::uint64_t now) noexcept {
    const std::uint64_t age = (now - (slot >> 16)) & kMask24;
    return slot >> 40 == tag && age < PathMtus::kLifeSeconds ? static_cast<std::uint16_t>(slot)
                                                             : std::uint16_t{0};
}

}  // namespace

void PathMtus::learn(const IpAddress& target, std::uint16_t mtu, std::uint64_t now_ms) noexcept {
    const std::uint64_t hash = hash_of(target);
    const std::uint64_t now = seconds_of(now_ms);
    std::atomic<std::uint64_t>& slot = slots_[slot_of(hash)];
    const std::uint16_t known = mtu_in(slot.load(std::memory_order_relaxed), tag_of(hash), now);
    if (known != 0) mtu = std::min(mtu, known);
    slot.store(tag_of(hash) << 40 | now << 16 | mtu, std::memory_order_relaxed);
    learned_.fetch_add(1, std::memory_order_relaxed);
}

std::uint16_t PathMtus::find(const IpAddress& target, std::uint64_t now_ms) const noexcept {
    const std::uint64_t hash = hash_of(target);
    const std::uint64_t slot = slots_[slot_of(hash)].load(std::memory_order_relaxed);
    return mtu_in(slot, tag_of(hash), seconds_of(now_ms));
}

}  // namespace lb::core
