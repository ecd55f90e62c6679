#include "dp/sip/edit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/support/guarded_bytes.h"

namespace lb::sip {
namespace {

// The slow twin: builds a new string.
struct NaiveEdit {
    std::size_t at, size;
    std::string text;
};

std::string apply_naive(std::string_view message, const std::vector<NaiveEdit>& edits) {
    std::string out;
    std::size_t from = 0;
    for (const NaiveEdit& edit : edits) {
        out += message.substr(from, edit.at - from);
        out += edit.text;
        from = edit.at + edit.size;
    }
    return out + std::string(message.substr(from));
}

TEST(EditList, ReplacesInsertsAndRemoves) {
    std::string buffer(32, '#');
    const std::string_view text = "INVITE a\r\nVia: b\r\nTo: c\r\n";
    buffer += text;
    char* const begin = buffer.data() + 32;
    EditList edits;
    edits.clear();
    edits.insert(begin + 10, "Via: us\r\n");
    edits.insert(begin + 10, "Second\r\n");
    edits.remove({begin + 18, 7});
    edits.replace({begin + 7, 1}, "bb");
    ASSERT_TRUE(edits.ok());
    EXPECT_EQ(edits.growth(), 9 + 8 - 7 + 1);
    const auto [out, gap] = edits.apply(begin, text.size());
    EXPECT_EQ(gap, nullptr);
    EXPECT_EQ(out, begin - edits.growth());
    EXPECT_EQ(std::string_view(out, text.size() + 11),
              "INVITE bb\r\nVia: us\r\nSecond\r\nVia: b\r\n");
}

TEST(EditList, RefusesOverlapsAndTooMany) {
    const std::string_view text = "0123456789";
    EditList edits;
    edits.clear();
    edits.replace(text.substr(2, 3), "x");
    edits.insert(text.data() + 2, "in front is fine");
    edits.insert(text.data() + 5, "behind is fine");
    EXPECT_TRUE(edits.ok());
    edits.insert(text.data() + 3, "inside is not");
    EXPECT_FALSE(edits.ok());
    edits.clear();
    edits.replace(text.substr(4, 3), "x");
    edits.replace(text.substr(2, 3), "x");
    EXPECT_FALSE(edits.ok());
    edits.clear();
    for (std::size_t i = 0; i < EditList::kEditsMax; ++i) edits.insert(text.data(), "x");
    EXPECT_TRUE(edits.ok());
    edits.insert(text.data(), "x");
    EXPECT_FALSE(edits.ok());
}

TEST(EditList, ArenaIsBounded) {
    EditList edits;
    edits.clear();
    char* const first = edits.room(EditList::kArenaSize);
    ASSERT_NE(first, nullptr);
    edits.shrink(first + 10);
    EXPECT_EQ(edits.copy("abc"), "abc");
    EXPECT_NE(edits.room(EditList::kArenaSize - 13), nullptr);
    EXPECT_TRUE(edits.ok());
    EXPECT_EQ(edits.room(1), nullptr);
    EXPECT_FALSE(edits.ok());
}

TEST(EditList, LeavesAGapForATextThatIsComposedLater) {
    constexpr std::string_view kText = "INVITE a\r\nVia: b\r\nTo: c\r\n";
    for (const std::string_view uri : {"a", "", "sip:a-long-one"}) {
        for (const std::string_view via : {"b", "", "SIP/2.0/UDP b;received=a"}) {
            std::string buffer(64, '#');
            buffer += kText;
            char* const begin = buffer.data() + 64;
            EditList edits;
            edits.clear();
            edits.insert_gap(begin + 10, 9);
            edits.replace({begin + 15, 1}, via);
            edits.replace({begin + 7, 1}, uri);
            ASSERT_TRUE(edits.ok());
            EXPECT_EQ(edits.growth(), static_cast<std::ptrdiff_t>(uri.size() + via.size() + 9 - 2));
            const auto [out, gap] = edits.apply(begin, kText.size());
            ASSERT_EQ(gap, out + 9 + uri.size());
            std::memcpy(gap, "Via: us\r\n", 9);
            EXPECT_EQ(std::string_view(out, buffer.data() + buffer.size()),
                      "INVITE " + std::string(uri) + "\r\nVia: us\r\nVia: " + std::string(via) +
                          "\r\nTo: c\r\n");
        }
    }
}

TEST(EditList, AgreesWithANaiveTwin) {
    std::mt19937 random(20240611);
    const auto below = [&random](std::size_t limit) { return random() % limit; };
    for (int round = 0; round < 20000; ++round) {
        const std::size_t scale = round % 2 == 0 ? 1 : 12;  // short pieces and texts, and long ones
        std::string message(below(60 * scale), '\0');
        for (char& c : message) c = static_cast<char>('a' + below(26));
        std::vector<NaiveEdit> naive;
        std::size_t at = 0;
        for (std::size_t n = below(7); n > 0; --n) {
            at += below(10 * scale);
            if (at > message.size()) break;
            const std::size_t size = std::min<std::size_t>(below(8 * scale), message.size() - at);
            naive.push_back({at, size, std::string(below(12 * scale), static_cast<char>('A' + n))});
            at += size;
        }
        const std::string expected = apply_naive(message, naive);
        const std::size_t growth =
            expected.size() > message.size() ? expected.size() - message.size() : 0;
        test::GuardedBytes bytes(std::string(growth, '#') + message);
        char* const begin = bytes.data() + growth;
        EditList edits;
        edits.clear();
        // Given in any order, but insertions at one place must stand in theirs.
        std::vector<NaiveEdit> given = naive;
        if (below(2) == 0) {
            std::stable_sort(given.begin(), given.end(),
                             [](const auto& a, const auto& b) { return a.at % 3 < b.at % 3; });
        }
        for (const NaiveEdit& edit : given) edits.replace({begin + edit.at, edit.size}, edit.text);
        ASSERT_TRUE(edits.ok());
        const char* const out = edits.apply(begin, message.size()).begin;
        ASSERT_EQ(std::string_view(out, expected.size()), expected);
        ASSERT_EQ(out + expected.size(), begin + message.size()) << "the tail moved";
    }
}

}  // namespace
}  // namespace lb::sip
