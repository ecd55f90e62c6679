#pragma once

// Who holds how much of a shared store: a weight per source, and the heaviest source at any time. A
// source is an IPv4 address or an IPv6 /64, since whoever has one address of a /64 has them all.
//
// Bounds:  `sources_max` sources, `weight_max` each; memory allocated once.
// Threads: one owner.
// Cost:    O(1), amortised for the search of the next heaviest.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/assert.h"
#include "dp/base/keyed_hash.h"
#include "dp/net/index_list.h"

namespace lb::net {

class SourceLedger {
public:
    SourceLedger(std::size_t sources_max, std::size_t weight_max, const HashKey& key)
        : key_(key),
          sources_(sources_max),
          heads_(std::bit_ceil(sources_max), kNil),
          by_weight_(weight_max + 1) {
        free_.reserve(sources_max);
        for (std::size_t i = sources_max; i > 0; --i) {
            free_.push_back(static_cast<std::uint32_t>(i - 1));
        }
    }

    // The record of this source, or kNil if it holds nothing.
    std::uint32_t find(const IpAddress& address) const noexcept {
        const Group group = group_of(address);
        std::uint32_t at = heads_[slot_of(group)];
        while (at != kNil && sources_[at].group != group) at = sources_[at].hash_next;
        return at;
    }

    // Finds or makes the record and adds 1 to its weight. REQUIRES: weight below weight_max, and a
    // record free if the source holds nothing.
    std::uint32_t open(const IpAddress& address) noexcept {
        std::uint32_t at = find(address);
        if (at == kNil) at = add_record(group_of(address));
        set_weight(at, sources_[at].weight + 1);
        return at;
    }

    // REQUIRES: weight below weight_max.
    void add(std::uint32_t at) noexcept { set_weight(at, sources_[at].weight + 1); }

    // The record is gone when its weight is 0. REQUIRES: n <= weight.
    void subtract(std::uint32_t at, std::uint32_t n) noexcept {
        LB_ASSERT(n <= sources_[at].weight);
        set_weight(at, sources_[at].weight - n);
        if (sources_[at].weight == 0) remove_record(at);
    }

    std::uint32_t weight(std::uint32_t at) const noexcept {
        return at == kNil ? 0 : sources_[at].weight;
    }
    // Of several the one whose weight has not changed for longest; kNil if nobody holds anything.
    std::uint32_t heaviest() const noexcept { return by_weight_[heaviest_].front(); }

    std::size_t memory_bytes() const noexcept {
        return sources_.capacity() * sizeof(Source) +
               (heads_.capacity() + free_.capacity()) * sizeof(std::uint32_t) +
               by_weight_.capacity() * sizeof(by_weight_[0]);
    }

private:
    using Group = std::array<std::uint8_t, 9>;  // family, then the address or its first 8 bytes

    struct Source {
        Group group{};
        std::uint32_t weight = 0;
        std::uint32_t hash_next = kNil;
        Links same_weight;
    };

    static Group group_of(const IpAddress& address) noexcept {
        Group group{static_cast<std::uint8_t>(address.family())};
        std::copy_n(address.data(), std::min<std::size_t>(8, address.size()), group.begin() + 1);
        return group;
    }

    std::size_t slot_of(const Group& group) const noexcept {
        return static_cast<std::size_t>(siphash_1_3(key_, group)) & (heads_.size() - 1);
    }

    std::uint32_t add_record(const Group& group) noexcept {
        LB_ASSERT(!free_.empty());
        const std::uint32_t at = free_.back();
        free_.pop_back();
        std::uint32_t& head = heads_[slot_of(group)];
        sources_[at] = Source{group, 0, head, {}};
        head = at;
        return at;
    }

    void remove_record(std::uint32_t at) noexcept {
        std::uint32_t* link = &heads_[slot_of(sources_[at].group)];
        while (*link != at) link = &sources_[*link].hash_next;
        *link = sources_[at].hash_next;
        free_.push_back(at);
    }

    void set_weight(std::uint32_t at, std::uint32_t weight) noexcept {
        LB_ASSERT(weight < by_weight_.size());
        Source& source = sources_[at];
        if (source.weight != 0) by_weight_[source.weight].remove(sources_, at);
        source.weight = weight;
        if (weight != 0) by_weight_[weight].push_back(sources_, at);
        heaviest_ = std::max<std::size_t>(heaviest_, weight);
        while (heaviest_ != 0 && by_weight_[heaviest_].empty()) --heaviest_;
    }

    HashKey key_;
    std::vector<Source> sources_;
    std::vector<std::uint32_t> heads_;
    std::vector<std::uint32_t> free_;
    std::vector<IndexList<Source, &Source::same_weight>> by_weight_;
    std::size_t heaviest_ = 0;
};

}  // namespace lb::net
