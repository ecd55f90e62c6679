#include "dp/sip/scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/dp/sip/sample.h"
#include "tests/support/guarded_bytes.h"

namespace lb::sip {
namespace {

// Nothing but the definition: byte by byte.
void scan_naive(std::string_view text, LineEnds& ends) {
    ends = {};
    std::string line;
    for (std::uint32_t i = 0; i < text.size() && !ends.closed; ++i) {
        line += text[i];
        if (text[i] != '\n') continue;
        if (ends.count == ends.at.size()) {
            ends.too_many = true;
            return;
        }
        ends.at[ends.count++] = i + 1;
        ends.closed = line == "\n" || line == "\r\n";
        line.clear();
    }
}

void expect_same(ScanFunction scan, std::string_view text) {
    const test::GuardedBytes bytes(text);
    LineEnds expected;
    LineEnds found;
    scan_naive(text, expected);
    scan(bytes.text(), found);
    ASSERT_EQ(found.count, expected.count) << text;
    ASSERT_EQ(found.closed, expected.closed) << text;
    ASSERT_EQ(found.too_many, expected.too_many) << text;
    ASSERT_TRUE(std::equal(found.at.begin(), found.at.begin() + found.count, expected.at.begin()));
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
        std::string text(random() % 400, 'x');
        const auto density = static_cast<unsigned>(2 + random() % 40);
        for (char& c : text) {
            if (random() % density == 0) c = "\n\r\n"[random() % 3];
        }
        expect_same(scan_, text);
    }
}

TEST_P(Scan, TooManyLines) {
    std::string text;
    for (std::size_t i = 0; i < kHeaderLinesMax + 1; ++i) text += "x\n";
    expect_same(scan_, text + "\n");
    expect_same(scan_, text + "x\n");
    expect_same(scan_, text + "x\n\n");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Scan,
                         testing::Values(ScanKind::kScalar, ScanKind::kAvx2, ScanKind::kAvx512));

}  // namespace
}  // namespace lb::sip
