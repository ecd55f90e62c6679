#include "cp/pcapng.h"

namespace lb::cp {
namespace {

enum Block : std::uint32_t {
    kSection = 0x0a0d0d0a,
    kInterface = 1,
    kOldPacket = 2,
    kSimplePacket = 3,
    kEnhancedPacket = 6,
};
enum Option : std::uint16_t {
    kComment = 1,
    kSectionApplication = 4,
    kInterfaceName = 2,
    kInterfaceTimeUnit = 9,
    kPacketFlags = 2,
};
constexpr std::uint32_t kByteOrder = 0x1a2b3c4d;
constexpr std::uint32_t kBlockMax = 16 * 1024 * 1024;  // as libpcap has it
// Where things stand from the beginning of a block.
constexpr std::size_t kSectionOptions = 24, kPacketCaptured = 20, kPacketData = 28;
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

SentPackets::SentPackets(const std::string& path) : file_(path, std::ios::binary) {}

std::uint32_t SentPackets::number(std::size_t at, std::size_t bytes) const {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < bytes && at + bytes <= body_.size(); ++i) {
        const std::size_t from = big_endian_ ? at + i : at + bytes - 1 - i;
        out = out << 8 | static_cast<std::uint8_t>(body_[from]);
    }
    return out;
}

// Empty if it is not there.
std::string_view SentPackets::option(std::size_t at, std::uint16_t code) const {
    while (at + 4 <= body_.size() - 4) {
        const std::uint32_t found = number(at, 2), size = number(at + 2, 2);
        if (found == 0 || at + 4 + size > body_.size() - 4) break;
        if (found == code) return std::string_view(body_).substr(at + 4, size);
        at += 4 + (size + 3) / 4 * 4;
    }
    return {};
}

// REQUIRES: type and length stand in body_, of a section. Its byte order comes behind its length.
bool SentPackets::begin_section() {
    char magic[4];
    if (!file_.read(magic, sizeof magic)) return false;
    body_.append(magic, sizeof magic);
    big_endian_ = true;
    if (number(8, 4) == kByteOrder) return true;
    big_endian_ = false;
    return number(8, 4) == kByteOrder;
}

bool SentPackets::read_block() {
    body_.resize(8);
    if (!file_.read(body_.data(), 8)) return false;
    type_ = number(0, 4);  // that of a section reads the same both ways
    if (type_ == kSection && !begin_section()) return false;
    const std::uint32_t length = number(4, 4);
    if (length < body_.size() + 4 || length > kBlockMax) return false;
    const std::size_t before = body_.size();
    body_.resize(length);
    return static_cast<bool>(
        file_.read(body_.data() + before, static_cast<std::streamsize>(length - before)));
}

bool SentPackets::next() {
    while (file_ && read_block()) {
        switch (type_) {
            case kSection:
                ours_ =
                    option(kSectionOptions, kSectionApplication).starts_with(kPcapngApplication);
                break;
            case kSimplePacket:
            case kOldPacket:
                return false;
            case kEnhancedPacket: {
                const std::size_t size = number(kPacketCaptured, 4);
                const std::size_t options = kPacketData + (size + 3) / 4 * 4;
                const std::string_view flags = option(options, kPacketFlags);
                if (!ours_ || flags.size() != 4) return false;
                const auto at = static_cast<std::size_t>(flags.data() - body_.data());
                return (number(at, 4) & 3) ==
                       static_cast<std::uint32_t>(PcapngDirection::kOutbound);
            }
            default:
                break;
        }
    }
    file_.close();
    return false;
}

}  // namespace lb::cp
