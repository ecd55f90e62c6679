#pragma once

// The slow, obvious twin of dp/net/checksum.h: RFC 1071 word by word, as its text says it.

#include <cstdint>

#include "dp/base/address.h"
#include "dp/base/bytes.h"

namespace lb::test {

inline std::uint16_t slow_sum(ConstBytes data) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < data.size(); ++i) {
        sum += i % 2 == 0 ? data[i] * 256U : data[i];
        if (sum > 0xffff) sum = (sum & 0xffff) + 1;
    }
    return static_cast<std::uint16_t>(sum);
}

// Over the pseudo header and `message`, a whole one of that IP protocol.
inline std::uint16_t slow_upper_sum(const IpAddress& source, const IpAddress& target,
                                    std::uint8_t protocol, ConstBytes message) {
    std::uint8_t all[16 + 16 + 8 + 65536];
    std::size_t size = 0;
    for (const IpAddress* address : {&source, &target}) {
        for (const std::uint8_t byte : address->bytes()) all[size++] = byte;
    }
    store_be32(all + size, static_cast<std::uint32_t>(message.size()));
    store_be32(all + size + 4, protocol);
    size += 8;
    for (const std::uint8_t byte : message) all[size++] = byte;
    return slow_sum({all, size});
}

inline std::uint16_t slow_udp_sum(const IpAddress& source, const IpAddress& target,
                                  ConstBytes udp) {
    return slow_upper_sum(source, target, 17, udp);
}

}  // namespace lb::test
