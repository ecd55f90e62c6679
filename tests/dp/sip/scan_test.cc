#include "dp/sip/scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "dp/sip/text.h"
#include "tests/dp/sip/sample.h"
#include "tests/support/guarded_bytes.h"

namespace lb::sip {
namespace {

// Nothing but the definition: byte by byte.
struct NaiveIndex {
    std::vector<std::uint32_t> line_ends;
    bool closed = false;
    bool too_many = false;
};

NaiveIndex scan_naive(std::string_view text) {
    NaiveIndex index;
    std::string line;
    for (std::uint32_t i = 0; i < text.size() && !index.closed; ++i) {
        line += text[i];
        if (text[i] != '\n') continue;
        if (index.line_ends.size() == TextIndex::kLinesMax) {
            index.too_many = true;
            return index;
        }
        index.line_ends.push_back(i + 1);
        index.closed = line == "\n" || line == "\r\n";
        line.clear();
    }
    return index;
}

// Of every byte that may be asked for. What lies behind the header section does not matter.
void expect_breaks(const TextIndex& index, std::string_view text, std::size_t header_end) {
    const char* const end = text.data() + header_end;
    const char* expected = end;
    for (std::size_t i = header_end + 1; i-- > 0;) {
        if (i < header_end && !is_token(text[i])) expected = text.data() + i;
        ASSERT_EQ(std::min(index.next_break(text.data() + i), end), expected)
            << text << " at " << i;
    }
}

void expect_same(ScanFunction scan, std::string_view text) {
    const test::GuardedBytes bytes(text);
    static TextIndex found;
    const NaiveIndex expected = scan_naive(text);
    scan(bytes.text(), found);
    ASSERT_EQ(found.lines, expected.line_ends.size()) << text;
    ASSERT_EQ(found.closed, expected.closed) << text;
    ASSERT_EQ(found.too_many, expected.too_many) << text;
    for (std::size_t i = 0; i < expected.line_ends.size(); ++i) {
        ASSERT_EQ(found.line_ends[i], bytes.text().data() + expected.line_ends[i]) << text;
    }
    if (expected.too_many) return;
    expect_breaks(found, bytes.text(),
                  expected.closed ? expected.line_ends.back() : bytes.text().size());
}

class Scan : public testing::TestWithParam<ScanKind> {
protected:
    void SetUp() override {
        scan_ = scan_variant(GetParam());
        if (scan_ == nullptr) GTEST_SKIP() << "this CPU does not have the instructions";
    }
    ScanFunction scan_ = nullptr;
};

TEST_P(Scan, Samples) {
    for (const std::string_view text : {test::kInvite, test::kTortuous}) {
        for (std::size_t size = 0; size <= text.size(); ++size) {
            expect_same(scan_, text.substr(0, size));
        }
    }
}

TEST_P(Scan, RandomText) {
    std::mt19937 random(512);
    for (int round = 0; round < 5000; ++round) {
        std::string text(1 + random() % 400, 'x');
        const auto density = static_cast<unsigned>(2 + random() % 40);
        for (char& c : text) {
            if (random() % density == 0) c = "\n\r\n"[random() % 3];
        }
        text[0] = 'x';  // line 0 is not empty
        expect_same(scan_, text);
    }
}

// Line ends close to each other at every place of a block, across its end, and near the text's end.
TEST_P(Scan, EmptyLinesEverywhere) {
    for (const std::string_view part :
         {"\r\n\r\n", "\n\n", "\n\r\n", "\r\n\n", "\n\n\n", "\nx\n", "\nx\nx\n\n", "\n\rx\n",
          "\nx\n\r\n", "\n:\n:\n:\n:\n:\n:\n\r\n"}) {
        for (const std::size_t behind : {std::size_t{0}, std::size_t{1}, std::size_t{70}}) {
            for (std::size_t at = 1; at < 200; ++at) {
                expect_same(scan_,
                            std::string(at, 'x') + std::string(part) + std::string(behind, 'x'));
            }
        }
    }
}

TEST_P(Scan, TooManyLines) {
    std::string text;
    for (std::size_t i = 0; i < kHeaderLinesMax + 1; ++i) text += "x\n";
    expect_same(scan_, text + "\n");
    expect_same(scan_, text + "x\n");
    expect_same(scan_, text + "x\n\n");
}

TEST_P(Scan, RandomBytes) {
    std::mt19937 random(64);
    for (int round = 0; round < 2000; ++round) {
        std::string text(1 + random() % 300, 'x');
        const auto density = static_cast<unsigned>(1 + random() % 100);
        for (char& c : text) {
            if (random() % density == 0) c = static_cast<char>(random() % 256);
        }
        text[0] = 'x';
        expect_same(scan_, text);
    }
}

TEST_P(Scan, TooManyBytes) {
    const std::string longest(TextIndex::kIndexedMax - 2, 'x');
    expect_same(scan_, longest + "\n\n");
    TextIndex index;
    scan_(longest + "xx\n\n", index);
    EXPECT_TRUE(index.too_many);
    EXPECT_EQ(index.lines, 0U);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Scan,
                         testing::Values(ScanKind::kScalar, ScanKind::kSse42, ScanKind::kAvx2,
                                         ScanKind::kAvx512));

}  // namespace
}  // namespace lb::sip
