#include "dp/sip/char_set.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/support/guarded_bytes.h"

namespace lb::sip {
namespace {

constexpr CharSet kListed(";,\" \t");
constexpr CharSet kAllBut = CharSet("-.", true).with_letters_and_digits();
constexpr CharSet kControls = CharSet("<>").with_controls();

const char* find_naive(const CharSet& set, std::string_view text) {
    const char* at = text.data();
    while (at != text.data() + text.size() && !set.has(*at)) ++at;
    return at;
}

TEST(CharSet, HasWhatItWasGiven) {
    for (int c = 0; c < 256; ++c) {
        const char character = static_cast<char>(c);
        const std::string_view listed(";,\" \t");
        EXPECT_EQ(kListed.has(character), listed.find(character) != std::string_view::npos) << c;
        const bool alnum = c < 128 && std::isalnum(c) != 0;
        EXPECT_EQ(kAllBut.has(character), !alnum && character != '-' && character != '.') << c;
        EXPECT_EQ(kControls.has(character), c <= 0x20 || c == 0x7f || c == '<' || c == '>') << c;
    }
}

// Every length around the steps of 16, the text between unmapped pages on either side.
TEST(CharSet, FindsWhatAPlainLoopFinds) {
    std::mt19937 random(1);
    for (std::size_t round = 0; round < 20000; ++round) {
        std::string text(random() % 70, 'a');
        for (char& c : text) {
            if (random() % 24 == 0) c = static_cast<char>(random());
        }
        const test::GuardedBytes back(text), front(text, true);
        for (const auto& bytes : {back.text(), front.text()}) {
            for (const CharSet* set : {&kListed, &kAllBut, &kControls}) {
                ASSERT_EQ(set->find(bytes.data(), bytes.data() + bytes.size()),
                          find_naive(*set, bytes))
                    << text;
            }
        }
    }
}

}  // namespace
}  // namespace lb::sip
