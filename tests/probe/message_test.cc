#include "probe/message.h"

#include <gtest/gtest.h>

#include <array>
#include <regex>

#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "tests/probe/fake_network.h"
#include "tests/probe/recording.h"

namespace lb::probe {
namespace {

const Secret kSecret = Secret::derive(as_bytes("a secret of these tests"));
constexpr std::uint64_t kNumber = 0x1234567800000042;

std::string ping(const PingFormat& format, std::string_view uri, std::string_view from,
                 const char* local) {
    std::string text;
    EXPECT_TRUE(write_ping(format, kSecret, kNumber, uri, from, *Endpoint::parse(local), text));
    return text;
}

// Branch, From tag, Call-ID and User-Agent are each side's own; everything else is compared as
// bytes.
std::string without_own(std::string text) {
    text = std::regex_replace(text, std::regex(";branch=[^\r]*"), ";branch=*");
    text = std::regex_replace(text, std::regex(";tag=[^\r]*"), ";tag=*");
    text = std::regex_replace(text, std::regex("Call-ID: [^@\r]*@"), "Call-ID: *@");
    return std::regex_replace(text, std::regex("User-Agent: [^\r]*"), "User-Agent: *");
}

struct GoldenRow {
    const char* file;
    const char* local;
    const char* from;  // attribute
};

constexpr GoldenRow kGolden[] = {
    {"ping-01-plain/01-to-127.0.64.4-5060-ping-1.sip", "127.0.60.1:5060", ""},
    {"ping-01-plain/02-to-127.0.64.1-5060-ping-1.sip", "127.0.60.1:5060", ""},
    {"ping-01-plain/03-to-127.0.64.2-5060-ping-2.sip", "127.0.60.1:5060", ""},
    {"ping-01-plain/04-to-127.0.64.3-5070-ping-1.sip", "127.0.60.1:5060", ""},
    {"ping-02-attrs/01-to-127.0.64.9-5060-ping-1.sip", "127.0.60.1:5060", ""},
    {"ping-02-attrs/02-to-127.0.64.1-5060-ping-1.sip", "127.0.60.1:5080", ""},
    {"ping-02-attrs/03-to-127.0.64.2-5060-ping-1.sip", "127.0.60.1:5060", "sip:me@lb.example.org"},
    {"ping-02-attrs/04-to-127.0.64.9-5060-ping-2.sip", "127.0.60.1:5060", ""},
    {"ping-03-from-and-method/01-to-127.0.64.1-5060-ping-1.sip", "127.0.60.1:5060", ""},
    {"ping-03-from-and-method/02-to-127.0.64.2-5060-ping-1.sip", "127.0.60.1:5060", "sip:own@x"},
    {"ping-04-default-socket/01-to-127.0.64.2-5060-ping-1.sip", "127.0.60.1:5060", ""},
    {"ping-04-default-socket/02-to-127.0.64.1-5060-ping-1.sip", "127.0.60.1:5080", ""},
    {"ping-05-user-agent-off/01-to-127.0.64.1-5060-ping-1.sip", "127.0.60.1:5060", ""},
};

TEST(PingMessage, IsWhatKamailioSends) {
    for (const GoldenRow& row : kGolden) {
        const std::string path = std::string(SIPLANE_SOURCE_ROOT "/tests/golden/probe/") + row.file;
        const std::string theirs = test::read_file(path);
        const auto params = test::read_modparams(path.substr(0, path.rfind('/')) + "/modparams");
        PingFormat format;
        format.user_agent = "ours";
        const auto from = params.find("dispatcher.ds_ping_from");
        if (from != params.end()) format.from = from->second;
        const auto method = params.find("dispatcher.ds_ping_method");
        if (method != params.end()) format.method = method->second;

        const std::size_t begin = theirs.find(' ') + 1;
        const std::string uri = theirs.substr(begin, theirs.find(' ', begin) - begin);
        EXPECT_EQ(without_own(ping(format, uri, row.from, row.local)),
                  without_own(theirs.substr(0, theirs.find("\r\n\r\n") + 4)))
            << row.file;
    }
}

TEST(PingMessage, BranchIsMarkedAndTagAndCallIdAreItsOwn) {
    const std::string text = ping({}, "sip:10.0.0.9", "", "10.0.0.1:5060");
    sip::Message message;
    ASSERT_EQ(sip::parse(text, message), sip::Error::kNone);
    std::uint64_t number = 0;
    ASSERT_TRUE(sip::check_probe_branch(kSecret, message.top_via.branch, number));
    EXPECT_EQ(number, kNumber);
    const std::string tag = test::line_of(text, "From: <sip:dispatcher@localhost>;tag=");
    const std::string call_id = test::line_of(text, "Call-ID: ");
    EXPECT_EQ(tag.size(), 16U);
    EXPECT_EQ(call_id.substr(16), "@10.0.0.1");
    EXPECT_NE(tag, call_id.substr(0, 16));
    std::string next;
    ASSERT_TRUE(write_ping({}, kSecret, kNumber + 1, "sip:10.0.0.9", "",
                           *Endpoint::parse("10.0.0.1:5060"), next));
    EXPECT_NE(test::line_of(next, "Call-ID: "), call_id);
    EXPECT_NE(test::line_of(next, "From: "), test::line_of(text, "From: "));
}

TEST(PingMessage, Ipv6) {
    const std::string text = ping({}, "sip:[2001:db8::9]:5070", "", "[2001:db8::1]:5080");
    EXPECT_TRUE(test::line_of(text, "Via: ").starts_with("SIP/2.0/UDP [2001:db8::1]:5080;branch="));
    EXPECT_TRUE(test::line_of(text, "Call-ID: ").ends_with("@2001:db8::1"));
    const std::string plain = ping({}, "sip:[2001:db8::9]", "", "[2001:db8::1]:5060");
    EXPECT_TRUE(test::line_of(plain, "Via: ").starts_with("SIP/2.0/UDP [2001:db8::1];branch="));
}

TEST(PingMessage, FromMayBringItsBrackets) {
    const std::string text = ping({}, "sip:a", "\"LB\" <sip:me@x>", "10.0.0.1:5060");
    EXPECT_TRUE(test::line_of(text, "From: ").starts_with("\"LB\" <sip:me@x>;tag="));
}

TEST(PingMessage, NoUserAgentWithoutOne) {
    const std::string text = ping({}, "sip:a", "", "10.0.0.1:5060");
    EXPECT_EQ(text.find("User-Agent"), std::string::npos);
    EXPECT_TRUE(text.ends_with("Content-Length: 0\r\n\r\n"));
}

TEST(PingMessage, RefusesWhatWouldForgeHeadersOrIsTooLong) {
    std::string text = "before";
    const Endpoint local = *Endpoint::parse("10.0.0.1:5060");
    EXPECT_FALSE(write_ping({}, kSecret, 1, "sip:a\r\nX: y", "", local, text));
    EXPECT_EQ(text, "");
    EXPECT_FALSE(write_ping({}, kSecret, 1, "sip:a", "sip:b\nX: y", local, text));
    EXPECT_FALSE(write_ping({}, kSecret, 1, std::string_view("sip:a\0", 6), "", local, text));
    EXPECT_FALSE(write_ping({}, kSecret, 1, "sip:" + std::string(5000, 'a'), "", local, text));
    EXPECT_EQ(text, "");
    EXPECT_TRUE(write_ping({}, kSecret, 1, "sip:" + std::string(1500, 'a'), "", local, text));
}

}  // namespace
}  // namespace lb::probe
