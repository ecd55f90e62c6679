#pragma once

// Maglev ring (Eisenbud et al., NSDI 2016): key to member in one load, every member within one slot
// of its share, and a member that comes or goes moves little more than its own share. Shares are
// equal, or follow weights: whoever has any gets one slot at least.
//
// The ring is built over all members whatever their state. A key whose member is unusable tries a
// fixed sequence of other slots until one is usable: so a member that goes down moves exactly its
// own keys, they spread over all others, and they come back when it does.
//
// Bounds:  slots by number of members (kRingSizes): 4 KB up to 128 members, then at least 32 slots
// a member
//          up to 65536 members, 16 above.
// Threads: immutable after construction. Cost: construction about slots x log(slots), look-up O(1).

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lb::table {

// Rings of one size agree with each other; crossing from one row to the next moves most keys, so
// the rows are far apart.
struct RingSize {
    std::size_t members_max;
    std::uint32_t slots;  // a prime
};
inline constexpr RingSize kRingSizes[] = {
    {128, 4093},      {1024, 32749},      {8192, 262139},
    {65536, 2097143}, {1 << 18, 4194301}, {1 << 20, 16777213},
};

class MaglevRing {
public:
    MaglevRing() = default;
    // `identities`: one well-mixed number per member, the same on every node, all different. Order
    // matters only among equals, so a table in another order gives the same ring but for the
    // indexes.
    // `weights`: one each, or none; all the same (0 too): equal shares, otherwise a weight of 0
    // gets no slot.
    explicit MaglevRing(std::span<const std::uint64_t> identities,
                        std::span<const std::uint32_t> weights = {});

    std::uint32_t slots() const noexcept { return slots_; }  // 0: no members
    // REQUIRES: slots() > 0. `key` well mixed.
    std::uint32_t at(std::uint64_t key) const noexcept {
        const auto slot = static_cast<std::size_t>(
            static_cast<std::uint64_t>(static_cast<unsigned __int128>(key) * slots_ >> 64));
        if (!bytes_.empty()) return bytes_[slot];
        return !words_.empty() ? words_[slot] : longs_[slot];
    }

    std::size_t memory_bytes() const noexcept {
        return bytes_.capacity() + words_.capacity() * 2 + longs_.capacity() * 4;
    }

private:
    std::uint32_t slots_ = 0;
    std::vector<std::uint8_t> bytes_;   // one of the three is filled: up to 256 members
    std::vector<std::uint16_t> words_;  // up to 65536
    std::vector<std::uint32_t> longs_;  // more
};

}  // namespace lb::table
