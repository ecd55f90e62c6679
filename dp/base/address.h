#pragma once

// Network addresses as values: IPv4 and IPv6 in one type, endpoints, prefixes, MAC addresses.
// Everything here is trivially copyable, comparable and free of allocation.

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "dp/base/bytes.h"

namespace lb {

enum class Family : std::uint8_t { kNone, kIpv4, kIpv6 };

// Longest text of an address: 39 for IPv6 ("ffff:..."), 45 with an embedded IPv4 tail.
inline constexpr std::size_t kAddressTextMax = 46;
// "[address]:65535".
inline constexpr std::size_t kEndpointTextMax = kAddressTextMax + 8;

class IpAddress {
public:
    constexpr IpAddress() noexcept = default;
    // REQUIRES: 4 readable bytes, network order.
    static IpAddress from_ipv4(const std::uint8_t* bytes) noexcept {
        IpAddress address;
        if constexpr (std::endian::native == std::endian::little) {
            // Family and address in one store: copies and compares read eight bytes at a time, and
            // a read that spans two recent stores stalls the core.
            std::uint32_t quad;
            std::memcpy(&quad, bytes, 4);
            const std::uint64_t word =
                static_cast<std::uint64_t>(Family::kIpv4) | static_cast<std::uint64_t>(quad) << 8;
            std::memcpy(static_cast<void*>(&address), &word, sizeof word);
        } else {
            address.family_ = Family::kIpv4;
            std::memcpy(address.bytes_.data(), bytes, 4);
        }
        return address;
    }
    // REQUIRES: 16 readable bytes, network order. An IPv4-mapped address stays IPv6.
    static IpAddress from_ipv6(const std::uint8_t* bytes) noexcept {
        IpAddress address;
        address.family_ = Family::kIpv6;
        std::memcpy(address.bytes_.data(), bytes, 16);
        return address;
    }
    // Strict text forms of RFC 791 dotted quad (no leading zeros beyond "0") and RFC 4291; no
    // brackets, no zone. Nothing on failure. Allocation-free: workers call it.
    static std::optional<IpAddress> parse(std::string_view text) noexcept;

    Family family() const noexcept { return family_; }
    bool is_none() const noexcept { return family_ == Family::kNone; }
    bool is_ipv4() const noexcept { return family_ == Family::kIpv4; }
    bool is_ipv6() const noexcept { return family_ == Family::kIpv6; }
    // 4, 16 or 0 bytes in network order.
    ConstBytes bytes() const noexcept { return {bytes_.data(), size()}; }
    const std::uint8_t* data() const noexcept { return bytes_.data(); }
    std::size_t size() const noexcept { return is_ipv4() ? 4 : is_ipv6() ? 16 : 0; }
    unsigned bits() const noexcept { return static_cast<unsigned>(size()) * 8; }

    bool is_multicast() const noexcept {  // 224/4, ff00::/8
        return is_ipv4() ? (bytes_[0] & 0xf0) == 0xe0 : is_ipv6() && bytes_[0] == 0xff;
    }
    bool is_broadcast() const noexcept {  // 255.255.255.255
        return is_ipv4() && load_be32(data()) == 0xffffffffU;
    }
    bool is_loopback() const noexcept {  // 127/8, ::1
        return is_ipv4() ? bytes_[0] == 127 : is_ipv6_loopback();
    }
    bool is_link_local() const noexcept;   // 169.254/16, fe80::/10
    bool is_unspecified() const noexcept;  // 0.0.0.0, ::
    // The ranges nathelper calls private: 10/8, 172.16/12, 192.168/16, 100.64/10, 192.0.0.0/24
    // (spec/dispatcher.md 7.9); for IPv6 fc00::/7.
    bool is_private() const noexcept {
        if (!is_ipv4()) return is_ipv6() && (bytes_[0] & 0xfe) == 0xfc;
        if (!kFirstOfPrivate[bytes_[0]]) return false;
        const std::uint32_t a = load_be32(data());
        return (a >> 24) == 10 || (a >> 20) == 0xac1 || (a >> 16) == 0xc0a8 ||
               (a >> 22) == (0x64400000U >> 22) || (a >> 8) == 0xc00000;
    }

    // Canonical text (RFC 5952 for IPv6), no brackets. REQUIRES: kAddressTextMax writable chars.
    // Returns the number of chars written; no terminator.
    std::size_t write(char* out) const noexcept;
    std::string text() const;

    // Eight bytes of the value itself, whose first byte is the family: for compares and hashes.
    // REQUIRES: at <= 9.
    std::uint64_t word(std::size_t at) const noexcept {
        static_assert(sizeof(IpAddress) == 17, "a family and sixteen bytes");
        std::uint64_t value;
        std::memcpy(&value, reinterpret_cast<const char*>(this) + at, sizeof value);
        return value;
    }

    friend bool operator==(const IpAddress& a, const IpAddress& b) noexcept {
        if (a.word(0) != b.word(0)) return false;
        // All of an IPv4 address was in it.
        return !a.is_ipv6() || ((a.word(8) ^ b.word(8)) | (a.word(9) ^ b.word(9))) == 0;
    }
    friend std::strong_ordering operator<=>(const IpAddress&, const IpAddress&) noexcept = default;

private:
    bool is_ipv6_loopback() const noexcept;

    // By the first byte of an IPv4 address, whether it may be private.
    static constexpr std::array<bool, 256> kFirstOfPrivate = [] {
        std::array<bool, 256> rows{};
        for (const unsigned first : {10U, 100U, 172U, 192U}) rows[first] = true;
        return rows;
    }();

    Family family_ = Family::kNone;
    std::array<std::uint8_t, 16> bytes_{};  // IPv4 uses the first four, the rest is zero
};

// True for what nearly all addresses of hosts are: an IPv4 address of one host and no loopback, or
// an IPv6 address that is neither in ::/8, where all odd ones are, nor multicast.
inline bool is_plain_host(const IpAddress& address) noexcept {
    const unsigned first = address.data()[0];
    if (address.is_ipv4()) return first - 1 < 223 && first != 127;
    return address.is_ipv6() && first - 1 < 254;
}

// SIP's own port: meant wherever none is named (RFC 3261 18.1.1 and 19.1.2, UDP).
inline constexpr std::uint16_t kSipPort = 5060;

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;  // host order

    // "192.0.2.1:5060", "[2001:db8::1]:5060". Port required.
    static std::optional<Endpoint> parse(std::string_view text) noexcept;
    // As in SIP: brackets for IPv6. REQUIRES: kEndpointTextMax writable chars.
    std::size_t write(char* out) const noexcept;
    std::string text() const;

    friend bool operator==(const Endpoint&, const Endpoint&) noexcept = default;
    friend std::strong_ordering operator<=>(const Endpoint&, const Endpoint&) noexcept = default;
};

struct MacAddress {
    std::array<std::uint8_t, 6> bytes{};

    static std::optional<MacAddress> parse(std::string_view text) noexcept;  // "02:00:00:00:00:09"
    bool is_zero() const noexcept { return bytes == std::array<std::uint8_t, 6>{}; }
    std::string text() const;

    friend bool operator==(const MacAddress&, const MacAddress&) noexcept = default;
    friend std::strong_ordering operator<=>(const MacAddress&,
                                            const MacAddress&) noexcept = default;
};

struct Prefix {
    IpAddress address;        // host bits are kept as given: "10.77.0.1/24" is an interface address
    std::uint8_t length = 0;  // 0..32 or 0..128

    static std::optional<Prefix> parse(std::string_view text) noexcept;  // "10.0.0.0/8", or a host
    bool contains(const IpAddress& other) const noexcept;
    Prefix network() const noexcept;  // host bits zeroed
    std::string text() const;

    friend bool operator==(const Prefix&, const Prefix&) noexcept = default;
    friend std::strong_ordering operator<=>(const Prefix&, const Prefix&) noexcept = default;
};

// Both halves of a product of two words: every bit of the result hangs on every bit of them.
inline std::uint64_t fold_product(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Product = unsigned __int128;
    const Product product = static_cast<Product>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Mixes an endpoint or address for hash tables that are not exposed to crafted collisions: tables
// are built by the control plane and bounded in probe length by their builders. Well mixed in all
// bits; not the same in another release.
inline constexpr std::uint64_t kHashFactor = 0xa0761d6478bd642f;
inline std::uint64_t hash_of(const IpAddress& address) noexcept {
    constexpr std::uint64_t kOther = 0xe7037ed1a0b428db;
    if (address.is_ipv4()) return fold_product(address.word(0), kHashFactor);
    return fold_product(address.word(1) ^ kHashFactor,
                        fold_product(address.word(9), kOther) + kHashFactor);
}

inline std::uint64_t hash_of(const Endpoint& endpoint) noexcept {
    const std::uint64_t port = endpoint.port;
    if (endpoint.address.is_ipv4())  // all of it in five bytes
        return fold_product(endpoint.address.word(0) | port << 40, kHashFactor);
    return fold_product(hash_of(endpoint.address) + port, 0xd6e8feb86659fd93);
}

}  // namespace lb
