#pragma once

// Rebuilds IPv4 (RFC 791, 815) and IPv6 (RFC 8200 4.5, 6946) datagrams from fragments. An overlap
// abandons the datagram with all its fragments, also those still to come (RFC 5722); an exact
// duplicate is ignored.
//
// Bounds:    limits.h: kReassembliesMax, kReassemblyBlocksMax, kFragmentsMax, kReassemblyTimeoutMs.
// No source
//            holds more than kReassemblyWeightMax. When memory is short, the heaviest source loses
//            its oldest datagram if it holds more than kReassemblyFairWeight, else the oldest of
//            all goes: a flood, from one address or from many, takes from itself before it takes
//            from a sender whose fragments follow each other.
// Threads:   one instance per worker, not shared.
// Cost:      one table probe, one copy and a look at the datagram's other fragments per fragment.
// Memory:    allocated by the constructor, never after.
// Invariant: held_fragments() is what add() answered kHeld for, minus what was taken, abandoned,
// evicted or
//            expired.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/keyed_hash.h"
#include "dp/base/limits.h"
#include "dp/net/frame.h"
#include "dp/net/index_list.h"
#include "dp/net/packet.h"
#include "dp/net/source_ledger.h"

namespace lb::net {

enum class ReassemblyError : std::uint8_t {
    kNone,
    kBad,        // an offset, length or header that cannot be, or too many fragments
    kOverlap,    // overlaps another, or disagrees about where the datagram ends
    kTableFull,  // no room that its source may take
};

struct ReassemblyResult {
    enum class Status : std::uint8_t {
        kHeld,       // waits for the others
        kComplete,   // the last one missing: call take() now
        kDuplicate,  // was held already; free the frame
        kRefused,    // free the frame; `error` says why
    };
    Status status = Status::kHeld;
    ReassemblyError error = ReassemblyError::kNone;
    std::uint32_t abandoned =
        0;  // fragments of its datagram, held until now, that go for the same reason
    std::uint32_t evicted =
        0;  // held fragments of other datagrams that had to make room: kTableFull
};

class Reassembler {
public:
    // Secret::table is the key.
    explicit Reassembler(const HashKey& key);

    // Copies what it needs of the frame; the caller keeps the buffer. A datagram that was complete
    // and not taken is forgotten. REQUIRES: `frame` is parse_frame(packet) and is_fragment; now_ms
    // never falls.
    ReassemblyResult add(const Packet& packet, const FrameView& frame,
                         std::uint64_t now_ms) noexcept;

    // After kComplete: writes the whole datagram as one unfragmented frame, under the first
    // fragment's Ethernet and IP headers without the fragment header, into data .. data + length +
    // tailroom of `packet`, and sets its length, tailroom, device, vlan and udp_checksum
    // (kUnknown). False: no room (never with kDatagramMax + 128) or nothing complete; the datagram
    // is gone in any case.
    bool take(Packet& packet) noexcept;

    // Drops datagrams older than kReassemblyTimeoutMs, at most kReassemblyExpireMax of them.
    // Returns the number of held fragments that went with them.
    std::uint32_t expire(std::uint64_t now_ms) noexcept;

    std::size_t held_fragments() const noexcept { return held_; }
    std::size_t held_datagrams() const noexcept { return entries_.size() - free_entries_.size(); }
    std::size_t memory_bytes() const noexcept;  // constant

private:
    static constexpr std::size_t kPayloadMax = kDatagramMax + kUdpHeader;
    static constexpr std::size_t kBlocksMax =
        (kPayloadMax + kReassemblyBlock - 1) / kReassemblyBlock;  // of one datagram

    struct Key {
        IpAddress source, target;
        std::uint32_t id = 0;
        std::uint16_t vlan = kNoVlan;
        std::uint16_t device = 0;
        std::uint8_t protocol = 0;
        friend bool operator==(const Key&, const Key&) noexcept = default;
    };

    struct Range {
        std::uint32_t begin = 0, end = 0;
    };

    struct Entry {
        Key key;
        std::uint64_t born_ms = 0;
        std::uint32_t hash_next = kNil;
        std::uint32_t source = kNil;  // in ledger_
        Links by_age, of_source;
        std::uint32_t total = 0;     // bytes of the payload; 0: the last fragment has not come
        std::uint32_t highest = 0;   // end of the highest fragment so far
        std::uint32_t received = 0;  // bytes
        std::uint32_t block_count = 0;
        std::uint16_t fragments = 0;
        std::uint16_t vlan = kNoVlan;  // as the device stripped it from the first fragment
        bool hashed = false;           // an atomic fragment is not (RFC 6946)
        bool abandoned = false;        // refuses the rest until it times out
        std::uint8_t header_size = 0;  // first fragment: Ethernet and IP headers
        std::uint8_t ip_offset = 0;
        std::uint8_t next_header_at = 0;
        std::uint8_t protocol = 0;
        std::array<std::uint8_t, kFragmentHeaderMax> header;
        std::array<Range, kFragmentsMax> ranges;
        std::array<std::uint16_t, kBlocksMax> blocks;
    };
    using AgeList = IndexList<Entry, &Entry::by_age>;
    using SourceList = IndexList<Entry, &Entry::of_source>;

    static constexpr std::uint16_t kNoBlock = 0xffff;
    static_assert(kReassemblyBlocksMax < kNoBlock);

    static Key key_of(const Packet& packet, const FrameView& frame) noexcept;
    static bool is_possible(const Packet& packet, const FrameView& frame) noexcept;
    std::uint32_t& head_of(const Key& key) noexcept;
    std::uint32_t find(const Key& key) noexcept;
    std::uint32_t create(const Key& key, bool hashed, std::uint64_t now_ms,
                         std::uint32_t& evicted) noexcept;
    ReassemblyResult place(std::uint32_t at, const Packet& packet, const FrameView& frame,
                           std::uint32_t evicted) noexcept;
    bool contradicts(const Entry& entry, Range range, bool more) const noexcept;
    bool is_duplicate(const Entry& entry, Range range, const FrameView& frame) const noexcept;
    bool take_blocks(std::uint32_t at, Range range, std::uint32_t& evicted) noexcept;
    void store(Entry& entry, const Packet& packet, const FrameView& frame, Range range) noexcept;
    void finish_headers(const Entry& entry, std::uint8_t* frame) const noexcept;
    template <class Visit>
    bool for_each_piece(const Entry& entry, Range range, Visit visit) const noexcept;

    std::uint32_t pick_victim(std::uint32_t source) const noexcept;
    std::uint32_t abandon(std::uint32_t at) noexcept;
    std::uint32_t release(std::uint32_t at) noexcept;
    void unlink(std::uint32_t at) noexcept;
    void free_blocks(Entry& entry) noexcept;
    void forget_whole() noexcept;
    std::uint8_t* block(std::uint16_t index) const noexcept {
        return store_.get() + std::size_t{index} * kReassemblyBlock;
    }

    HashKey key_;
    std::vector<Entry> entries_;
    std::vector<std::uint32_t> free_entries_;
    std::vector<std::uint32_t> heads_;
    std::unique_ptr<std::uint8_t[]> store_;
    std::vector<std::uint16_t> free_blocks_;
    SourceLedger ledger_;
    std::vector<SourceList> by_source_;  // indexed like the ledger's records, oldest first
    AgeList by_age_;                     // oldest first
    std::size_t held_ = 0;
    std::uint32_t whole_ = kNil;  // complete, waits for take()
};

}  // namespace lb::net
