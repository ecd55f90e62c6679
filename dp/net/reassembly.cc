#include "dp/net/reassembly.h"

#include <algorithm>
#include <bit>

#include "dp/net/checksum.h"

namespace lb::net {
namespace {

using Status = ReassemblyResult::Status;

ReassemblyResult refused(ReassemblyError error, std::uint32_t abandoned, std::uint32_t evicted) {
    return {Status::kRefused, error, abandoned, evicted};
}

// Bytes in front of the fragment's data that the whole datagram keeps.
std::size_t kept_header(const Packet& packet, const FrameView& frame) noexcept {
    const auto all = static_cast<std::size_t>(frame.fragment_data.data() - packet.data);
    return frame.source.address.is_ipv6() ? all - 8 : all;  // without the fragment header
}

}  // namespace

Reassembler::Reassembler(const HashKey& key)
    : key_(key),
      entries_(kReassembliesMax),
      heads_(2 * std::bit_ceil(kReassembliesMax), kNil),
      store_(new std::uint8_t[kReassemblyBlocksMax * kReassemblyBlock]),
      ledger_(kReassembliesMax, kReassemblyWeightMax, key),
      by_source_(kReassembliesMax) {
    free_entries_.reserve(kReassembliesMax);
    for (std::size_t i = kReassembliesMax; i > 0; --i) {
        free_entries_.push_back(static_cast<std::uint32_t>(i - 1));
    }
    free_blocks_.reserve(kReassemblyBlocksMax);
    for (std::size_t i = kReassemblyBlocksMax; i > 0; --i) {
        free_blocks_.push_back(static_cast<std::uint16_t>(i - 1));
    }
}

ReassemblyResult Reassembler::add(const Packet& packet, const FrameView& frame,
                                  std::uint64_t now_ms) noexcept {
    forget_whole();
    if (!is_possible(packet, frame)) return refused(ReassemblyError::kBad, 0, 0);

    const Key key = key_of(packet, frame);
    // RFC 6946: a fragment that is the whole datagram is not matched with any others.
    const bool atomic = frame.fragment_offset == 0 && !frame.more_fragments;
    std::uint32_t evicted = 0;
    std::uint32_t at = atomic ? kNil : find(key);
    if (at == kNil) at = create(key, !atomic, now_ms, evicted);
    return place(at, packet, frame, evicted);
}

Reassembler::Key Reassembler::key_of(const Packet& packet, const FrameView& frame) noexcept {
    // IPv6 fragments may name different next headers; only the first one's counts (RFC 8200 4.5).
    const bool ipv4 = frame.source.address.is_ipv4();
    return {frame.source.address, frame.target.address, frame.fragment_id,
            frame.vlan,           packet.device,        ipv4 ? frame.protocol : std::uint8_t{0}};
}

bool Reassembler::is_possible(const Packet& packet, const FrameView& frame) noexcept {
    const std::size_t size = frame.fragment_data.size();
    if (size == 0 || frame.fragment_offset + size > kPayloadMax) return false;
    if (frame.more_fragments && size % 8 != 0) return false;
    return frame.fragment_offset != 0 || kept_header(packet, frame) <= kFragmentHeaderMax;
}

// Decides about a fragment of a datagram that has an entry. REQUIRES: is_possible().
ReassemblyResult Reassembler::place(std::uint32_t at, const Packet& packet, const FrameView& frame,
                                    std::uint32_t evicted) noexcept {
    Entry& entry = entries_[at];
    const Range range{
        frame.fragment_offset,
        static_cast<std::uint32_t>(frame.fragment_offset + frame.fragment_data.size())};
    if (entry.abandoned) return refused(ReassemblyError::kOverlap, 0, evicted);
    if (is_duplicate(entry, range, frame)) {
        return {Status::kDuplicate, ReassemblyError::kNone, 0, evicted};
    }
    if (contradicts(entry, range, frame.more_fragments)) {
        return refused(ReassemblyError::kOverlap, abandon(at), evicted);
    }
    if (entry.fragments == kFragmentsMax) {
        return refused(ReassemblyError::kBad, abandon(at), evicted);
    }
    if (!take_blocks(at, range, evicted)) {
        return refused(ReassemblyError::kTableFull, release(at), evicted);
    }
    store(entry, packet, frame, range);
    if (entry.received != entry.total) return {Status::kHeld, ReassemblyError::kNone, 0, evicted};

    unlink(at);  // no overlap and no byte missing: whole
    whole_ = at;
    return {Status::kComplete, ReassemblyError::kNone, 0, evicted};
}

bool Reassembler::contradicts(const Entry& entry, Range range, bool more) const noexcept {
    if (!more && (entry.highest > range.end || (entry.total != 0 && entry.total != range.end))) {
        return true;  // another end than known, or something lies behind it
    }
    if (more && entry.total != 0 && range.end >= entry.total) return true;
    return std::any_of(
        entry.ranges.begin(), entry.ranges.begin() + entry.fragments,
        [&](const Range& held) { return range.begin < held.end && held.begin < range.end; });
}

// The same bytes at the same place. Other bytes at the same place are an overlap.
bool Reassembler::is_duplicate(const Entry& entry, Range range,
                               const FrameView& frame) const noexcept {
    const bool known = std::any_of(
        entry.ranges.begin(), entry.ranges.begin() + entry.fragments,
        [&](const Range& held) { return held.begin == range.begin && held.end == range.end; });
    if (!known || frame.more_fragments == (entry.total == range.end)) return false;
    return for_each_piece(entry, range, [&](std::uint8_t* bytes, std::size_t from, std::size_t n) {
        return std::memcmp(bytes, frame.fragment_data.data() + from, n) == 0;
    });
}

void Reassembler::store(Entry& entry, const Packet& packet, const FrameView& frame,
                        Range range) noexcept {
    for_each_piece(entry, range, [&](std::uint8_t* bytes, std::size_t from, std::size_t n) {
        std::memcpy(bytes, frame.fragment_data.data() + from, n);
        return true;
    });
    entry.ranges[entry.fragments++] = range;
    ++held_;
    entry.received += range.end - range.begin;
    entry.highest = std::max(entry.highest, range.end);
    if (!frame.more_fragments) entry.total = range.end;
    if (range.begin != 0) return;

    entry.header_size = static_cast<std::uint8_t>(kept_header(packet, frame));
    entry.ip_offset = static_cast<std::uint8_t>(frame.ip_offset);
    entry.next_header_at = static_cast<std::uint8_t>(frame.next_header_offset);
    entry.protocol = frame.protocol;
    entry.vlan = packet.vlan;
    std::memcpy(entry.header.data(), packet.data, entry.header_size);
}

// Calls visit(bytes in the store, offset in the range, count) for each run of bytes that is
// contiguous in the store, until one answers false. REQUIRES: the blocks are there.
template <class Visit>
bool Reassembler::for_each_piece(const Entry& entry, Range range, Visit visit) const noexcept {
    for (std::size_t at = range.begin; at < range.end;) {
        const std::size_t in_block = at % kReassemblyBlock;
        const std::size_t n = std::min(kReassemblyBlock - in_block, range.end - at);
        std::uint8_t* const bytes = block(entry.blocks[at / kReassemblyBlock]) + in_block;
        if (!visit(bytes, at - range.begin, n)) return false;
        at += n;
    }
    return true;
}

bool Reassembler::take(Packet& packet) noexcept {
    if (whole_ == kNil) return false;
    const Entry& entry = entries_[whole_];
    const std::uint32_t size = entry.header_size + entry.total;
    const bool fits = size <= packet.length + packet.tailroom;
    if (fits) {
        packet.resize(size);
        packet.device = entry.key.device;
        packet.vlan = entry.vlan;
        packet.udp_checksum = Checksum::kUnknown;
        std::memcpy(packet.data, entry.header.data(), entry.header_size);
        std::uint8_t* const payload = packet.data + entry.header_size;
        for_each_piece(entry, {0, entry.total},
                       [&](const std::uint8_t* bytes, std::size_t from, std::size_t n) {
                           std::memcpy(payload + from, bytes, n);
                           return true;
                       });
        finish_headers(entry, packet.data);
    }
    forget_whole();
    return fits;
}

void Reassembler::finish_headers(const Entry& entry, std::uint8_t* frame) const noexcept {
    std::uint8_t* const ip = frame + entry.ip_offset;
    const std::size_t header = entry.header_size - std::size_t{entry.ip_offset};
    if (entry.key.source.is_ipv6()) {
        store_be16(ip + 4, static_cast<std::uint16_t>(header - kIpv6Header + entry.total));
        frame[entry.next_header_at] = entry.protocol;
        return;
    }
    store_be16(ip + 2, static_cast<std::uint16_t>(header + entry.total));
    store_be16(ip + 6, 0);
    store_be16(ip + 10, 0);
    store_be16(ip + 10, static_cast<std::uint16_t>(~sum_of({ip, header})));
}

std::uint32_t Reassembler::expire(std::uint64_t now_ms) noexcept {
    forget_whole();
    std::uint32_t fragments = 0;
    for (std::size_t i = 0; i < kReassemblyExpireMax && !by_age_.empty(); ++i) {
        const std::uint32_t oldest = by_age_.front();
        if (now_ms - entries_[oldest].born_ms < kReassemblyTimeoutMs) break;
        fragments += release(oldest);
    }
    return fragments;
}

std::uint32_t& Reassembler::head_of(const Key& key) noexcept {
    std::array<std::uint8_t, 48> bytes{};
    std::copy_n(key.source.data(), 16, bytes.begin());  // IPv4 leaves twelve zeros behind it
    std::copy_n(key.target.data(), 16, bytes.begin() + 16);
    store_be32(&bytes[32], key.id);
    store_be16(&bytes[36], key.vlan);
    store_be16(&bytes[38], key.device);
    bytes[40] = key.protocol;
    bytes[41] = static_cast<std::uint8_t>(key.source.family());
    return heads_[static_cast<std::size_t>(siphash_1_3(key_, bytes)) & (heads_.size() - 1)];
}

std::uint32_t Reassembler::find(const Key& key) noexcept {
    std::uint32_t at = head_of(key);
    while (at != kNil && entries_[at].key != key) at = entries_[at].hash_next;
    return at;
}

// Never fails: there is always a victim, since no entry exists that could not be one.
std::uint32_t Reassembler::create(const Key& key, bool hashed, std::uint64_t now_ms,
                                  std::uint32_t& evicted) noexcept {
    while (true) {
        const std::uint32_t source = ledger_.find(key.source);
        const bool over = ledger_.weight(source) >= kReassemblyWeightMax;
        if (!over && !free_entries_.empty()) break;
        evicted += release(pick_victim(source));
    }
    const std::uint32_t at = free_entries_.back();
    free_entries_.pop_back();
    Entry& entry = entries_[at];
    entry.key = key;
    entry.born_ms = now_ms;
    entry.total = entry.highest = entry.received = entry.block_count = 0;
    entry.fragments = 0;
    entry.hashed = hashed;
    entry.abandoned = false;
    entry.blocks.fill(kNoBlock);
    entry.source = ledger_.open(key.source);
    by_source_[entry.source].push_back(entries_, at);
    by_age_.push_back(entries_, at);
    if (hashed) {
        std::uint32_t& head = head_of(key);
        entry.hash_next = head;
        head = at;
    }
    return at;
}

// False when the only one that should give way is this datagram itself.
bool Reassembler::take_blocks(std::uint32_t at, Range range, std::uint32_t& evicted) noexcept {
    Entry& entry = entries_[at];
    for (std::size_t i = range.begin / kReassemblyBlock; i * kReassemblyBlock < range.end; ++i) {
        if (entry.blocks[i] != kNoBlock) continue;
        while (free_blocks_.empty() || ledger_.weight(entry.source) >= kReassemblyWeightMax) {
            const std::uint32_t victim = pick_victim(entry.source);
            if (victim == at) return false;
            evicted += release(victim);
        }
        entry.blocks[i] = free_blocks_.back();
        free_blocks_.pop_back();
        ++entry.block_count;
        ledger_.add(entry.source);
    }
    return true;
}

// `source` asks for room: kNil if it holds nothing yet. REQUIRES: an entry exists.
std::uint32_t Reassembler::pick_victim(std::uint32_t source) const noexcept {
    if (ledger_.weight(source) >= kReassemblyWeightMax) return by_source_[source].front();
    const std::uint32_t heaviest = ledger_.heaviest();
    if (ledger_.weight(heaviest) > kReassemblyFairWeight) return by_source_[heaviest].front();
    return by_age_.front();
}

// Gives up the datagram and keeps its name, so that what is still to come of it is refused. Returns
// the number of fragments that were held.
std::uint32_t Reassembler::abandon(std::uint32_t at) noexcept {
    Entry& entry = entries_[at];
    const std::uint32_t fragments = entry.fragments;
    held_ -= fragments;
    entry.fragments = 0;
    ledger_.subtract(entry.source, entry.block_count);
    free_blocks(entry);
    entry.abandoned = true;
    return fragments;
}

// Frees the entry. Returns the number of fragments that were held.
std::uint32_t Reassembler::release(std::uint32_t at) noexcept {
    Entry& entry = entries_[at];
    const std::uint32_t fragments = entry.fragments;
    unlink(at);
    free_blocks(entry);
    free_entries_.push_back(at);
    return fragments;
}

void Reassembler::unlink(std::uint32_t at) noexcept {
    Entry& entry = entries_[at];
    held_ -= entry.fragments;
    by_age_.remove(entries_, at);
    by_source_[entry.source].remove(entries_, at);
    ledger_.subtract(entry.source, 1 + entry.block_count);
    if (!entry.hashed) return;
    std::uint32_t* link = &head_of(entry.key);
    while (*link != at) link = &entries_[*link].hash_next;
    *link = entry.hash_next;
}

void Reassembler::free_blocks(Entry& entry) noexcept {
    for (std::uint16_t& index : entry.blocks) {
        if (index != kNoBlock) free_blocks_.push_back(index);
        index = kNoBlock;
    }
    entry.block_count = 0;
}

void Reassembler::forget_whole() noexcept {
    if (whole_ == kNil) return;
    free_blocks(entries_[whole_]);
    free_entries_.push_back(whole_);
    whole_ = kNil;
}

std::size_t Reassembler::memory_bytes() const noexcept {
    return sizeof(*this) + entries_.capacity() * sizeof(Entry) +
           (free_entries_.capacity() + heads_.capacity()) * sizeof(std::uint32_t) +
           kReassemblyBlocksMax * kReassemblyBlock +
           free_blocks_.capacity() * sizeof(std::uint16_t) + ledger_.memory_bytes() +
           by_source_.capacity() * sizeof(SourceList);
}

}  // namespace lb::net
