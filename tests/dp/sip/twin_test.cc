// parse() against its slow twin on every one-byte change of good messages, on every prefix and on
// random changes.

#include <gtest/gtest.h>

#include <random>

#include "dp/sip/parser.h"
#include "tests/dp/sip/sample.h"
#include "tests/support/guarded_bytes.h"
#include "tests/support/slow_parser.h"

namespace lb::sip {
namespace {

using test::GuardedBytes;
using test::kInvite;
using test::kTortuous;

void agree(std::string_view text) {
    Message message;
    const Error error = parse(text, message);
    ASSERT_EQ(test::disagreement(text, error, message), "") << text;
}

TEST(Twin, SamplesAreGood) {
    Message message;
    EXPECT_EQ(parse(kInvite, message), Error::kNone);
    EXPECT_EQ(parse(kTortuous, message), Error::kNone);
    agree(kInvite);
    agree(kTortuous);
}

TEST(Twin, EveryPrefix) {
    for (const std::string_view text : {kInvite, kTortuous}) {
        for (std::size_t size = 0; size < text.size(); ++size) {
            const GuardedBytes bytes(text.substr(0, size));
            agree(bytes.text());
        }
    }
}

TEST(Twin, EveryOneByteChange) {
    constexpr std::string_view kBytes("\0\t\n\r \"/0:;<=>@[]\\Aa~\x7f\xff", 22);
    for (const std::string_view text : {kInvite, kTortuous}) {
        GuardedBytes bytes(text);
        for (std::size_t i = 0; i < text.size(); ++i) {
            for (const char c : kBytes) {
                bytes.data()[i] = c;
                agree(bytes.text());
            }
            bytes.data()[i] = text[i];
        }
    }
}

TEST(Twin, RandomChanges) {
    std::mt19937 random(3261);
    constexpr std::string_view kBytes("\r\n :;,=\"<>@[]/\t0Zv", 18);
    for (int round = 0; round < 20000; ++round) {
        std::string text(random() % 2 == 0 ? kInvite : kTortuous);
        for (std::size_t n = 1 + random() % 5; n > 0; --n) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text[at] = kBytes[random() % kBytes.size()];
                    break;
                case 1:
                    text.insert(at, 1, kBytes[random() % kBytes.size()]);
                    break;
                default:
                    text.erase(at, 1 + random() % 3);
                    break;
            }
        }
        agree(text);
    }
}

}  // namespace
}  // namespace lb::sip
