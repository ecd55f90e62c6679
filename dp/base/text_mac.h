#pragma once

// Keyed numbers for what every packet asks for (Via branch, dialog cookie): an almost-universal
// hash of the text, and one block of AES-128 over it. By the processor's instructions for both a
// fifth of the work of SipHash; without them the same values, slowly.
//
// text_mac(): two texts are cut into blocks of 16 bytes, the last one filled up with zeros. A block
// (m0, m1) with the key words (k0, k1) of its place counts as (m0 ^ k0) * (m1 ^ k1), a product of
// polynomials over GF(2), 128 bits of it (NH of UMAC, Black et al. 1999, without carries). The xor
// of all, of the number given and of both lengths is one AES block; half of it is the answer.
//
// Why nobody without the key can tell the answers from chance:
//   - The same places, other blocks: one differs, say in m0. Whatever k0 is, the sums differ by a
//     given value for one k1 at most, since products of polynomials have no divisors of zero:
//     chance 2^-64. A place more: a product of key words that are nowhere else must have a given
//     value; for zero, the likeliest, the chance is 2^-63. The same blocks, but another length or
//     number: never the same sum.
//   - AES of inputs that differ pairwise looks like chance (as a permutation it gives itself away
//     at 2^64 answers). So q answers are as good as chance but for q^2 * 2^-64: twice what two
//     equal numbers among q of 64 bits have anyway.
//   - Of texts longer than kPartMax the sum of each part is encrypted and goes into the next sum:
//     CBC-MAC over the sums. The first of them has the lengths, which say how many follow, so no
//     list of sums begins another.
//
// text_hash(): the same without the last AES block: the two halves of the sum folded into one,
// modulo x^64 + x^4 + x^3 + x + 1. Two texts chosen without knowledge of the key have the same
// number as seldom, but who sees numbers of texts of his own can work out the key's words. For
// numbers that prove nothing.
//
// The portable AES looks bytes up in a table: what it takes depends on the key, as far as a
// neighbour on the same core may see. Every x86 processor that DPDK is used on has the
// instructions.
//
// Threads: pure functions. Cost: linear; some 50 instructions for two texts of 40 bytes.

#include <cstdint>
#include <span>
#include <string_view>

#include "dp/base/text_key.h"
#if defined(__AVX__) && defined(__AES__) && defined(__PCLMUL__)
#include "dp/base/text_mac_aes.h"
#define LB_MAC_IN_LINE
#endif

namespace lb {

// The block comes as two words: one struct of them gcc takes by way of memory, in two stores and
// one load that has to wait for both.
using AesEncrypt = AesBlock (*)(const AesKey& key, std::uint64_t low, std::uint64_t high) noexcept;

// `number` tells the uses of one key apart, or is the answer for texts that go in front of these.
// REQUIRES: both texts shorter than 2^32 bytes. An empty one is best "", which is a place in
// memory: a wide load of nothing from nowhere takes the processor 80 ns.
using TextMac = std::uint64_t (*)(const TextKey& key, std::uint64_t number, std::string_view first,
                                  std::string_view second) noexcept;

// The variants that this processor can run, the fastest last; all give the same.
struct MacVariant {
    const char* name;
    AesEncrypt encrypt;
    TextMac text;
    TextMac hash;
};
std::span<const MacVariant> mac_variants() noexcept;

#if defined(LB_MAC_IN_LINE)  // built for processors with the instructions (cpu_check.h)
[[gnu::always_inline]] inline AesBlock aes_encrypt(const AesKey& key, std::uint64_t low,
                                                   std::uint64_t high) noexcept {
    return aes::encrypt(key, low, high);
}
[[gnu::always_inline]] inline std::uint64_t text_mac(const TextKey& key, std::uint64_t number,
                                                     std::string_view first,
                                                     std::string_view second) noexcept {
    return aes::text_mac(key, number, first, second);
}
[[gnu::always_inline]] inline std::uint64_t text_hash(const TextKey& key, std::uint64_t number,
                                                      std::string_view first,
                                                      std::string_view second) noexcept {
    return aes::text_hash(key, number, first, second);
}
#else  // the last variant, chosen once at start
extern AesEncrypt aes_encrypt;
extern TextMac text_mac;
extern TextMac text_hash;
#endif

}  // namespace lb
