#include "dp/sip/reply.h"

#include <gtest/gtest.h>

#include <vector>

#include "dp/sip/parser.h"
#include "tests/dp/sip/sample.h"

namespace lb::sip {
namespace {

using test::kInvite;
using test::with;

const Secret kSecret = Secret::derive(as_bytes("sixteen bytes or more of it"));
const Endpoint kSource = *Endpoint::parse("192.0.2.10:40000");
constexpr ReplyText kNotFound{404, "No destination", "siplane", ""};

std::string reply_to(std::string_view text, const ReplyText& reply = kNotFound,
                     const Endpoint& source = kSource) {
    Message message;
    const Error error = parse(text, message);
    EXPECT_TRUE(error == Error::kNone || answerable(error, message)) << error_text(error);
    std::vector<std::uint8_t> out(4096);
    const std::size_t size = write_reply(message, source, reply, kSecret, out);
    return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

TEST(Reply, IsWholeAndInTheOrderOfTheRequest) {
    const std::string text = reply_to(kInvite);
    Message message;
    ASSERT_EQ(parse(text, message), Error::kNone);
    NameAddr to;
    ASSERT_TRUE(parse_from_to(message.to.value, to));
    EXPECT_EQ(to.tag.size(), 16u);
    EXPECT_EQ(
        text,
        "SIP/2.0 404 No destination\r\n"
        "Via: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKa7f3;rport=40000;received=192.0.2.10\r\n"
        "From: \"Alice\" <sip:alice@example.com>;tag=a1\r\n"
        "To: <sip:bob@example.com>;tag=" +
            std::string(to.tag) +
            "\r\n"
            "Call-ID: 3848276298220188511@192.0.2.10\r\n"
            "CSeq: 314159 INVITE\r\n"
            "Server: siplane\r\n"
            "Content-Length: 0\r\n\r\n");
}

TEST(Reply, ViaParameters) {
    const std::pair<std::string_view, std::string_view> rows[] = {
        {"192.0.2.10:5062;branch=b", "192.0.2.10:5062;branch=b"},
        {"192.0.2.11;branch=b", "192.0.2.11;branch=b;received=192.0.2.10"},
        {"192.0.2.10;received=1.1.1.1;branch=b", "192.0.2.10;branch=b;received=192.0.2.10"},
        {"h.example;rport;branch=b", "h.example;rport=40000;branch=b;received=192.0.2.10"},
        {"a;received=1.1.1.1;rport=7;x=y", "a;rport=40000;x=y;received=192.0.2.10"},
        {"a;branch=1;", "a;branch=1;received=192.0.2.10"},
        {"a;received=1.1.1.1 ;", "a ;received=192.0.2.10"},
        {"a;branch;branch=2", "a;branch;branch=2;received=192.0.2.10"},
        {"a;rport=7;x=y;received=1.1.1.1", "a;rport=40000;x=y;received=192.0.2.10"},
        {"a;rport= , SIP/2.0/UDP b", "a;rport=40000;received=192.0.2.10 , SIP/2.0/UDP b"},
        {"a;branch=1, SIP/2.0/UDP b;rport", "a;branch=1;received=192.0.2.10, SIP/2.0/UDP b;rport"},
    };
    for (const auto& [via, expected] : rows) {
        const std::string text = reply_to(with("192.0.2.10:5062;branch=z9hG4bKa7f3;rport", via));
        Message message;
        ASSERT_EQ(parse(text, message), Error::kNone) << text;
        EXPECT_EQ(message.via.value, "SIP/2.0/UDP " + std::string(expected));
    }
}

TEST(Reply, OtherViasAndOddLinesAreCopied) {
    const std::string text = reply_to(
        with("Max", "v : SIP/2.0/UDP b,\r\n SIP/2.0/UDP c\r\r\nRecord-Route: <sip:x>\r\nMax"));
    EXPECT_NE(text.find("\r\nv : SIP/2.0/UDP b,\r\n SIP/2.0/UDP c\r\nFrom"), std::string::npos)
        << text;
    EXPECT_EQ(text.find("Record-Route"), std::string::npos);
}

// An empty value must not take the line end along: that would close the header section.
TEST(Reply, EmptyViaLineIsCopied) {
    for (const std::string_view line : {"Via:\n", "Via:\r\n", "v:  \r\n \r\n"}) {
        const std::string text = reply_to(with("Max", std::string(line) + "Max"));
        Message message;
        ASSERT_EQ(parse(text, message), Error::kNone) << text;
        EXPECT_EQ(message.via_lines, 2);
    }
}

TEST(Reply, TagOnlyWhereItIsDue) {
    EXPECT_EQ(reply_to(kInvite, {100, "Trying", "", ""}).find("bob@example.com>;tag"),
              std::string::npos);
    const std::string tagged = reply_to(with("com>\r\n", "com>;tag=zz\r\n"));
    EXPECT_NE(tagged.find("bob@example.com>;tag=zz\r\n"), std::string::npos);
}

TEST(Reply, OfSeveralTheFirstIsRepeated) {
    std::string many = "To: <sip:bob@example.com>\r\n";
    for (int i = 0; i < 40; ++i) {
        many += "To: <sip:c@example.com>\r\nCall-ID: b\r\n";
        many += "From: <sip:c@example.com>;tag=c\r\nCSeq: 1 INVITE\r\n";
    }
    const std::string text = reply_to(with("To: <sip:bob@example.com>\r\n", many));
    Message reply;
    ASSERT_EQ(parse(text, reply), Error::kNone);  // one of each
    EXPECT_TRUE(reply.to.value.starts_with("<sip:bob@example.com>;tag="));
    EXPECT_LT(text.size(), 500U);
}

TEST(Reply, ExtraHeadersAndNoServer) {
    const std::string text = reply_to(kInvite, {420, "Bad Extension", "", "Unsupported: foo\r\n"});
    EXPECT_TRUE(text.ends_with("INVITE\r\nUnsupported: foo\r\nContent-Length: 0\r\n\r\n")) << text;
}

TEST(Reply, BrokenViaIsCopied) {
    const std::string text = reply_to(with(";branch=z9hG4bKa7f3;rport", ";;,;,,"));
    EXPECT_NE(text.find("\r\nVia: SIP/2.0/UDP 192.0.2.10:5062;;,;,,\r\n"), std::string::npos);
}

TEST(Reply, NothingWhenThereIsNoRoom) {
    Message message;
    ASSERT_EQ(parse(kInvite, message), Error::kNone);
    const std::size_t whole = reply_to(kInvite).size();
    for (std::size_t size = 0; size < whole; ++size) {
        std::vector<std::uint8_t> out(size);
        EXPECT_EQ(write_reply(message, kSource, kNotFound, kSecret, out), 0u) << size;
    }
    std::vector<std::uint8_t> out(whole);
    EXPECT_EQ(write_reply(message, kSource, kNotFound, kSecret, out), whole);
}

TEST(Reply, AckIsKnownByItsTag) {
    const std::string reply = reply_to(kInvite);
    const std::size_t at = reply.find("bob@example.com>;tag=") + 16;
    const std::string tag = reply.substr(at, 5 + 16);
    std::string ack = with("INVITE sip", "ACK sip", with("314159 INVITE", "314159 ACK"));
    Message message;
    ASSERT_EQ(parse(ack, message), Error::kNone);
    EXPECT_FALSE(is_ack_to_our_reply(message, kSecret));
    ack = with("com>\r\n", "com>" + tag + "\r\n", ack);
    ASSERT_EQ(parse(ack, message), Error::kNone);
    EXPECT_TRUE(is_ack_to_our_reply(message, kSecret));
    const std::string other = with("z9hG4bKa7f3", "z9hG4bKother", ack);
    ASSERT_EQ(parse(other, message), Error::kNone);
    EXPECT_FALSE(is_ack_to_our_reply(message, kSecret));
}

TEST(Reply, Target) {
    Message message;
    ASSERT_EQ(parse(kInvite, message), Error::kNone);
    EXPECT_EQ(reply_target(message, kSource, false), kSource);
    const std::string plain = with(";rport", "");
    ASSERT_EQ(parse(plain, message), Error::kNone);
    EXPECT_EQ(reply_target(message, kSource, false).text(), "192.0.2.10:5062");
}

}  // namespace
}  // namespace lb::sip
