#include "dp/table/maglev.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "dp/base/assert.h"
#include "dp/table/random.h"

namespace lb::table {
namespace {

constexpr std::uint32_t kFree = 0xffffffff;

std::uint32_t slots_for(std::size_t members) {
    for (const RingSize& row : kRingSizes) {
        if (members <= row.members_max) return row.slots;
    }
    LB_ASSERT(false && "more members than any set may have");
    return 0;
}

// The order in which one member asks for slots: all of them, each once, as slots is a prime.
struct Preference {
    std::uint32_t next;
    std::uint32_t skip;
};

std::vector<Preference> preferences(std::span<const std::uint64_t> identities,
                                    std::uint32_t slots) {
    std::vector<Preference> wants;
    wants.reserve(identities.size());
    for (const std::uint64_t identity : identities) {
        wants.push_back({static_cast<std::uint32_t>(mix64(identity ^ 1) % slots),
                         static_cast<std::uint32_t>(mix64(identity ^ 2) % (slots - 1)) + 1});
    }
    return wants;
}

// Members in the order of their identity: the ring must not depend on the order of rows.
std::vector<std::uint32_t> order_of(std::span<const std::uint64_t> identities) {
    std::vector<std::uint32_t> order(identities.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::stable_sort(order, {}, [&](std::uint32_t i) { return identities[i]; });
    return order;
}

// Members take turns; each takes the first slot it likes that is still free. The heaviest has a
// turn in every round, one of half its weight in the first and then in every second one.
std::vector<std::uint32_t> populate(std::span<const std::uint64_t> identities,
                                    std::span<const std::uint32_t> weights, std::uint32_t slots) {
    std::vector<std::uint32_t> ring(slots, kFree);
    std::vector<Preference> wants = preferences(identities, slots);
    const std::vector<std::uint32_t> order = order_of(identities);
    const std::uint64_t heaviest = weights.empty() ? 1 : std::ranges::max(weights);
    std::vector<std::uint64_t> spent(weights.size(), 0);
    std::uint32_t taken = 0;
    for (std::uint64_t round = 1;; ++round) {
        for (const std::uint32_t member : order) {
            if (!weights.empty()) {
                if (weights[member] == 0 || round * weights[member] < spent[member]) continue;
                spent[member] += heaviest;
            }
            Preference& want = wants[member];
            while (ring[want.next] != kFree) want.next = (want.next + want.skip) % slots;
            ring[want.next] = member;
            if (++taken == slots) return ring;
        }
    }
}

}  // namespace

MaglevRing::MaglevRing(std::span<const std::uint64_t> identities,
                       std::span<const std::uint32_t> weights) {
    LB_ASSERT(weights.empty() || weights.size() == identities.size());
    if (identities.empty()) return;
    const bool equal = std::ranges::adjacent_find(weights, std::ranges::not_equal_to{}) ==
                       weights.end();  // all 0 as well
    slots_ = slots_for(identities.size());
    std::vector<std::uint32_t> ring =
        populate(identities, equal ? std::span<const std::uint32_t>{} : weights, slots_);
    if (identities.size() <= 256) {
        bytes_.assign(ring.begin(), ring.end());
    } else if (identities.size() <= 65536) {
        words_.assign(ring.begin(), ring.end());
    } else {
        longs_ = std::move(ring);
    }
}

}  // namespace lb::table
