#include "dp/base/bytes.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/support/guarded_bytes.h"

namespace lb {
namespace {

std::string letters(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
    return text;
}

constexpr std::size_t kSizeMax = 150;  // every way that move_to_front() has

TEST(Bytes, MovesToTheFrontAsMemmoveDoes) {
    for (std::size_t size = 0; size <= kSizeMax; ++size) {
        for (const std::size_t shift :
             {0U, 1U, 2U, 3U, 5U, 8U, 15U, 16U, 17U, 31U, 33U, 64U, 100U, 200U}) {
            const std::string whole = letters(shift + size);
            std::string expected = whole;
            std::memmove(expected.data(), expected.data() + shift, size);
            for (const bool front : {false, true}) {
                test::GuardedBytes bytes(whole, front);
                move_to_front(bytes.data(), bytes.data() + shift, size);
                ASSERT_EQ(bytes.text(), expected) << size << " by " << shift;
            }
        }
    }
}

// What the edit list builds on: up to 64 bytes, the other way as well.
TEST(Bytes, MovesShortTextsToTheBackToo) {
    for (std::size_t size = 0; size <= 64; ++size) {
        for (const std::size_t shift : {1U, 2U, 7U, 16U, 33U, 64U}) {
            const std::string whole = letters(size + shift);
            std::string expected = whole;
            std::memmove(expected.data() + shift, expected.data(), size);
            test::GuardedBytes bytes(whole);
            move_to_front(bytes.data() + shift, bytes.data(), size);
            ASSERT_EQ(bytes.text(), expected) << size << " by " << shift;
        }
    }
}

TEST(Bytes, CopiesWithinTheSizeGiven) {
    for (std::size_t size = 0; size <= kSizeMax; ++size) {
        test::GuardedBytes from(letters(size)), to(std::string(size, '#'));
        copy_short(to.data(), from.data(), size);
        ASSERT_EQ(to.text(), from.text()) << size;
    }
}

TEST(Bytes, ComparesEveryByte) {
    for (std::size_t size = 0; size <= 40; ++size) {
        const std::string text = letters(size);
        test::GuardedBytes a(text), b(text);
        EXPECT_TRUE(same_short(a.data(), b.data(), size)) << size;
        for (std::size_t i = 0; i < size; ++i) {
            b.data()[i] ^= 0x20;
            EXPECT_FALSE(same_short(a.data(), b.data(), size)) << i << " of " << size;
            b.data()[i] ^= 0x20;
        }
    }
}

}  // namespace
}  // namespace lb
