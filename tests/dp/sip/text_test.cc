#include "dp/sip/text.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

#include "dp/sip/break_walk.h"
#include "dp/sip/parser.h"
#include "tests/support/guarded_bytes.h"

namespace lb::sip {
namespace {

void expect_short_number(const std::string& text) {
    const test::GuardedBytes bytes(text);
    std::size_t digits = 0;
    while (digits < 7 && is_digit(text[digits])) ++digits;
    const char* at = bytes.text().data();
    EXPECT_EQ(take_short_number(at), digits == 0 ? 0 : std::stoul(text.substr(0, digits))) << text;
    EXPECT_EQ(at - bytes.text().data(), static_cast<std::ptrdiff_t>(digits)) << text;
}

TEST(Text, ShortNumbers) {
    for (const char* const text : {"5060;xxx", "0;xxxxxx", "65535;xx", "65536;xx", "9999999;",
                                   "0000001;", "12345678", ";1234567", ":/:/:/:/", "1:23/456"}) {
        expect_short_number(text);
    }
    std::mt19937 random(5060);
    for (int round = 0; round < 20000; ++round) {
        std::string text(8, '0');
        for (char& c : text) c = static_cast<char>('0' + random() % 10);
        const std::size_t end = random() % 9;
        for (std::size_t i = end; i < text.size(); ++i) text[i] = static_cast<char>(random());
        expect_short_number(text);
    }
}

TEST(Text, PortsAreWhatALoopOverTheirDigitsSays) {
    std::mt19937 random(65536);
    for (int round = 0; round < 20000; ++round) {
        std::string text(random() % 11, '0');
        for (char& c : text) c = static_cast<char>('0' + random() % (random() % 64 == 0 ? 12 : 10));
        if (random() % 2 == 0) text.insert(0, random() % 6, '0');
        if (random() % 32 == 0 && !text.empty()) {
            text[random() % text.size()] = static_cast<char>(random());
        }
        const test::GuardedBytes back(text), front(text, true);
        for (const std::string_view digits : {back.text(), front.text()}) {
            std::uint64_t expected = 0;
            std::uint16_t port = 0;
            const bool good = parse_number(digits, 65535, expected);
            ASSERT_EQ(parse_port(digits, port), good) << text;
            if (!good) continue;
            ASSERT_EQ(port, expected) << text;
        }
    }
}

TEST(Text, PackedReadsNoMoreThanItIsGiven) {
    const std::string text = "REGISTER";
    for (std::size_t size = 1; size <= text.size(); ++size) {
        const test::GuardedBytes back(text.substr(0, size)), front(text.substr(0, size), true);
        EXPECT_EQ(load_packed(back.text()), packed(back.text()));
        EXPECT_EQ(load_packed(front.text()), packed(front.text()));
    }
}

TEST(Text, Methods) {
    constexpr std::string_view kNames[] = {"INVITE",   "ACK",     "BYE",       "CANCEL", "OPTIONS",
                                           "REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "INFO",
                                           "UPDATE",   "PRACK",   "REFER",     "PUBLISH"};
    std::size_t expected = 1;
    for (const std::string_view name : kNames) {
        EXPECT_EQ(static_cast<std::size_t>(method_of(name)), expected++) << name;
        const std::string longer = std::string(name) + "X";
        EXPECT_EQ(method_of(longer), Method::kOther);
        EXPECT_EQ(method_of(name.substr(1)), Method::kOther);
        EXPECT_EQ(method_of(name.substr(0, name.size() - 1)), Method::kOther);
        for (std::size_t i = 0; i < name.size(); ++i) {
            std::string other(name);
            other[i] = static_cast<char>(other[i] ^ 0x20);
            EXPECT_EQ(method_of(other), Method::kOther) << other;
        }
    }
    EXPECT_EQ(method_of(""), Method::kOther);
    EXPECT_EQ(method_of("X"), Method::kOther);
    EXPECT_EQ(method_of("ANOTHERMETHOD"), Method::kOther);
}

// Every break, in order, whatever lies between two.
TEST(BreakWalk, GivesEveryBreak) {
    std::mt19937 random(25);
    const auto index = std::make_unique<TextIndex>();
    for (int round = 0; round < 3000; ++round) {
        std::string text;
        while (text.size() < 300) {
            text +=
                std::string(random() % (random() % 4 == 0 ? 150 : 8), 'a') + ";:@ =>"[random() % 6];
        }
        scan_header(text, *index);
        const char* const end = text.data() + text.size();
        const char* expected = text.data() + random() % text.size();
        BreakWalk walk(expected, *index);
        for (;; ++expected) {
            while (expected != end && is_token(*expected)) ++expected;
            const char* const given = walk.next();
            ASSERT_EQ(given, expected);
            if (given == end) break;
        }
    }
}

}  // namespace
}  // namespace lb::sip
