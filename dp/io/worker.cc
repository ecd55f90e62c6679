// The loop, what leads to a verdict, and the way out of most messages. The other ways are in
// worker_out.cc.

#include "dp/io/worker.h"

#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>
#include <rte_random.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>

#include "dp/io/linear.h"
#include "dp/io/mbuf_ops.h"
#include "dp/io/worker_impl.h"

namespace lb::io {

namespace {

constexpr std::int64_t kTwinPollUs = 20;       // how often a busy worker asks the kernel's side
constexpr std::int64_t kSleepMaxUs = 100'000;  // every device rings: only time-outs need turns
constexpr std::size_t kTransactionBucketsAtOnce = 8;  // in a turn, once a millisecond
constexpr std::size_t kReplyGrowth = 256;             // room behind a request that we may answer
constexpr std::uint64_t kQuietTurnsMax = 4096;        // idle turns that may wait to be counted

// The device's two bits, side by side, are our numbers.
net::Checksum checksum_of(std::uint64_t flags) noexcept {
    constexpr int kBadBit = std::countr_zero(RTE_MBUF_F_RX_L4_CKSUM_BAD);
    constexpr int kGoodBit = std::countr_zero(RTE_MBUF_F_RX_L4_CKSUM_GOOD);
    static_assert(RTE_MBUF_F_RX_L4_CKSUM_NONE ==
                  (RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_GOOD));
    static_assert(static_cast<int>(net::Checksum::kUnknown) == 0 &&
                  static_cast<int>(net::Checksum::kBad) == 1 &&
                  static_cast<int>(net::Checksum::kGood) == 2 &&
                  static_cast<int>(net::Checksum::kPartial) == 3);
    return static_cast<net::Checksum>((flags >> kBadBit & 1) | (flags >> (kGoodBit - 1) & 2));
}

// A frame as it came in. The mbuf's port is the index of our device.
inline net::Packet packet_in(rte_mbuf* mbuf) noexcept {
    const std::uint64_t flags = mbuf->ol_flags;
    const bool stripped = (flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;
    net::Packet packet = lend(mbuf);
    packet.device = mbuf->port;
    packet.vlan = stripped ? static_cast<std::uint16_t>(mbuf->vlan_tci & 0xfff) : net::kNoVlan;
    packet.udp_checksum = checksum_of(flags);
    return packet;
}

core::DropReason reason_of(net::ReassemblyError error) noexcept {
    switch (error) {
        case net::ReassemblyError::kOverlap:
            return core::DropReason::kFragmentOverlap;
        case net::ReassemblyError::kTableFull:
            return core::DropReason::kFragmentTableFull;
        case net::ReassemblyError::kBad:
            return core::DropReason::kFragmentBad;
        case net::ReassemblyError::kNone:
            break;
    }
    return core::DropReason::kInternal;
}

// Null if there is none of that number. Compared in bytes: a number of elements is a division.
template <class Element>
Element* find(std::span<Element> elements, std::size_t number) noexcept {
    return number * sizeof(Element) < elements.size_bytes() ? elements.data() + number : nullptr;
}

// The device completes what write_udp_headers() began: it needs to know where the headers are.
void ask_for_checksums(rte_mbuf* mbuf, bool tagged) noexcept {
    const auto l2 = static_cast<std::uint8_t>(net::kEthernetHeader + (tagged ? net::kVlanTag : 0));
    const bool ipv4 = *rte_pktmbuf_mtod_offset(mbuf, const std::uint8_t*, l2) >> 4 == 4;
    mbuf->l2_len = l2 & 0x7f;
    mbuf->l3_len = ipv4 ? net::kIpv4Header : net::kIpv6Header;
    mbuf->ol_flags = RTE_MBUF_F_TX_UDP_CKSUM |
                     (ipv4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6);
}

void fetch_for_writing(void* at) noexcept {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));  // a nop where it is none
#else
    __builtin_prefetch(at, 1);
#endif
}

// What another worker has written is in its core's cache. Its lines are asked for to be written,
// all of a frame at once, while the one before is relayed; an mbuf's own lines, which say where the
// frame is, earlier still.
constexpr std::size_t kMbufsAhead = 4, kFramesAhead = 1;

void fetch_mbuf(rte_mbuf* mbuf) noexcept {
    fetch_for_writing(mbuf);
    fetch_for_writing(&mbuf->next);  // its second line
}

void fetch_frame(rte_mbuf* mbuf) noexcept {
    auto* at = rte_pktmbuf_mtod(mbuf, std::uint8_t*);
    for (const auto* const end = at + mbuf->data_len; at < end; at += RTE_CACHE_LINE_SIZE) {
        fetch_for_writing(at);
    }
}

void fetch_first(std::span<rte_mbuf* const> burst) noexcept {
    for (std::size_t i = 0; i < std::min(burst.size(), kMbufsAhead); ++i) fetch_mbuf(burst[i]);
    for (std::size_t i = 0; i < std::min(burst.size(), kFramesAhead); ++i) fetch_frame(burst[i]);
}

// While the first of `burst` is handled.
void fetch_ahead(std::span<rte_mbuf* const> burst) noexcept {
    if (burst.size() > kMbufsAhead) fetch_mbuf(burst[kMbufsAhead]);
    if (burst.size() > kFramesAhead) fetch_frame(burst[kFramesAhead]);
}

// What packet_in() reads from an mbuf, written into one: the datagram in it was put together here.
void write_description(const net::Packet& packet, rte_mbuf* mbuf) noexcept {
    constexpr std::array<std::uint64_t, 4> kFlags{
        RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, RTE_MBUF_F_RX_L4_CKSUM_BAD, RTE_MBUF_F_RX_L4_CKSUM_GOOD,
        RTE_MBUF_F_RX_L4_CKSUM_NONE};
    mbuf->port = packet.device;
    mbuf->ol_flags = kFlags[static_cast<std::size_t>(packet.udp_checksum)];
    if (packet.vlan == net::kNoVlan) return;
    mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN_STRIPPED;
    mbuf->vlan_tci = packet.vlan;
}

}  // namespace

bool Worker::Impl::turn() noexcept {
    rcu->quiescent();                               // references taken last turn end here
    const table::Tables& tables = snapshot.read();  // one generation for the whole burst
    const std::uint64_t now = clock.now();          // one clock reading for the whole burst
    if (devices.traces != nullptr) trace.begin_turn(devices.traces->read(), config.index, now);
    scratch.state.now_ms = clock.ms(now);
    if (busy_since != 0) {
        counts.longest_turn_ns = std::max(counts.longest_turn_ns, clock.ns(now - busy_since));
    }

    std::size_t work = 0;
    if (devices.spread != nullptr) work += take_inbox(tables);
    for (const RxQueue& rx : rx_queues) work += receive(rx, tables);
    if (now >= next_twin_poll) {
        work += inject(tables);
        next_twin_poll = now + clock.from_us(kTwinPollUs);
    }
    for (TxBuffer& buffer : tx) buffer.flush(counts);
    unhold(reassembler.expire(scratch.state.now_ms), core::DropReason::kFragmentTimeout);
    if (scratch.state.now_ms != last_expiry_ms) {
        last_expiry_ms = scratch.state.now_ms;
        scratch.state.transactions.expire(last_expiry_ms, kTransactionBucketsAtOnce);
    }
    end_turn(now, work);
    return work != 0;
}

inline void Worker::Impl::settle(rte_mbuf* mbuf, net::Packet& packet, core::Verdict verdict,
                                 const table::Tables& tables) noexcept {
    adopt(mbuf, packet);
    const bool forward = verdict.action == core::Action::kForward;
    if (!forward && verdict.action != core::Action::kReply) [[unlikely]]
        return settle_locally(mbuf, packet, verdict, tables);
    if (forward) count_relayed();
    transmit(mbuf, packet, verdict.interface, forward ? TxKind::kForwarded : TxKind::kReplied,
             tables);
}

inline void Worker::Impl::transmit(rte_mbuf* mbuf, net::Packet& packet, table::InterfaceIndex out,
                                   TxKind kind, const table::Tables& tables) noexcept {
    const auto* const way = find(std::span(tables.network->interfaces()), out);
    if (way == nullptr) [[unlikely]]
        return drop(mbuf, core::DropReason::kInternal);
    const table::Interface& interface = *way;
    TxBuffer* const buffer = find(std::span(tx), interface.device);
    if (buffer == nullptr) [[unlikely]]
        return drop(mbuf, core::DropReason::kInternal);
    const std::size_t l2 =
        net::kEthernetHeader + (interface.vlan != net::kNoVlan ? net::kVlanTag : 0);
    mbuf->ol_flags = 0;
    if (mbuf->pkt_len > l2 + interface.mtu) [[unlikely]] {
        if (packet.unsummed_udp != 0) net::complete_checksums(packet);
        return transmit_fragments(mbuf, packet, interface, kind);
    }
    if (packet.unsummed_udp == 0) [[unlikely]] {
        if (packet.path_mtu != 0) return transmit_fragments(mbuf, packet, interface, kind);
        return buffer->add(mbuf, {kind}, counts);
    }
    if (scratch.checksum_mode == net::ChecksumMode::kOffload) {
        ask_for_checksums(mbuf, interface.vlan != net::kNoVlan);
        return buffer->add(mbuf, {kind}, counts);
    }
    buffer->add(mbuf, {kind}, counts, packet.bytes().subspan(packet.unsummed_udp));
}

std::size_t Worker::Impl::receive(const RxQueue& rx, const table::Tables& tables) noexcept {
    std::array<rte_mbuf*, kBurst> burst;
    const std::uint16_t n = rx.port->receive(rx.queue, burst.data(), kBurst);
    for (std::uint16_t i = 0; i < n; ++i) {
        rte_prefetch0(rte_pktmbuf_mtod(burst[i], void*));
        burst[i]->port = rx.device;
    }
    std::span<rte_mbuf*> ours{burst.data(), n};
    if (devices.spread != nullptr) ours = spread(ours);
    handle(ours, tables, Lines::kHere);
    return n;
}

void Worker::Impl::handle(std::span<rte_mbuf* const> burst, const table::Tables& tables,
                          Lines lines) noexcept {
    counts.received += burst.size();
    const bool elsewhere = lines == Lines::kElsewhere;
    if (elsewhere) fetch_first(burst);
    for (std::size_t i = 0; i < burst.size(); ++i) {
        rte_mbuf* const mbuf = burst[i];
        if (elsewhere) fetch_ahead(burst.subspan(i));
        if (mbuf->nb_segs > 1) [[unlikely]] {
            handle_segments(mbuf, tables);
        } else {
            handle(mbuf, tables);
        }
    }
}

[[gnu::noinline]] void Worker::Impl::handle_segments(rte_mbuf* mbuf,
                                                     const table::Tables& tables) noexcept {
    rte_mbuf* const whole = make_linear(mbuf, *devices.frames, *devices.jumbos);
    if (whole == nullptr) return drop(nullptr, core::DropReason::kNoMbuf);
    handle(whole, tables);
}

inline void Worker::Impl::handle(rte_mbuf* mbuf, const table::Tables& tables) noexcept {
    net::Packet packet = packet_in(mbuf);
    if (trace.active()) [[unlikely]]
        trace.received(packet, tables);
    const core::Verdict verdict = config.route(packet, tables, scratch);
    if (verdict.action == core::Action::kReassemble) [[unlikely]]
        return handle_fragment(mbuf, packet, tables);
    if (trace.active()) [[unlikely]]
        trace.decided(packet, verdict, scratch);
    settle(mbuf, packet, verdict, tables);
}

[[gnu::noinline]] void Worker::Impl::handle_fragment(rte_mbuf* mbuf, net::Packet& packet,
                                                     const table::Tables& tables) noexcept {
    rte_mbuf* whole = reassemble(mbuf, packet);
    if (whole == nullptr) return;  // held, or dropped: counted
    if (trace.active()) [[unlikely]]
        trace.received(packet, tables);
    if (devices.spread != nullptr) {
        const unsigned owner = owner_of(packet);
        if (owner != config.index) {
            adopt(whole, packet);
            write_description(packet, whole);
            --counts.received;  // of its last fragment: the owner counts the whole
            hand_to_owners({&whole, 1}, {&owner, 1});
            return;
        }
    }
    // Whole now, so it cannot ask again.
    const core::Verdict verdict = config.route(packet, tables, scratch);
    if (trace.active()) [[unlikely]]
        trace.decided(packet, verdict, scratch);
    settle(whole, packet, verdict, tables);
}

// Messages of our calls that others received.
std::size_t Worker::Impl::take_inbox(const table::Tables& tables) noexcept {
    std::array<rte_mbuf*, kBurst> burst;
    const unsigned n = devices.spread->pop(config.index, burst.data(), kBurst);
    handle({burst.data(), n}, tables, Lines::kElsewhere);
    return n;
}

// Hands each message of a burst to the worker that owns its call, in the burst's order. Returns
// what is ours, or nobody's.
std::span<rte_mbuf*> Worker::Impl::spread(std::span<rte_mbuf*> burst) noexcept {
    std::array<unsigned, kBurst> owners;
    std::size_t n = 0;
    for (rte_mbuf* mbuf : burst) {
        if (mbuf->nb_segs > 1) [[unlikely]] {
            mbuf = make_linear(mbuf, *devices.frames, *devices.jumbos);
            if (mbuf == nullptr) {
                ++counts.received;
                drop(nullptr, core::DropReason::kNoMbuf);
                continue;
            }
        }
        burst[n] = mbuf;
        owners[n++] = owner_of(packet_in(mbuf));
    }
    return hand_to_owners(burst.first(n), {owners.data(), n});
}

// Fragments stay here until they are whole, and so does what is no datagram.
unsigned Worker::Impl::owner_of(const net::Packet& packet) noexcept {
    net::FrameView& frame = scratch.frame;
    if (net::parse_frame(packet, frame, false) != net::FrameError::kNone || !frame.is_udp ||
        frame.is_fragment) {
        return config.index;
    }
    return devices.spread->owner(frame.payload, config.index);
}

// Returns those of `burst` that nobody else owns.
std::span<rte_mbuf*> Worker::Impl::hand_to_owners(std::span<rte_mbuf*> burst,
                                                  std::span<const unsigned> owners) noexcept {
    const Spread::Handed handed = devices.spread->hand_over(burst, owners, config.index);
    counts.handed_over += handed.taken;
    counts.received += handed.refused;
    counts.dropped[static_cast<std::size_t>(core::DropReason::kSpreadFull)] += handed.refused;
    return burst.first(handed.kept);
}

// Takes a fragment. The whole datagram in `packet` and the mbuf that holds it, once it is whole.
rte_mbuf* Worker::Impl::reassemble(rte_mbuf* mbuf, net::Packet& packet) noexcept {
    using Status = net::ReassemblyResult::Status;
    const net::ReassemblyResult result =
        reassembler.add(packet, scratch.frame, scratch.state.now_ms);
    unhold(result.abandoned, reason_of(result.error));
    unhold(result.evicted, core::DropReason::kFragmentTableFull);
    if (result.status == Status::kRefused) return drop(mbuf, reason_of(result.error)), nullptr;
    if (result.status == Status::kDuplicate) {
        return drop(mbuf, core::DropReason::kFragmentDuplicate), nullptr;
    }
    if (result.status == Status::kHeld) {
        ++counts.held;
        rte_pktmbuf_free(mbuf);
        return nullptr;
    }
    rte_pktmbuf_free(mbuf);
    rte_mbuf* whole = take_jumbo(*devices.jumbos);
    if (whole == nullptr) return drop(nullptr, core::DropReason::kNoMbuf), nullptr;
    packet = lend(whole);
    if (!reassembler.take(packet)) return drop(whole, core::DropReason::kTooBig), nullptr;
    if (packet.length + kReplyGrowth > kFrameRoom) return whole;
    adopt(whole, packet);
    whole = give_back_jumbo(whole, *devices.frames);
    net::Packet moved = lend(whole);
    moved.device = packet.device;
    moved.vlan = packet.vlan;
    moved.udp_checksum = packet.udp_checksum;
    packet = moved;
    return whole;
}

// Fragments that were held and are now given up.
void Worker::Impl::unhold(std::uint32_t fragments, core::DropReason reason) noexcept {
    counts.held -= fragments;  // modulo 2^64, as WorkerCounters::add() has it
    counts.dropped[static_cast<std::size_t>(reason)] += fragments;
}

void Worker::Impl::drop(rte_mbuf* mbuf, core::DropReason reason) noexcept {
    ++counts.dropped[static_cast<std::size_t>(reason)];
    rte_pktmbuf_free(mbuf);
}

void Worker::Impl::end_turn(std::uint64_t started, std::size_t work) noexcept {
    ++counts.turns;
    if (work == 0) ++counts.idle_turns;
    busy_since = work != 0 ? started : 0;
    if (work != 0) last_work = started;
    if (work != 0 || counts.turns >= kQuietTurnsMax) publish_counts();
}

void Worker::Impl::publish_counts() noexcept {
    counters.add(counts);
    counts = {};
}

void Worker::Impl::run() noexcept {
    while (!stop.load(std::memory_order_relaxed)) {
        if (turn() || config.idle == IdleMode::kPoll) continue;
        if (clock.now() - last_work < clock.from_us(kSpinUs)) {
            rte_pause();
        } else {
            sleep();
        }
    }
    publish_counts();
}

void Worker::Impl::sleep() noexcept {
    for (const RxQueue& rx : rx_queues) rx.port->arm(rx.queue);
    if (devices.spread != nullptr) devices.spread->set_asleep(config.index, true);
    next_twin_poll = 0;
    if (!turn()) {  // what came before the bell was armed would ring nothing
        publish_counts();
        rcu->offline();
        sleeper.sleep(can_wait ? kSleepMaxUs : kNapUs);
        rcu->online();
        next_twin_poll = 0;
    }
    if (devices.spread != nullptr) devices.spread->set_asleep(config.index, false);
    for (const RxQueue& rx : rx_queues) rx.port->disarm(rx.queue);
}

Worker::Worker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Worker::~Worker() = default;

Result<std::unique_ptr<Worker>> Worker::create(const WorkerConfig& config, const Devices& devices,
                                               const table::Snapshot<table::Tables>& snapshot) {
    Result<Sleeper> sleeper = Sleeper::create();
    if (!sleeper) return failed(std::move(sleeper).error());
    std::unique_ptr<Impl> impl;
    try {
        impl = std::make_unique<Impl>(config, devices, snapshot, std::move(*sleeper));
    } catch (const std::bad_alloc&) {
        return failed(Errc::kExhausted, "worker " + std::to_string(config.index) +
                                            ": no memory to remember " +
                                            std::to_string(config.transactions) + " transactions");
    }
    bool offload = true;
    for (std::size_t i = 0; i < devices.ports.size(); ++i) {
        Port& port = *devices.ports[i];
        const auto queue = static_cast<std::uint16_t>(config.index);
        impl->tx.emplace_back(port, queue);
        offload = offload && port.checksum_offload();
        if (queue >= port.rx_queues()) continue;
        impl->rx_queues.push_back({&port, static_cast<std::uint16_t>(i), queue});
        const int fd = port.wake_fd(queue);
        impl->can_wait = impl->can_wait && fd >= 0 && impl->sleeper.watch(fd).has_value();
    }
    for (const Tap* twin : devices.twins) {
        if (twin == nullptr || config.index != 0) continue;
        if (Status status = impl->sleeper.watch(twin->fd()); !status) {
            return failed(std::move(status).error());
        }
    }
    if (devices.spread != nullptr) devices.spread->attach(config.index, impl->sleeper);
    impl->scratch.state.worker = config.index;
    impl->scratch.state.traffic.reserve(kTrafficSlotsMax);
    impl->scratch.path_mtus = devices.path_mtus;
    impl->scratch.state.random ^= rte_rand();
    const auto start = static_cast<std::uint32_t>(rte_rand());
    impl->scratch.datagram_id = start - start % config.workers + config.index;
    impl->scratch.datagram_id_step = config.workers;
    impl->scratch.checksum_mode =
        offload ? net::ChecksumMode::kOffload : net::ChecksumMode::kDeferred;
    return std::unique_ptr<Worker>(new Worker(std::move(impl)));
}

void Worker::run() noexcept {
    enter();
    impl_->run();
    leave();
}

void Worker::stop() noexcept {
    impl_->stop.store(true, std::memory_order_relaxed);
    impl_->sleeper.ring();
}

void Worker::enter() noexcept { impl_->rcu.emplace(); }
void Worker::leave() noexcept { impl_->rcu.reset(); }
bool Worker::run_once() noexcept { return impl_->turn(); }
core::CounterValues Worker::counters() const noexcept {
    core::CounterValues values = impl_->counters.read();
    values.transactions = impl_->scratch.state.transactions.size();
    values.transactions_evicted = impl_->scratch.state.transactions.evictions();
    return values;
}
core::TrafficValues Worker::traffic(std::uint32_t slot) const noexcept {
    return impl_->scratch.state.traffic.read(slot);
}

}  // namespace lb::io
