#include "dp/net/fragment.h"

#include <algorithm>

#include "dp/base/assert.h"
#include "dp/net/checksum.h"
#include "dp/net/frame.h"

namespace lb::net {
namespace {

constexpr std::uint16_t kMoreFragments = 0x2000;

// Fills in what the IP header says. False: not a packet that we may split.
bool read_ipv4(ConstBytes ip, FragmentPlan& plan) noexcept {
    if (ip.size() < kIpv4Header || ip[0] != 0x45) return false;
    const std::size_t total = load_be16(ip.data() + 2);
    const bool is_fragment = (load_be16(ip.data() + 6) & 0x3fff) != 0;
    if (is_fragment || total < kIpv4Header || total > ip.size()) return false;
    plan.header_size = plan.ip_offset + static_cast<std::uint32_t>(kIpv4Header);
    plan.payload_size = static_cast<std::uint32_t>(total - kIpv4Header);
    return true;
}

bool read_ipv6(ConstBytes ip, FragmentPlan& plan) noexcept {
    if (ip.size() < kIpv6Header || ip[0] >> 4 != 6 || ip[6] != kProtocolUdp) return false;
    const std::size_t length = load_be16(ip.data() + 4);
    if (kIpv6Header + length > ip.size()) return false;
    plan.ipv6 = true;
    plan.header_size = plan.ip_offset + static_cast<std::uint32_t>(kIpv6Header);
    plan.payload_size = static_cast<std::uint32_t>(length);
    return true;
}

bool read_headers(ConstBytes frame, FragmentPlan& plan) noexcept {
    if (frame.size() < kEthernetHeader + kVlanTag) return false;
    const bool tagged = load_be16(&frame[12]) == 0x8100;
    plan.ip_offset = static_cast<std::uint32_t>(kEthernetHeader + (tagged ? kVlanTag : 0));
    const std::uint16_t ether_type = load_be16(&frame[plan.ip_offset - 2]);
    const ConstBytes ip = frame.subspan(plan.ip_offset);
    if (ether_type == 0x0800) return read_ipv4(ip, plan);
    if (ether_type == 0x86dd) return read_ipv6(ip, plan);
    return false;
}

void finish_ipv4(std::uint8_t* ip, std::size_t total, std::size_t offset, bool more,
                 std::uint32_t id) noexcept {
    store_be16(ip + 2, static_cast<std::uint16_t>(total));
    store_be16(ip + 4, static_cast<std::uint16_t>(id));
    store_be16(ip + 6, static_cast<std::uint16_t>(offset / 8 | (more ? kMoreFragments : 0U)));
    store_be16(ip + 10, 0);
    store_be16(ip + 10, static_cast<std::uint16_t>(~ipv4_header_sum(ip)));
}

void finish_ipv6(std::uint8_t* ip, std::size_t payload, std::size_t offset, bool more,
                 std::uint32_t id) noexcept {
    store_be16(ip + 4, static_cast<std::uint16_t>(kFragmentHeader + payload));
    std::uint8_t* const header = ip + kIpv6Header;
    header[0] = ip[6];
    header[1] = 0;
    store_be16(header + 2, static_cast<std::uint16_t>(offset | (more ? 1U : 0U)));
    store_be32(header + 4, id);
    ip[6] = kProtocolFragment;
}

}  // namespace

FragmentPlan plan_fragments(ConstBytes frame, std::uint16_t mtu) noexcept {
    FragmentPlan plan;
    if (!read_headers(frame, plan)) return {};
    const std::size_t ip_header = plan.header_size - plan.ip_offset;
    if (ip_header + plan.payload_size <= mtu) {
        plan.count = 1;
        plan.piece_size = plan.payload_size;
        return plan;
    }
    const std::size_t headers = ip_header + (plan.ipv6 ? kFragmentHeader : 0);
    if (mtu < headers + 8) return {};
    plan.piece_size = static_cast<std::uint32_t>((mtu - headers) / 8 * 8);
    plan.count = (plan.payload_size + plan.piece_size - 1) / plan.piece_size;
    if (plan.count > kFragmentsOutMax) return {};
    return plan;
}

std::size_t write_fragment(ConstBytes frame, const FragmentPlan& plan, std::uint32_t index,
                           std::uint32_t id, Bytes out) noexcept {
    LB_ASSERT(index < plan.count && plan.header_size + plan.payload_size <= frame.size());
    const std::size_t offset = std::size_t{index} * plan.piece_size;
    const std::size_t size = std::min<std::size_t>(plan.piece_size, plan.payload_size - offset);
    const bool more = index + 1 < plan.count;
    const std::size_t header = plan.header_size + (plan.ipv6 ? kFragmentHeader : 0);
    if (out.size() < header + size) return 0;

    std::memcpy(out.data(), frame.data(), plan.header_size);
    std::memcpy(out.data() + header, frame.data() + plan.header_size + offset, size);
    std::uint8_t* const ip = out.data() + plan.ip_offset;
    if (plan.ipv6) {
        finish_ipv6(ip, size, offset, more, id);
    } else {
        finish_ipv4(ip, kIpv4Header + size, offset, more, id);
    }
    return header + size;
}

}  // namespace lb::net
