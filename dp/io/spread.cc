// The ring's C11 form: the same code on x86, in terms that the compiler and ThreadSanitizer
// understand.
#ifndef RTE_USE_C11_MEM_MODEL
#define RTE_USE_C11_MEM_MODEL
#endif

#include "dp/io/spread.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_random.h>
#include <rte_ring.h>

#include <string>

#include "dp/sip/call_id.h"

namespace lb::io {

void Spread::FreeRing::operator()(rte_ring* ring) const noexcept { rte_ring_free(ring); }

// To receive and distribute a message takes a fifth of what it takes to relay one. With that all
// workers are busy alike when everything comes in by the first `receivers`.
Spread::Spread(unsigned workers, unsigned receivers) noexcept : workers_(workers) {
    for (std::uint64_t& word : key_.words) word = rte_rand();
    const unsigned others = workers - receivers;
    const unsigned shares = static_cast<unsigned>(owners_.size());
    const unsigned left = 5 * receivers > others ? 5 * receivers - others : 0;
    const unsigned received = others == 0 ? shares : shares * left / (5 * workers);
    for (unsigned i = 0; i < shares; ++i) {
        owners_[i] =
            static_cast<std::uint8_t>(i < received ? i % receivers : receivers + i % others);
    }
}

Result<std::unique_ptr<Spread>> Spread::create(unsigned workers, unsigned receivers) {
    static std::atomic<unsigned> number{0};
    auto spread = std::unique_ptr<Spread>(new Spread(workers, receivers));
    for (unsigned i = 0; i < workers; ++i) {
        const std::string name = "spread_" + std::to_string(number++);
        rte_ring* ring =
            rte_ring_create(name.c_str(), kSlots, SOCKET_ID_ANY, RING_F_SC_DEQ | RING_F_EXACT_SZ);
        if (ring == nullptr) {
            return failed(Errc::kExhausted, std::string("spread ring: ") + rte_strerror(rte_errno));
        }
        spread->inboxes_[i].ring.reset(ring);
    }
    return spread;
}

Spread::~Spread() {
    for (unsigned i = 0; i < workers_; ++i) {
        rte_mbuf* mbuf = nullptr;
        while (inboxes_[i].ring != nullptr && pop(i, &mbuf, 1) == 1) rte_pktmbuf_free(mbuf);
    }
}

unsigned Spread::owner(std::string_view message, unsigned self) const noexcept {
    const std::string_view call_id = sip::find_call_id(message);
    if (call_id.empty()) return self;
    // Not text_hash(): of Call-IDs that count up it is linear, and with one key in fifty all of
    // them have one owner.
    return owners_[text_mac(key_, 0, call_id, "") >> 56];
}

Spread::Handed Spread::hand_over(std::span<rte_mbuf*> burst, std::span<const unsigned> owners,
                                 unsigned self) noexcept {
    Handed handed;
    std::array<std::array<rte_mbuf*, kBurstMax>, kWorkersMax> theirs;  // by owner
    std::array<unsigned, kWorkersMax> n{};
    for (std::size_t i = 0; i < burst.size(); ++i) {
        const unsigned owner = owners[i];
        (owner == self ? burst[handed.kept++] : theirs[owner][n[owner]++]) = burst[i];
    }
    for (unsigned owner = 0; owner < workers_; ++owner) {
        if (n[owner] == 0) continue;
        const unsigned taken = push(owner, theirs[owner].data(), n[owner]);
        handed.taken += taken;
        handed.refused += n[owner] - taken;
        if (taken < n[owner]) rte_pktmbuf_free_bulk(&theirs[owner][taken], n[owner] - taken);
    }
    return handed;
}

unsigned Spread::push(unsigned worker, rte_mbuf* const* mbufs, unsigned n) noexcept {
    Inbox& inbox = inboxes_[worker];
    const unsigned taken = rte_ring_mp_enqueue_burst(
        inbox.ring.get(), reinterpret_cast<void* const*>(mbufs), n, nullptr);
    // Either it sees what was pushed when it looks once more, or we see that it is asleep.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (inbox.asleep.load(std::memory_order_relaxed) && inbox.asleep.exchange(false) &&
        inbox.sleeper != nullptr) {
        inbox.sleeper->ring();
    }
    return taken;
}

unsigned Spread::pop(unsigned worker, rte_mbuf** mbufs, unsigned n) noexcept {
    return rte_ring_sc_dequeue_burst(inboxes_[worker].ring.get(), reinterpret_cast<void**>(mbufs),
                                     n, nullptr);
}

}  // namespace lb::io
