#include "dp/io/punt.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "dp/net/frame.h"

namespace lb::io {

namespace {

constexpr std::size_t kMacs = 12;
constexpr std::uint16_t kVlanType = 0x8100;

bool has_tag(ConstBytes frame) noexcept {
    return frame.size() >= kMacs + net::kVlanTag && load_be16(frame.data() + kMacs) == kVlanType;
}

}  // namespace

void PuntBudget::refill(std::uint64_t now_ms) noexcept {
    left_ = std::min(kBurstMax, left_ + (now_ms - last_ms_) * kPerMs);
    last_ms_ = now_ms;
}

core::DropReason punt_frame(const Tap* twin, ConstBytes frame, bool tagged_interface) noexcept {
    if (twin == nullptr) return core::DropReason::kNoTwin;
    const bool strip = tagged_interface && has_tag(frame);
    const bool taken = strip ? twin->write(frame.first(kMacs), frame.subspan(kMacs + net::kVlanTag))
                             : twin->write(frame);
    return taken ? core::DropReason::kCount : core::DropReason::kPuntFull;
}

bool read_frame(const Tap& twin, std::uint16_t vlan, rte_mbuf* mbuf) noexcept {
    auto* data = rte_pktmbuf_mtod(mbuf, std::uint8_t*);
    const std::size_t size = twin.read({data, rte_pktmbuf_tailroom(mbuf)});
    if (size < net::kEthernetHeader) return false;
    mbuf->data_len = static_cast<std::uint16_t>(size);
    mbuf->pkt_len = mbuf->data_len;
    if (vlan == net::kNoVlan) return true;
    auto* tagged = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(mbuf, net::kVlanTag));
    std::memmove(tagged, data, kMacs);
    store_be16(tagged + kMacs, kVlanType);
    store_be16(tagged + kMacs + 2, vlan);
    return true;
}

}  // namespace lb::io
