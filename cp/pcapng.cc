#include "cp/pcapng.h"

namespace lb::cp {
namespace {

enum Block : std::uint32_t { kSection = 0x0a0d0d0a, kInterface = 1, kEnhancedPacket = 6 };
enum Option : std::uint16_t {
    kComment = 1,
    kSectionApplication = 4,
    kInterfaceName = 2,
    kInterfaceTimeUnit = 9,
    kPacketFlags = 2,
};
constexpr std::uint32_t kByteOrder = 0x1a2b3c4d;
constexpr std::uint32_t kLinkEthernet = 1;
constexpr std::string_view kNanoseconds("\x09", 1);  // 10^-9

void put(std::string& out, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}
void put16(std::string& out, std::uint32_t value) { put(out, value, 2); }
void put32(std::string& out, std::uint64_t value) { put(out, value, 4); }

void pad(std::string& out, std::size_t size) { out.append((4 - size % 4) % 4, '\0'); }

void put_option(std::string& out, std::uint16_t code, std::string_view value) {
    put16(out, code);
    put16(out, static_cast<std::uint32_t>(value.size()));
    out.append(value);
    pad(out, value.size());
}

void end_options(std::string& out) { put32(out, 0); }

// The length stands at both ends of a block, so that it can be read backwards.
void put_block(std::string& out, Block type, const std::string& body) {
    const std::size_t length = body.size() + 12;
    put32(out, type);
    put32(out, length);
    out.append(body);
    put32(out, length);
}

}  // namespace

std::string pcapng_begin(std::span<const std::string> interfaces, std::string_view application) {
    std::string out, section;
    put32(section, kByteOrder);
    put16(section, 1);  // version 1.0
    put16(section, 0);
    put(section, ~std::uint64_t{0}, 8);  // length of the section: not known
    put_option(section, kSectionApplication, application);
    end_options(section);
    put_block(out, kSection, section);
    for (const std::string& name : interfaces) {
        std::string interface;
        put32(interface, kLinkEthernet);
        put32(interface, 0);  // frames are not cut
        put_option(interface, kInterfaceName, name);
        put_option(interface, kInterfaceTimeUnit, kNanoseconds);
        end_options(interface);
        put_block(out, kInterface, interface);
    }
    return out;
}

void append_pcapng_packet(std::string& out, std::uint32_t interface, std::int64_t time_ns,
                          PcapngDirection direction, ConstBytes frame, std::string_view comment) {
    const auto time = static_cast<std::uint64_t>(time_ns);
    std::string flags, packet;
    put32(flags, static_cast<std::uint32_t>(direction));
    put32(packet, interface);
    put32(packet, time >> 32);
    put32(packet, time & 0xffffffff);
    put32(packet, frame.size());
    put32(packet, frame.size());
    packet.append(as_text(frame));
    pad(packet, frame.size());
    if (!comment.empty()) put_option(packet, kComment, comment.substr(0, kPcapngCommentMax));
    put_option(packet, kPacketFlags, flags);
    end_options(packet);
    put_block(out, kEnhancedPacket, packet);
}

}  // namespace lb::cp
