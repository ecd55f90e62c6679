#include "cp/capture.h"

#include <fmt/format.h>
#include <pcap/pcap.h>

#include <cstring>
#include <memory>
#include <span>

#include "cp/pcapng.h"
#include "dp/base/limits.h"
#include "dp/net/frame.h"
#include "dp/net/reassembly.h"

namespace lb::cp {
namespace {

struct ClosePcap {
    void operator()(pcap_t* file) const noexcept { pcap_close(file); }
};
using PcapFile = std::unique_ptr<pcap_t, ClosePcap>;

constexpr std::uint16_t kEtherIpv4 = 0x0800, kEtherIpv6 = 0x86dd;

// Where the IP header starts behind a link header that is none of Ethernet's; npos: not known.
std::size_t link_header(int link) noexcept {
    switch (link) {
        case DLT_EN10MB:
        case DLT_RAW:
            return 0;
        case DLT_NULL:
        case DLT_LOOP:
            return 4;
        case DLT_LINUX_SLL:
            return 16;
#ifdef DLT_LINUX_SLL2
        case DLT_LINUX_SLL2:
            return 20;
#endif
        default:
            return std::string::npos;
    }
}

class Reader {
public:
    explicit Reader(int link)
        : link_(link), skip_(link_header(link)), buffer_(kDatagramMax + 1024), reassembler_({}) {}

    void add(std::span<const std::uint8_t> packet, std::uint64_t now_ms, Capture& out) {
        ++out.packets;
        net::Packet frame = copy(packet);
        net::FrameView view;
        if (net::parse_frame(frame, view, false) == net::FrameError::kNone && view.is_fragment) {
            now_ms_ = std::max(now_ms_, now_ms);
            reassembler_.expire(now_ms_);
            const auto added = reassembler_.add(frame, view, now_ms_);
            if (added.status != net::ReassemblyResult::Status::kComplete ||
                !reassembler_.take(frame)) {
                return void(++out.left_out);
            }
        }
        if (net::parse_frame(frame, view, false) != net::FrameError::kNone || !view.is_udp ||
            view.is_fragment || out.datagrams.size() >= kCaptureMax) {
            return void(++out.left_out);
        }
        out.datagrams.push_back({view.source, view.target, std::string(view.payload)});
    }

private:
    // As an Ethernet frame, whatever the link was.
    net::Packet copy(std::span<const std::uint8_t> packet) {
        std::size_t size = 0;
        std::uint8_t* to = buffer_.data();
        if (link_ != DLT_EN10MB && packet.size() > skip_) {
            packet = packet.subspan(skip_);
            const std::uint16_t type = (packet[0] >> 4) == 6 ? kEtherIpv6 : kEtherIpv4;
            std::memset(to, 0, net::kEthernetHeader);
            to[12] = static_cast<std::uint8_t>(type >> 8);
            to[13] = static_cast<std::uint8_t>(type);
            size = net::kEthernetHeader;
        }
        const std::size_t room = buffer_.size() - size;
        const std::size_t taken = packet.size() < room ? packet.size() : room;
        if (taken != 0) std::memcpy(to + size, packet.data(), taken);
        net::Packet out;
        out.data = to;
        out.length = static_cast<std::uint32_t>(size + taken);
        out.tailroom = static_cast<std::uint32_t>(buffer_.size() - size - taken);
        return out;
    }

    int link_;
    std::size_t skip_;
    std::vector<std::uint8_t> buffer_;
    net::Reassembler reassembler_;
    std::uint64_t now_ms_ = 0;
};

std::uint64_t milliseconds(const pcap_pkthdr& header) noexcept {
    const auto seconds = header.ts.tv_sec > 0 ? static_cast<std::uint64_t>(header.ts.tv_sec) : 0;
    return seconds * 1000 + static_cast<std::uint64_t>(header.ts.tv_usec) / 1000;
}

}  // namespace

Result<Capture> read_capture(const std::string& path) {
    char error[PCAP_ERRBUF_SIZE] = {};
    const PcapFile file(pcap_open_offline(path.c_str(), error));
    if (!file) return failed(Errc::kUnavailable, fmt::format("{}: {}", path, error));
    const int link = pcap_datalink(file.get());
    if (link_header(link) == std::string::npos) {
        return failed(
            Errc::kInvalid,
            fmt::format("{}: captured on a link of type {}, which is not understood", path, link));
    }
    Capture out;
    const auto reader = std::make_unique<Reader>(link);
    SentPackets sent(path);
    pcap_pkthdr* header = nullptr;
    const std::uint8_t* bytes = nullptr;
    int got = 0;
    while ((got = pcap_next_ex(file.get(), &header, &bytes)) == 1) {
        if (sent.next()) {
            ++out.packets;
            ++out.outgoing;
            continue;
        }
        reader->add({bytes, header->caplen}, milliseconds(*header), out);
    }
    // A file cut in the middle of a packet still holds those before it.
    if (got == PCAP_ERROR && out.packets == 0) {
        return failed(Errc::kInvalid, fmt::format("{}: {}", path, pcap_geterr(file.get())));
    }
    return out;
}

}  // namespace lb::cp
