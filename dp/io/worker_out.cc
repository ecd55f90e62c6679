// What becomes of a message that is not simply sent: fragments, the kernel, the control thread, or
// nothing. And what comes from the kernel.

#include <rte_mbuf.h>

#include <array>

#include "dp/io/linear.h"
#include "dp/io/mbuf_ops.h"
#include "dp/io/worker_impl.h"
#include "dp/net/fragment.h"

namespace lb::io {

// All but what is sent from here.
void Worker::Impl::settle_locally(rte_mbuf* mbuf, net::Packet& packet, core::Verdict verdict,
                                  const table::Tables& tables) noexcept {
    switch (verdict.action) {
        case core::Action::kPunt:
            return punt(mbuf, verdict.interface, tables);
        case core::Action::kSlowPath:
            if (packet.unsummed_udp != 0) net::complete_checksums(packet);
            return hand_over(mbuf, verdict);
        case core::Action::kResolve:
            return hand_over(mbuf, verdict);
        case core::Action::kReassemble:
            return drop(mbuf, core::DropReason::kFragmentTableFull);
        case core::Action::kDrop:
            return drop(mbuf, verdict.reason);
        case core::Action::kForward:
        case core::Action::kReply:
            break;
    }
    drop(mbuf, core::DropReason::kInternal);
}

// All of a datagram's fragments or none: the buffers are taken first.
void Worker::Impl::transmit_fragments(rte_mbuf* mbuf, const net::Packet& packet,
                                      const table::Interface& out, TxKind kind) noexcept {
    const ConstBytes frame = packet.bytes();
    const std::uint16_t mtu = packet.path_mtu != 0 ? packet.path_mtu : out.mtu;
    const net::FragmentPlan plan = net::plan_fragments(frame, mtu);
    if (plan.count == 1)
        return tx[out.device].add(mbuf, {kind}, counts);  // it fits, without its padding
    if (plan.count == 0) return drop(mbuf, core::DropReason::kTooBig);

    std::array<rte_mbuf*, kFragmentsOutMax> parts;
    const bool small = plan.header_size + 8 + plan.piece_size <= kFrameRoom;
    rte_mempool* pool = (small ? devices.frames : devices.jumbos)->get();
    if (rte_pktmbuf_alloc_bulk(pool, parts.data(), plan.count) != 0) {
        return drop(mbuf, core::DropReason::kNoMbuf);
    }
    tx[out.device].make_room(plan.count, counts);
    const std::uint32_t id = scratch.next_datagram_id();
    for (std::uint32_t i = 0; i < plan.count; ++i) {
        rte_mbuf* part = parts[i];
        auto* at = rte_pktmbuf_mtod(part, std::uint8_t*);
        const std::size_t size =
            net::write_fragment(frame, plan, i, id, {at, rte_pktmbuf_tailroom(part)});
        rte_pktmbuf_append(part, static_cast<std::uint16_t>(size));
        const bool last = i + 1 == plan.count;
        tx[out.device].add(part, {last ? kind : TxKind::kPart, true}, counts);
    }
    rte_pktmbuf_free(mbuf);
}

void Worker::Impl::punt(rte_mbuf* mbuf, table::InterfaceIndex in,
                        const table::Tables& tables) noexcept {
    const Tap* twin = in < devices.twins.size() ? devices.twins[in] : nullptr;
    if (!punt_budget.take(scratch.state.now_ms)) return drop(mbuf, core::DropReason::kPuntFull);
    const bool tagged = twin != nullptr && tables.network->interface(in).vlan != net::kNoVlan;
    const ConstBytes frame{rte_pktmbuf_mtod(mbuf, const std::uint8_t*), mbuf->data_len};
    const core::DropReason refused = punt_frame(twin, frame, tagged);
    if (refused != core::DropReason::kCount) return drop(mbuf, refused);
    ++counts.punted;
    rte_pktmbuf_free(mbuf);
}

void Worker::Impl::hand_over(rte_mbuf* mbuf, core::Verdict verdict) noexcept {
    SlowPath* slow_path = devices.slow_path;
    if (slow_path == nullptr || !slow_path->push(mbuf, verdict.action, verdict.interface)) {
        return drop(mbuf, core::DropReason::kSlowPathFull);
    }
    if (verdict.action == core::Action::kSlowPath)
        count_relayed();  // by the kernel's hand, but relayed
    ++counts.punted;
    ++counts.slow_path;
}

// The first worker alone, so that the kernel's frames stay in order.
std::size_t Worker::Impl::inject(const table::Tables& tables) noexcept {
    if (config.index != 0) return 0;
    std::size_t n = 0;
    for (std::size_t i = 0; i < devices.twins.size(); ++i) {
        if (devices.twins[i] == nullptr) continue;
        const auto out = static_cast<table::InterfaceIndex>(i);
        for (unsigned k = 0; k < kInjectMax && inject_one(out, tables); ++k) ++n;
    }
    return n;
}

bool Worker::Impl::inject_one(table::InterfaceIndex out, const table::Tables& tables) noexcept {
    const auto& interfaces = tables.network->interfaces();
    if (out >= interfaces.size() || interfaces[out].device >= tx.size()) return false;
    const table::Interface& interface = interfaces[out];
    const bool small = interface.mtu + net::kEthernetHeader <= kFrameRoom;
    rte_mbuf* mbuf = rte_pktmbuf_alloc((small ? devices.frames : devices.jumbos)->get());
    if (mbuf == nullptr) return false;  // the frame waits in the kernel's queue
    if (!read_frame(*devices.twins[out], interface.vlan, mbuf)) {
        rte_pktmbuf_free(mbuf);
        return false;
    }
    if (!small) mbuf = give_back_jumbo(mbuf, *devices.frames);
    tx[interface.device].add(mbuf, {TxKind::kInjected}, counts);
    return true;
}

}  // namespace lb::io
