#pragma once

// Indexes by address and by number, as a Dispatch keeps them.
//
// Threads: insert() before sharing, find() by anyone after. Cost: find() is one probe as a rule.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dp/base/address.h"
#include "dp/table/flat_index.h"

namespace lb::table {

struct HashEndpoint {
    std::size_t operator()(const Endpoint& endpoint) const noexcept { return hash_of(endpoint); }
};
struct HashAddress {
    std::size_t operator()(const IpAddress& address) const noexcept { return hash_of(address); }
};
struct HashNumber {
    std::size_t operator()(std::uint32_t number) const noexcept {
        return fold_product(number, 0x9e3779b97f4a7c15);
    }
};
using EndpointIndex = FlatIndex<Endpoint, HashEndpoint>;
using NumberIndex = FlatIndex<std::uint32_t, HashNumber>;

// From where a packet comes to a number of the destination that is there: by its address and port,
// else by its address if that destination has any port. Strangers, most of those who call, are told
// by one bit; one probe by the address tells nearly all others; addresses with several ports have a
// second index.
//
// Bounds:  as many destinations as the constructor was told; kBitsPerKey for each of them besides.
class SourceIndex {
public:
    static constexpr std::uint32_t kNone = 0xffffffff;

    SourceIndex() = default;
    explicit SourceIndex(std::size_t keys_max)
        : keys_max_(keys_max),
          addresses_(keys_max),
          bits_(std::bit_ceil(1 + keys_max * kBitsPerKey / 64)),
          bits_shift_(std::countl_zero(std::uint64_t{bits_.size()} * 64 - 1)) {}

    // Port 0: any port. The first value given for an endpoint stays. REQUIRES: value is not kNone.
    void insert(const Endpoint& endpoint, std::uint32_t value) {
        std::uint32_t at = addresses_.find(endpoint.address);
        if (at == kNone) {
            at = static_cast<std::uint32_t>(entries_.size());
            addresses_.insert(endpoint.address, at);
            const std::uint64_t bit = bit_of(endpoint.address);
            bits_[bit / 64] |= std::uint64_t{1} << (bit % 64);
            entries_.push_back({});
        }
        Entry& entry = entries_[at];
        if (endpoint.port == 0) {
            if (entry.any_port == kNone) entry.any_port = value;
        } else if (entry.value == kNone) {
            entry.port = endpoint.port;
            entry.value = value;
        } else if (endpoint.port != entry.port) {
            if (!has_more_) more_ = EndpointIndex(keys_max_);
            has_more_ = entry.more = true;
            more_.insert(endpoint, value);
        }
    }

    // False only for an address of no destination.
    bool may_have(const IpAddress& address) const noexcept {
        const std::uint64_t bit = bit_of(address);
        return (bits_[bit / 64] >> (bit % 64) & 1) != 0;
    }

    // REQUIRES: a port that is not 0, or the answer is that of any port.
    std::uint32_t find(const Endpoint& source) const noexcept {
        if (!may_have(source.address)) return kNone;
        const std::uint32_t at = addresses_.find(source.address);
        if (at == kNone) return kNone;
        const Entry& entry = entries_[at];
        if (entry.port == source.port && entry.value != kNone) return entry.value;
        if (!entry.more) return entry.any_port;
        const std::uint32_t exact = more_.find(source);
        return exact != kNone ? exact : entry.any_port;
    }

    std::size_t memory_bytes() const noexcept {
        return addresses_.memory_bytes() + more_.memory_bytes() +
               entries_.capacity() * sizeof(Entry) + bits_.capacity() * sizeof(bits_[0]);
    }

private:
    struct Entry {
        std::uint32_t value = kNone;     // of the first port seen
        std::uint32_t any_port = kNone;  // of a destination that has any port
        std::uint16_t port = 0;
        bool more = false;  // other ports are in more_
    };

    // Addresses in a row have hashes in a row: multiplied once more they are spread.
    std::uint64_t bit_of(const IpAddress& address) const noexcept {
        return hash_of(address) * 0xd6e8feb86659fd93 >> bits_shift_;
    }

    static constexpr std::size_t kBitsPerKey = 16;  // one stranger in sixteen is looked for

    std::size_t keys_max_ = 0;
    FlatIndex<IpAddress, HashAddress> addresses_;                      // to a number in entries_
    std::vector<std::uint64_t> bits_ = std::vector<std::uint64_t>(1);  // one set for each address
    int bits_shift_ = 58;
    std::vector<Entry> entries_;
    EndpointIndex more_;
    bool has_more_ = false;
};

}  // namespace lb::table
