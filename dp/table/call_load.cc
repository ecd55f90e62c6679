#include "dp/table/call_load.h"

#include <algorithm>
#include <utility>

namespace lb::table {
namespace {

constexpr std::uint64_t kFree = 0;
constexpr std::uint64_t kBusy = ~std::uint64_t{0};
constexpr std::uint64_t kConfirmed = std::uint64_t{1} << 32;
constexpr unsigned kTagShift = 33;
constexpr unsigned kSlotShift = 45;
constexpr std::uint64_t kTagMask = 0xfff;
static_assert(kLoadSlotsMax <= std::uint64_t{1} << (64 - kSlotShift - 1), "kBusy is no state");

constexpr std::uint32_t kChallengeSeconds = 32;  // 64*T1 (RFC 3261 17.1.1.2)
constexpr int kAttemptsMax = 16;

constexpr std::uint64_t make_state(LoadSlot slot, std::uint64_t call, std::uint32_t expires) {
    return std::uint64_t{slot} << kSlotShift | (call >> 52 & kTagMask) << kTagShift | expires;
}
constexpr LoadSlot slot_in(std::uint64_t state) {
    return static_cast<LoadSlot>(state >> kSlotShift);
}
constexpr std::uint32_t expiry_in(std::uint64_t state) { return static_cast<std::uint32_t>(state); }
constexpr std::uint64_t with_expiry(std::uint64_t state, std::uint32_t expires) {
    return (state & ~std::uint64_t{0xffffffff}) | expires;
}

}  // namespace

LoadSlots::LoadSlots(std::shared_ptr<CallLoad> owner, std::vector<LoadSlot> slots) noexcept
    : owner_(std::move(owner)), slots_(std::move(slots)) {}

LoadSlots::~LoadSlots() {
    for (const LoadSlot slot : slots_) --owner_->uses_[slot];
}

std::shared_ptr<CallLoad> CallLoad::create(const Options& options) {
    return std::make_shared<CallLoad>(options);
}

CallLoad::CallLoad(const Options& options)
    : options_(options),
      buckets_count_(std::size_t{1} << std::clamp(options.hash_size, 1U, 17U)),
      buckets_(std::make_unique<Bucket[]>(buckets_count_)),
      loads_(std::make_unique<std::atomic<std::uint32_t>[]>(kLoadSlotsMax)),
      ids_(std::make_unique<std::atomic<std::uint32_t>[]>(kLoadSlotsMax)),
      uses_(1) {}

std::uint64_t CallLoad::call_key(std::string_view call_id) const noexcept {
    return siphash_1_3(options_.key, as_bytes(call_id));
}

// A key changes only while its state is free or busy, so a state that reads the same before and
// after the key belongs to it.
std::size_t CallLoad::locate(const Bucket& bucket, std::uint64_t call,
                             std::uint64_t& state) noexcept {
    for (std::size_t way = 0; way < kWays; ++way) {
        if (bucket.keys[way].load(std::memory_order_relaxed) != call) continue;
        const std::uint64_t before = bucket.states[way].load(std::memory_order_acquire);
        if (before == kFree || before == kBusy) continue;
        const bool ours = bucket.keys[way].load(std::memory_order_acquire) == call;
        if (!ours || bucket.states[way].load(std::memory_order_acquire) != before) continue;
        state = before;
        return way;
    }
    return kWays;
}

bool CallLoad::find(std::uint64_t call, std::uint32_t now_s,
                    DestinationId& destination) const noexcept {
    std::uint64_t state = kFree;
    if (locate(bucket_of(call), call, state) == kWays || expiry_in(state) <= now_s) return false;
    destination = DestinationId{ids_[slot_in(state)].load(std::memory_order_relaxed)};
    return true;
}

bool CallLoad::reserve_seen(LoadSlot slot, std::uint32_t seen) noexcept {
    return loads_[slot].compare_exchange_strong(seen, seen + 1, std::memory_order_relaxed);
}

bool CallLoad::reserve(LoadSlot slot, std::uint32_t maxload) noexcept {
    std::uint32_t seen = load(slot);
    while (maxload == 0 || seen < maxload) {
        if (loads_[slot].compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

void CallLoad::release(LoadSlot slot) noexcept {
    loads_[slot].fetch_sub(1, std::memory_order_relaxed);
}

// Takes a free entry, or one whose time is over, and publishes the call in it. kWays: there is
// none.
std::size_t CallLoad::claim(Bucket& bucket, std::uint64_t call, std::uint64_t state,
                            std::uint32_t now_s) noexcept {
    for (std::size_t way = 0; way < kWays; ++way) {
        std::uint64_t seen = bucket.states[way].load(std::memory_order_acquire);
        if (seen != kFree && seen != kBusy && expiry_in(seen) <= now_s) {
            remove(bucket, way, seen);
            seen = bucket.states[way].load(std::memory_order_acquire);
        }
        if (seen != kFree) continue;
        if (!bucket.states[way].compare_exchange_strong(seen, kBusy, std::memory_order_acq_rel)) {
            continue;
        }
        bucket.keys[way].store(call, std::memory_order_release);
        calls_.fetch_add(1, std::memory_order_relaxed);
        bucket.states[way].store(state, std::memory_order_release);
        return way;
    }
    return kWays;
}

// Frees an entry that still is as it was seen. False: somebody else was quicker.
bool CallLoad::take_out(Bucket& bucket, std::size_t way, std::uint64_t state) noexcept {
    if (!bucket.states[way].compare_exchange_strong(state, kBusy, std::memory_order_acq_rel)) {
        return false;
    }
    bucket.keys[way].store(0, std::memory_order_release);
    calls_.fetch_sub(1, std::memory_order_relaxed);
    bucket.states[way].store(kFree, std::memory_order_release);
    return true;
}

// Whoever takes the entry out lowers the load, once.
bool CallLoad::remove(Bucket& bucket, std::size_t way, std::uint64_t state) noexcept {
    if (!take_out(bucket, way, state)) return false;
    release(slot_in(state));
    return true;
}

// Two copies of one INVITE on two workers: each publishes an entry, then moves the bucket's
// insertion count on from what it was before it looked. Who fails to was overtaken: it takes its
// entry back and looks again, and then sees the winner's.
CallLoad::Begin CallLoad::begin(std::uint64_t call, LoadSlot slot, std::uint32_t now_s,
                                DestinationId& destination) noexcept {
    Bucket& bucket = bucket_of(call);
    const std::uint32_t life = std::min(options_.initexpire_s, options_.expire_s);
    const std::uint64_t state = make_state(slot, call, now_s + life);
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
        std::uint64_t insertions = bucket.insertions.load(std::memory_order_seq_cst);
        if (find(call, now_s, destination)) return Begin::kKnown;
        const std::size_t way = claim(bucket, call, state, now_s);
        if (way == kWays) break;
        if (bucket.insertions.compare_exchange_strong(insertions, insertions + 1,
                                                      std::memory_order_seq_cst)) {
            return Begin::kStored;
        }
        // Not there any more: a CANCEL was quicker and has lowered our load, the call is over.
        if (!take_out(bucket, way, state)) return Begin::kStored;
    }
    refused_.fetch_add(1, std::memory_order_relaxed);
    return Begin::kRefused;
}

// Applies `change(state)` to a call's entry; a change to kFree removes it.
template <class Change>
void CallLoad::update(std::uint64_t call, Change change) noexcept {
    Bucket& bucket = bucket_of(call);
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
        std::uint64_t state = kFree;
        const std::size_t way = locate(bucket, call, state);
        if (way == kWays) return;
        const std::uint64_t next = change(state);
        if (next == state) return;
        if (next == kFree ? remove(bucket, way, state)
                          : bucket.states[way].compare_exchange_strong(state, next,
                                                                       std::memory_order_acq_rel)) {
            return;
        }
    }
}

void CallLoad::renew(std::uint64_t call, std::uint32_t now_s) noexcept {
    const std::uint32_t life = std::min(options_.initexpire_s, options_.expire_s);
    update(call, [now_s, life](std::uint64_t state) {
        if (state & kConfirmed) return state;
        return with_expiry(state, std::max(expiry_in(state), now_s + life));
    });
}

void CallLoad::confirm(std::uint64_t call) noexcept {
    const std::uint32_t life = std::min(options_.initexpire_s, options_.expire_s);
    const std::uint32_t more = options_.expire_s - life;
    update(call, [more](std::uint64_t state) {
        if (state & kConfirmed) return state;
        return with_expiry(state, expiry_in(state) + more) | kConfirmed;
    });
}

void CallLoad::challenged(std::uint64_t call, std::uint32_t now_s) noexcept {
    update(call, [now_s](std::uint64_t state) {
        if (state & kConfirmed) return state;
        return with_expiry(state, std::min(expiry_in(state), now_s + kChallengeSeconds));
    });
}

void CallLoad::end(std::uint64_t call) noexcept {
    update(call, [](std::uint64_t) { return kFree; });
}

void CallLoad::end_unconfirmed(std::uint64_t call) noexcept {
    update(call, [](std::uint64_t state) { return state & kConfirmed ? state : kFree; });
}

void CallLoad::expire(std::uint32_t now_s, std::size_t buckets) noexcept {
    for (std::size_t n = 0; n < std::min(buckets, buckets_count_); ++n) {
        Bucket& bucket = buckets_[next_bucket_];
        next_bucket_ = (next_bucket_ + 1) & (buckets_count_ - 1);
        for (std::size_t way = 0; way < kWays; ++way) {
            const std::uint64_t state = bucket.states[way].load(std::memory_order_acquire);
            if (state == kFree || state == kBusy || expiry_in(state) > now_s) continue;
            remove(bucket, way, state);
        }
    }
}

// A slot never given out, or one that no set holds and no call counts on; kNoLoadSlot: there is
// none.
LoadSlot CallLoad::unused_slot() {
    if (slots_used_ < kLoadSlotsMax) {
        uses_.push_back(0);
        return slots_used_++;
    }
    for (std::size_t n = 1; n < kLoadSlotsMax; ++n) {
        const LoadSlot slot = next_reuse_;
        next_reuse_ = next_reuse_ + 1 < kLoadSlotsMax ? next_reuse_ + 1 : 1;
        if (uses_[slot] != 0 || load(slot) != 0) continue;
        slot_by_id_.erase(ids_[slot].load(std::memory_order_relaxed));
        return slot;
    }
    return kNoLoadSlot;
}

LoadSlot CallLoad::slot_of(DestinationId id) {
    const auto number = static_cast<std::uint32_t>(id);
    const auto found = slot_by_id_.find(number);
    if (found != slot_by_id_.end()) return found->second;

    const LoadSlot slot = unused_slot();
    if (slot == kNoLoadSlot) return slot;
    ids_[slot].store(number, std::memory_order_relaxed);
    slot_by_id_.emplace(number, slot);
    return slot;
}

std::shared_ptr<const LoadSlots> CallLoad::slots_for(const Set& set) {
    std::vector<LoadSlot> slots;
    slots.reserve(set.members.size());
    for (const Member& member : set.members) {
        const bool counted = !set.texts[member.text].duid.empty();
        const LoadSlot slot = counted ? slot_of(member.id) : kNoLoadSlot;
        ++uses_[slot];
        slots.push_back(slot);
    }
    return std::make_shared<LoadSlots>(shared_from_this(), std::move(slots));
}

std::uint32_t CallLoad::load_of(DestinationId id) const {
    const auto found = slot_by_id_.find(static_cast<std::uint32_t>(id));
    return found == slot_by_id_.end() ? 0 : load(found->second);
}

std::size_t CallLoad::memory_bytes() const noexcept {
    return buckets_count_ * sizeof(Bucket) + 2 * kLoadSlotsMax * sizeof(std::uint32_t);
}

}  // namespace lb::table
