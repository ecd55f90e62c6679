#include "dp/base/text_mac.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "dp/base/keyed_hash.h"
#include "tests/support/guarded_bytes.h"

namespace lb {
namespace {

using Octets = std::array<std::uint8_t, 16>;

AesBlock block_of(const Octets& octets) { return std::bit_cast<AesBlock>(octets); }

struct AesRow {
    Octets key, plain, cipher;
};

const AesRow kAesRows[] = {
    // FIPS 197, appendix B.
    {{0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f,
      0x3c},
     {0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d, 0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37, 0x07,
      0x34},
     {0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb, 0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a, 0x0b,
      0x32}},
    // FIPS 197, appendix C.1.
    {{0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
      0x0f},
     {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
      0xff},
     {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5,
      0x5a}},
    // NIST SP 800-38A, F.1.1, block 1.
    {{0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f,
      0x3c},
     {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17,
      0x2a},
     {0x3a, 0xd7, 0x7b, 0xb4, 0x0d, 0x7a, 0x36, 0x60, 0xa8, 0x9e, 0xca, 0xf3, 0x24, 0x66, 0xef,
      0x97}},
};

// What is called everywhere: one of the variants, or in line.
const MacVariant kInUse{
    "in use",
    [](const AesKey& key, std::uint64_t low, std::uint64_t high) noexcept {
        return aes_encrypt(key, low, high);
    },
    [](const TextKey& key, std::uint64_t number, std::string_view first,
       std::string_view second) noexcept { return text_mac(key, number, first, second); },
    [](const TextKey& key, std::uint64_t number, std::string_view first,
       std::string_view second) noexcept { return text_hash(key, number, first, second); }};

std::vector<MacVariant> all_variants() {
    std::vector<MacVariant> all(mac_variants().begin(), mac_variants().end());
    all.push_back(kInUse);
    return all;
}

TEST(Aes, MatchesThePublishedVectors) {
    for (const MacVariant& variant : all_variants()) {
        for (const AesRow& row : kAesRows) {
            const AesKey key = AesKey::expand(block_of(row.key));
            const AesBlock plain = block_of(row.plain);
            EXPECT_EQ(variant.encrypt(key, plain.low, plain.high), block_of(row.cipher))
                << variant.name;
        }
    }
}

// FIPS 197, appendix A.1.
TEST(Aes, ExpandsAKeyAsPublished) {
    const AesKey key = AesKey::expand(block_of(kAesRows[0].key));
    const Octets last{0xd0, 0x14, 0xf9, 0xa8, 0xc9, 0xee, 0x25, 0x89,
                      0xe1, 0x3f, 0x0c, 0xc8, 0xb6, 0x63, 0x0c, 0xa6};
    EXPECT_TRUE(std::equal(last.begin(), last.end(), key.rounds.end() - 16));
}

TEST(Aes, VariantsAgree) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 2000; ++i) {
        const AesKey key = AesKey::expand({random(), random()});
        const std::uint64_t low = random(), high = random();
        for (const MacVariant& variant : all_variants()) {
            ASSERT_EQ(variant.encrypt(key, low, high), mac_variants()[0].encrypt(key, low, high))
                << variant.name;
        }
    }
}

// text_mac() and text_hash() as their header says it, bit by bit.
class SlowMac {
public:
    SlowMac(const TextKey& key, std::uint64_t number) : key_(key), low_(number) {}

    std::uint64_t of(std::string_view first, std::string_view second) {
        add(first, second);
        encrypt();
        return low_;
    }
    std::uint64_t hash_of(std::string_view first, std::string_view second) {
        add(first, second);
        for (const unsigned shift : {0U, 1U, 3U, 4U}) low_ ^= high_ << shift;
        return low_;
    }

private:
    void add(std::string_view first, std::string_view second) {
        high_ = first.size() + (static_cast<std::uint64_t>(second.size()) << 32);
        add_all_but_last(first, 0);
        add_all_but_last(second, TextKey::kWords / 2);
        add_part(first, 0);
        add_part(second, TextKey::kWords / 2);
    }
    void add_all_but_last(std::string_view& text, std::size_t word) {
        while (text.size() > TextKey::kPartMax) {
            add_part(text.substr(0, TextKey::kPartMax), word);
            encrypt();
            text = text.substr(TextKey::kPartMax);
        }
    }
    void add_part(std::string_view part, std::size_t word) {
        std::string padded(part);
        while (padded.size() % 16 != 0) padded += '\0';
        for (std::size_t at = 0; at < padded.size(); at += 8) {
            std::uint64_t m;
            std::memcpy(&m, padded.data() + at, 8);
            factors_[at / 8 % 2] = m ^ key_.words[word + at / 8];
            if (at % 16 == 8) add_product();
        }
    }
    void add_product() {
        for (unsigned a = 0; a < 64; ++a) {
            for (unsigned b = 0; b < 64; ++b) {
                const std::uint64_t bit = factors_[0] >> a & factors_[1] >> b & 1;
                (a + b < 64 ? low_ : high_) ^= bit << (a + b) % 64;
            }
        }
    }
    void encrypt() {
        const AesBlock block = mac_variants()[0].encrypt(key_.cipher, low_, high_);
        low_ = block.low;
        high_ = block.high;
    }

    const TextKey& key_;
    std::uint64_t factors_[2] = {};
    std::uint64_t low_;
    std::uint64_t high_ = 0;
};

const TextKey kKey = Secret::derive(as_bytes("sixteen bytes of entropy")).cookie;

std::string random_text(std::mt19937_64& random, std::size_t size) {
    std::string text(size, ' ');
    for (char& c : text) c = static_cast<char>(random());
    return text;
}

void expect_all_as_slow(std::string_view first, std::string_view second, std::uint64_t number) {
    const std::uint64_t slow = SlowMac(kKey, number).of(first, second);
    const std::uint64_t hash = SlowMac(kKey, number).hash_of(first, second);
    for (const bool front : {false, true}) {  // either end at an unmapped page
        const test::GuardedBytes a(first, front), b(second, front);
        for (const MacVariant& variant : all_variants()) {
            ASSERT_EQ(variant.text(kKey, number, a.text(), b.text()), slow)
                << variant.name << ' ' << first.size() << ' ' << second.size();
            ASSERT_EQ(variant.hash(kKey, number, a.text(), b.text()), hash)
                << variant.name << ' ' << first.size() << ' ' << second.size();
        }
    }
}

TEST(TextMac, VariantsAgreeWithTheirSlowTwinAtEveryLength) {
    std::mt19937_64 random(2);
    for (std::size_t size = 0; size < 300; ++size) {
        expect_all_as_slow(random_text(random, size), {}, random());
        expect_all_as_slow({}, random_text(random, size), random());
        expect_all_as_slow(random_text(random, size), random_text(random, random() % 300),
                           random());
    }
    expect_all_as_slow(random_text(random, 65535), random_text(random, 1000), 1);
}

// What differs in length, in the place of a cut, in zeros at the end or in one bit only.
class TextNumbers : public testing::TestWithParam<TextMac> {};

TEST_P(TextNumbers, NoTwoListsAreTheSame) {
    std::set<std::uint64_t> seen;
    std::size_t count = 0;
    const auto add = [&](std::uint64_t number, std::string_view first, std::string_view second) {
        seen.insert(GetParam()(kKey, number, first, second));
        EXPECT_EQ(seen.size(), ++count) << number << ' ' << first.size() << ' ' << second.size();
    };
    const std::string zeros(400, '\0');
    for (std::size_t a = 0; a < 300; a += 7) {
        for (std::size_t b = 0; b < 300; b += 11)
            add(1, std::string_view(zeros).substr(0, a), std::string_view(zeros).substr(0, b));
    }
    add(2, {}, {});
    add(3, {}, {});
    std::string text(300, 'x');
    for (std::size_t cut = 0; cut <= text.size(); ++cut)
        add(1, std::string_view(text).substr(0, cut), std::string_view(text).substr(cut));
    for (std::size_t i = 0; i < text.size(); ++i) {
        text[i] ^= 1;
        add(1, text, {});
        add(1, {}, text);
        text[i] ^= 1;
    }
}

TEST_P(TextNumbers, EveryWordOfTheKeyCounts) {
    const std::string text(TextKey::kPartMax, 'x');
    std::set<std::uint64_t> seen{GetParam()(kKey, 1, text, text)};
    for (std::size_t i = 0; i < TextKey::kWords; ++i) {
        TextKey changed = kKey;
        changed.words[i] ^= 1;
        seen.insert(GetParam()(changed, 1, text, text));
    }
    EXPECT_EQ(seen.size(), TextKey::kWords + 1);
}

INSTANTIATE_TEST_SUITE_P(All, TextNumbers, testing::Values(kInUse.text, kInUse.hash));

}  // namespace
}  // namespace lb
