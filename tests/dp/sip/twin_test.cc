// parse() against its slow twin on every one-byte change of good messages, on every prefix and on
// random changes.

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "dp/sip/parser.h"
#include "dp/sip/uri.h"
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

// A URI that is called plain is what it is said to be.
void expect_plain_uri(const Message& message) {
    Uri uri;
    ASSERT_TRUE(parse_uri(message.request_uri, uri)) << message.request_uri;
    EXPECT_EQ(uri.scheme, Scheme::kSip) << message.request_uri;
    EXPECT_TRUE(uri.has_user && uri.headers.empty()) << message.request_uri;
}

TEST(Twin, PlainUris) {
    Message message;
    for (const char* const uri : {"sip:bob@example.com", "SIP:1@192.0.2.1:5060", "sip:1@h;lr;a=b",
                                  "sip:1@h:62000;transport=udp"}) {
        const GuardedBytes bytes("INVITE " + std::string(uri) + " SIP/2.0\r\n");
        parse(bytes.text(), message);
        EXPECT_TRUE(message.plain_uri) << uri;
        expect_plain_uri(message);
    }
    for (const char* const uri :
         {"sip:example.com", "sips:a@b", "tel:+1", "sip:a:b@c", "sip:a@b?c=d", "sip:a@b:65536",
          "sip:a@", "sip:a@b;c?d", "sip:a@[::1]", "sip:a@b@c", "sip:a@b:", "sipx:a@b", "s:a@b"}) {
        parse("INVITE " + std::string(uri) + " SIP/2.0\r\n", message);
        EXPECT_FALSE(message.plain_uri) << uri;
    }
}

// Request lines of usual and odd parts.
TEST(Twin, RequestLines) {
    std::mt19937 random(2026);
    constexpr std::string_view kMethods[] = {
        "INVITE", "ACK", "SUBSCRIBE", "X", "invite", "", "AVERYLONGMETHOD", "IN VITE", "SIP/2.0"};
    constexpr std::string_view kSpaces[] = {" ", " ", " ", "  ", "\t", ""};
    constexpr std::string_view kUris[] = {"sip:bob@example.com",
                                          "sip:b;c?d@[::1]:5060;lr",
                                          "sip:bob@192.0.2.1:5060;transport=udp",
                                          "sip:bob@h:65536",
                                          "sip:bob@h;a?b",
                                          "tel:+1",
                                          "",
                                          "<sip:a@b>",
                                          "sip:a b",
                                          "sip:a\x01",
                                          "sip:\xc3\xa4@b",
                                          "sip:a-user-of-unusual-length-that-goes-over-many-words-"
                                          "of-the-index@and.a.host.as.long.as.that.example.com"};
    constexpr std::string_view kVersions[] = {"SIP/2.0", "SIP/2.0",  "SIP/2.0", "sip/2.0",
                                              "SIP/3.0", "SIP/2.0 ", "SIP/2",   ""};
    constexpr std::string_view kEnds[] = {"\r\n", "\r\n", "\r\n", "\n", "\r\r\n", ""};
    const auto one_of = [&](const auto& parts) { return parts[random() % std::size(parts)]; };
    const std::string_view rest = kInvite.substr(kInvite.find("\r\n") + 2);
    for (int round = 0; round < 20000; ++round) {
        std::string line(one_of(kMethods));
        line += one_of(kSpaces);
        line += one_of(kUris);
        line += one_of(kSpaces);
        line += one_of(kVersions);
        line += one_of(kEnds);
        const GuardedBytes whole(line + std::string(rest)), alone(line);
        agree(whole.text());
        agree(alone.text());
        Message message;
        parse(whole.text(), message);
        if (message.plain_uri) expect_plain_uri(message);
    }
}

// Status lines of usual and odd parts.
TEST(Twin, StatusLines) {
    std::mt19937 random(2027);
    constexpr std::string_view kVersions[] = {"SIP/2.0", "SIP/2.0", "sip/2.0", "SIP/3.0", "SIP/2"};
    constexpr std::string_view kSpaces[] = {" ", " ", " ", "  ", "\t", ""};
    constexpr std::string_view kCodes[] = {"200", "100", "699", "700", "099", "20",  "2000",
                                           "1x0", "20x", "x00", "",    "486", ":00", "2:0"};
    constexpr std::string_view kReasons[] = {"OK", "", "Busy Here", "\xc3\xa4", " "};
    constexpr std::string_view kEnds[] = {"\r\n", "\r\n", "\n", "\r\r\n", ""};
    const auto one_of = [&](const auto& parts) { return parts[random() % std::size(parts)]; };
    const std::string_view rest = kInvite.substr(kInvite.find("\r\n") + 2);
    for (int round = 0; round < 10000; ++round) {
        std::string line(one_of(kVersions));
        line += one_of(kSpaces);
        line += one_of(kCodes);
        line += one_of(kSpaces);
        line += one_of(kReasons);
        line += one_of(kEnds);
        const GuardedBytes whole(line + std::string(rest)), alone(line);
        agree(whole.text());
        agree(alone.text());
    }
}

}  // namespace
}  // namespace lb::sip
