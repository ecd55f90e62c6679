#include "dp/base/address.h"

#include <algorithm>
#include <charconv>

#include "dp/base/quad.h"

namespace lb {
namespace {

// One decimal number 0..255 without sign or leading zero. Returns its end, or null.
[[gnu::always_inline]] inline const char* parse_octet(const char* at, const char* end,
                                                      std::uint8_t* out) noexcept {
    const auto digit_at = [end](const char* digit) {  // 10 and more: none
        return digit == end ? 255U
                            : static_cast<unsigned>(static_cast<unsigned char>(*digit)) - '0';
    };
    unsigned value = digit_at(at);
    if (value > 9) return nullptr;
    if (const unsigned second = digit_at(++at); second <= 9) {
        if (value == 0) return nullptr;
        value = value * 10 + second;
        if (const unsigned third = digit_at(++at); third <= 9) {
            value = value * 10 + third;
            if (value > 255) return nullptr;
            ++at;
        }
    }
    *out = static_cast<std::uint8_t>(value);
    return at;
}

// Strict dotted quad, at the front of a text: parse_whole_quad() (quad.h) takes the whole of one.
// Returns the end of what was read, or null.
const char* parse_quad(const char* at, const char* end, std::uint8_t* out) noexcept {
    for (int i = 0; i < 3; ++i) {
        at = parse_octet(at, end, out + i);
        if (at == nullptr || at == end || *at != '.') return nullptr;
        ++at;
    }
    at = parse_octet(at, end, out + 3);
    const bool too_long = at != nullptr && at != end && *at >= '0' && *at <= '9';
    return too_long ? nullptr : at;
}

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool parse_ipv6(std::string_view text, std::uint8_t* out) noexcept {
    std::array<std::uint8_t, 16> bytes{};
    std::size_t count = 0;  // bytes written
    std::size_t gap = 17;   // where "::" stood; 17: nowhere
    const char* at = text.data();
    const char* const end = at + text.size();

    if (text.size() >= 2 && at[0] == ':' && at[1] == ':') {
        gap = 0;
        at += 2;
    }
    while (at != end) {
        if (count == 16) return false;
        const char* const group = at;
        unsigned value = 0;
        while (at != end && at - group < 4 && hex_value(*at) >= 0) {
            value = value * 16 + static_cast<unsigned>(hex_value(*at));
            ++at;
        }
        if (at != end && *at == '.') {  // an IPv4 tail takes the last four bytes
            if (count > 12 || parse_quad(group, end, bytes.data() + count) != end) return false;
            count += 4;
            at = end;
            break;
        }
        if (at == group) return false;
        bytes[count++] = static_cast<std::uint8_t>(value >> 8);
        bytes[count++] = static_cast<std::uint8_t>(value);
        if (at == end) break;
        if (*at != ':') return false;
        ++at;
        if (at == end) return false;  // a single ':' at the end
        if (*at == ':') {
            if (gap != 17) return false;
            gap = count;
            ++at;
        }
    }
    if (gap == 17) {
        if (count != 16) return false;
    } else {
        if (count > 14) return false;  // "::" stands for at least one group
        std::copy_backward(bytes.begin() + static_cast<std::ptrdiff_t>(gap),
                           bytes.begin() + static_cast<std::ptrdiff_t>(count), bytes.end());
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(gap),
                  bytes.end() - static_cast<std::ptrdiff_t>(count - gap), std::uint8_t{0});
    }
    std::copy(bytes.begin(), bytes.end(), out);
    return true;
}

// Apart from IPv4, which needs no saved registers then.
[[gnu::noinline]] std::optional<IpAddress> parse_any_ipv6(std::string_view text) noexcept {
    std::array<std::uint8_t, 16> bytes;
    if (text.find(':') == std::string_view::npos) return {};
    if (!parse_ipv6(text, bytes.data())) return {};
    return IpAddress::from_ipv6(bytes.data());
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
    return port;
}

char* write_decimal(char* out, unsigned value) noexcept {
    return std::to_chars(out, out + 10, value).ptr;
}

// The numbers 0 to 255 as text with a dot behind, first character lowest, and the bits that this
// takes.
struct Octet {
    std::uint32_t text = 0;
    std::uint32_t bits = 0;
};
constexpr auto kOctets = [] {
    std::array<Octet, 256> rows{};
    for (unsigned value = 0; value < 256; ++value) {
        Octet& row = rows[value];
        const auto put = [&](unsigned c) {
            row.text |= c << row.bits;
            row.bits += 8;
        };
        for (unsigned unit = value > 99 ? 100 : value > 9 ? 10 : 1; unit != 0; unit /= 10) {
            put('0' + value / unit % 10);
        }
        put('.');
    }
    return rows;
}();

// Two octets, each with its dot: 4 to 8 characters.
struct OctetPair {
    std::uint64_t text;
    std::uint32_t bits;

    [[gnu::always_inline]] OctetPair(std::uint8_t first, std::uint8_t second) noexcept {
        const Octet& a = kOctets[first];
        const Octet& b = kOctets[second];
        text = a.text | std::uint64_t{b.text} << a.bits;
        bits = a.bits + b.bits;
    }
};

// Composed in registers and written by one store, since it is read again at once, and what stands
// in several stores is slow to read. REQUIRES: 16 writable chars.
std::size_t write_ipv4(const std::uint8_t* bytes, char* out) noexcept {
    const OctetPair front(bytes[0], bytes[1]), back(bytes[2], bytes[3]);
    static_assert(std::endian::native == std::endian::little);
    store_word(out, Block{front.text | back.text << (front.bits - 8) << 8,  // 64 needs two shifts
                          back.text >> (64 - front.bits)});
    return std::size_t{front.bits + back.bits} / 8 - 1;  // the last dot is no part of it
}

// RFC 5952: the longest run of two or more zero groups, the first of equals, becomes "::".
[[gnu::noinline]] std::size_t write_ipv6(const std::uint8_t* bytes, char* out) noexcept {
    char* at = out;
    int best = -1, best_length = 1;
    for (int i = 0; i < 8;) {
        int length = 0;
        while (i + length < 8 && load_be16(bytes + 2 * (i + length)) == 0) ++length;
        if (length > best_length) {
            best = i;
            best_length = length;
        }
        i += length == 0 ? 1 : length;
    }
    for (int i = 0; i < 8;) {
        if (i == best) {
            *at++ = ':';
            *at++ = ':';
            i += best_length;
            continue;
        }
        if (i != 0 && i != best + best_length) *at++ = ':';
        at = std::to_chars(at, at + 4, load_be16(bytes + 2 * i), 16).ptr;
        ++i;
    }
    return static_cast<std::size_t>(at - out);
}

}  // namespace

#if !defined(__SSE4_1__)
bool parse_whole_quad(std::string_view text, std::uint8_t* quad) noexcept {
    const char* const end = text.data() + text.size();
    return !text.empty() && parse_quad(text.data(), end, quad) == end;
}
#endif

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
    std::uint8_t quad[4];
    if (parse_whole_quad(text, quad)) return from_ipv4(quad);
    return parse_any_ipv6(text);
}

bool IpAddress::is_ipv6_loopback() const noexcept {
    return is_ipv6() && bytes_[15] == 1 &&
           std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; });
}

bool IpAddress::is_link_local() const noexcept {
    if (is_ipv4()) return bytes_[0] == 169 && bytes_[1] == 254;
    return is_ipv6() && bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_unspecified() const noexcept {
    return !is_none() && word(1) == 0 && word(9) == 0;
}

std::size_t IpAddress::write(char* out) const noexcept {
    if (is_ipv4()) return write_ipv4(bytes_.data(), out);
    return is_ipv6() ? write_ipv6(bytes_.data(), out) : 0;
}

std::string IpAddress::text() const {
    char buffer[kAddressTextMax];
    return {buffer, write(buffer)};
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) noexcept {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return {};
    std::string_view host = text.substr(0, colon);
    const auto port = parse_port(text.substr(colon + 1));
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const auto address = IpAddress::parse(host);
    if (!port || !address || address->is_ipv6() != bracketed) return {};
    return Endpoint{*address, *port};
}

std::size_t Endpoint::write(char* out) const noexcept {
    char* at = out;
    if (address.is_ipv6()) *at++ = '[';
    at += address.write(at);
    if (address.is_ipv6()) *at++ = ']';
    *at++ = ':';
    return static_cast<std::size_t>(write_decimal(at, port) - out);
}

std::string Endpoint::text() const {
    char buffer[kEndpointTextMax];
    return {buffer, write(buffer)};
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) noexcept {
    MacAddress mac;
    if (text.size() != 17) return {};
    for (std::size_t i = 0; i < 6; ++i) {
        const int high = hex_value(text[3 * i]);
        const int low = hex_value(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i != 5 && text[3 * i + 2] != ':')) return {};
        mac.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return mac;
}

std::string MacAddress::text() const {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) {
        if (!text.empty()) text += ':';
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

std::optional<Prefix> Prefix::parse(std::string_view text) noexcept {
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return {};
    if (slash == std::string_view::npos) {
        return Prefix{*address, static_cast<std::uint8_t>(address->bits())};
    }
    const auto length = parse_port(text.substr(slash + 1));
    if (!length || *length > address->bits()) return {};
    return Prefix{*address, static_cast<std::uint8_t>(*length)};
}

bool Prefix::contains(const IpAddress& other) const noexcept {
    if (other.family() != address.family()) return false;
    const std::size_t whole = length / 8;
    if (std::memcmp(address.data(), other.data(), whole) != 0) return false;
    const unsigned rest = length % 8;
    if (rest == 0) return true;
    const unsigned mask = 0xff00U >> rest;
    return ((address.data()[whole] ^ other.data()[whole]) & mask & 0xff) == 0;
}

Prefix Prefix::network() const noexcept {
    std::array<std::uint8_t, 16> bytes{};
    std::copy_n(address.data(), address.size(), bytes.begin());
    for (unsigned bit = length; bit < address.bits(); ++bit) {
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> (bit % 8)));
    }
    Prefix result = *this;
    if (address.is_ipv4()) result.address = IpAddress::from_ipv4(bytes.data());
    if (address.is_ipv6()) result.address = IpAddress::from_ipv6(bytes.data());
    return result;
}

std::string Prefix::text() const { return address.text() + "/" + std::to_string(length); }

}  // namespace lb
