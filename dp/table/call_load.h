#pragma once

// The loads of algorithm 10 and the calls they count: one object for the life of the process,
// shared by all workers (spec/dispatcher.md 2.7; design.md section 11).
//
// A destination has a load, a call has an entry: its Call-ID (a keyed 64-bit hash of it), the
// destination it went to and when it expires. A load is raised before its entry is made and lowered
// by whoever removes the entry, so the sum of the loads is the number of entries whenever no worker
// is in between.
//
// Bounds:    2^(ds_hash_size) buckets of 32 entries of 16 bytes, at most 2^22 entries;
// kLoadSlotsMax loads.
//            A full bucket refuses a new entry, which is counted.
// Threads:   find, reserve, begin, confirm, challenged, end, expire: any. slots_for, load_of and
// the death of
//            a LoadSlots: the control thread. No locks: each change is one compare-and-swap, tried
//            a bounded number of times.
// Cost:      four cache lines per look-up, no allocation.
// Invariant: a load never passes its destination's maxload.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dp/base/keyed_hash.h"
#include "dp/table/dispatch.h"

namespace lb::table {

// A place for one destination's load. 0: the destination has none (no duid), its load reads 0.
using LoadSlot = std::uint32_t;
inline constexpr LoadSlot kNoLoadSlot = 0;
inline constexpr std::size_t kLoadSlotsMax = std::size_t{1} << 18;

class CallLoad;

// The loads of one set's members, by index. Keeps them from being given to other destinations.
class LoadSlots {
public:
    LoadSlots(std::shared_ptr<CallLoad> owner, std::vector<LoadSlot> slots) noexcept;
    ~LoadSlots();
    LoadSlots(const LoadSlots&) = delete;
    LoadSlots& operator=(const LoadSlots&) = delete;

    LoadSlot operator[](std::size_t member) const noexcept { return slots_[member]; }
    std::size_t size() const noexcept { return slots_.size(); }

private:
    std::shared_ptr<CallLoad> owner_;
    std::vector<LoadSlot> slots_;
};

class CallLoad : public std::enable_shared_from_this<CallLoad> {
public:
    struct Options {
        unsigned hash_size = 9;             // ds_hash_size: 2^n buckets; 1..17
        std::uint32_t expire_s = 7200;      // ds_hash_expire
        std::uint32_t initexpire_s = 7200;  // ds_hash_initexpire
        HashKey key{};                      // Secret::table
    };
    static std::shared_ptr<CallLoad> create(const Options& options);

    // --- workers ---

    std::uint64_t call_key(std::string_view call_id) const noexcept;

    // True if the call has an entry; `destination` is then where it went.
    bool find(std::uint64_t call, std::uint32_t now_s, DestinationId& destination) const noexcept;

    std::uint32_t load(LoadSlot slot) const noexcept {
        return loads_[slot].load(std::memory_order_relaxed);
    }
    // Raises a load that still is what the caller saw. False: it has changed, look again.
    bool reserve_seen(LoadSlot slot, std::uint32_t seen) noexcept;
    // Raises a load if it is below `maxload` (0: no limit).
    bool reserve(LoadSlot slot, std::uint32_t maxload) noexcept;
    void release(LoadSlot slot) noexcept;

    enum class Begin : std::uint8_t {
        kStored,   // the reservation now belongs to the new entry
        kKnown,    // another worker was first; `destination` is where the call went
        kRefused,  // no room; the reservation is still the caller's
    };
    // Makes an entry for a call that went to `slot`. REQUIRES: the caller holds a reservation of
    // `slot`.
    Begin begin(std::uint64_t call, LoadSlot slot, std::uint32_t now_s,
                DestinationId& destination) noexcept;

    // The INVITE came once more: what challenged() shortened is as long again as for a new call.
    void renew(std::uint64_t call, std::uint32_t now_s) noexcept;
    void confirm(std::uint64_t call) noexcept;  // a 2xx: lives for ds_hash_expire now
    // 401 or 407: the request will come again with credentials and should find its destination, but
    // must not hold a load for hours if it does not.
    void challenged(std::uint64_t call, std::uint32_t now_s) noexcept;
    void end(std::uint64_t call) noexcept;
    void end_unconfirmed(std::uint64_t call) noexcept;

    // Drops what is past its time in the next `buckets` buckets. Thread: one at a time.
    void expire(std::uint32_t now_s, std::size_t buckets) noexcept;

    // --- control thread ---

    // Loads for the members of a set; one known already keeps its load.
    std::shared_ptr<const LoadSlots> slots_for(const Set& set);
    std::uint32_t load_of(DestinationId id) const;  // DLGLOAD of dispatcher.list

    std::size_t buckets() const noexcept { return buckets_count_; }
    std::uint64_t calls() const noexcept { return calls_.load(std::memory_order_relaxed); }
    std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }
    std::size_t memory_bytes() const noexcept;

    explicit CallLoad(const Options& options);

private:
    friend class LoadSlots;
    static constexpr std::size_t kWays = 32;

    // Keys first: a look-up reads them all, and one state. A state is 0 (free), kBusy (changing
    // hands), or
    //   slot (18 bits) | tag (12, of the key) | confirmed (1) | expiry second (32)
    struct Bucket {
        std::atomic<std::uint64_t> keys[kWays]{};
        std::atomic<std::uint64_t> states[kWays]{};
        std::atomic<std::uint64_t> insertions{0};
    };

    Bucket& bucket_of(std::uint64_t call) const noexcept {
        return buckets_[call & (buckets_count_ - 1)];
    }
    // The entry of a call and its state, or kWays.
    static std::size_t locate(const Bucket& bucket, std::uint64_t call,
                              std::uint64_t& state) noexcept;
    std::size_t claim(Bucket& bucket, std::uint64_t call, std::uint64_t state,
                      std::uint32_t now_s) noexcept;
    bool remove(Bucket& bucket, std::size_t way, std::uint64_t state) noexcept;
    bool take_out(Bucket& bucket, std::size_t way, std::uint64_t state) noexcept;
    template <class Change>
    void update(std::uint64_t call, Change change) noexcept;
    LoadSlot slot_of(DestinationId id);
    LoadSlot unused_slot();

    Options options_;
    std::size_t buckets_count_;
    std::unique_ptr<Bucket[]> buckets_;
    std::unique_ptr<std::atomic<std::uint32_t>[]> loads_;
    std::unique_ptr<std::atomic<std::uint32_t>[]> ids_;  // DestinationId of each slot
    std::atomic<std::uint64_t> calls_{0}, refused_{0};
    std::size_t next_bucket_ = 0;  // of expire()

    // Control thread: who has which slot, and how many LoadSlots hold it.
    std::unordered_map<std::uint32_t, LoadSlot> slot_by_id_;
    std::vector<std::uint32_t> uses_;
    LoadSlot slots_used_ = 1;
    LoadSlot next_reuse_ = 1;
};

}  // namespace lb::table
