#include "dp/sip/parser.h"

#include <gtest/gtest.h>

#include "tests/dp/sip/sample.h"
#include "tests/support/guarded_bytes.h"

namespace lb::sip {
namespace {

using test::GuardedBytes;
using test::kInvite;
using test::with;

TEST(Parser, ReadsAnInvite) {
    const GuardedBytes bytes(kInvite);
    Message message;
    ASSERT_EQ(parse(bytes.text(), message), Error::kNone);
    EXPECT_FALSE(message.is_reply());
    EXPECT_EQ(message.text.data(), bytes.text().data());
    EXPECT_EQ(message.text.size(), bytes.size());
    EXPECT_EQ(message.method, Method::kInvite);
    EXPECT_EQ(message.request_uri, "sip:bob@example.com");
    EXPECT_EQ(message.start_line, "INVITE sip:bob@example.com SIP/2.0\r\n");
    EXPECT_EQ(message.call_id.value, "3848276298220188511@192.0.2.10");
    EXPECT_EQ(line_of(message.call_id, message), "Call-ID: 3848276298220188511@192.0.2.10\r\n");
    EXPECT_EQ(message.from.value, "\"Alice\" <sip:alice@example.com>;tag=a1");
    EXPECT_EQ(message.to.value, "<sip:bob@example.com>");
    EXPECT_EQ(message.cseq_number, 314159u);
    EXPECT_EQ(message.cseq_method, "INVITE");
    EXPECT_EQ(message.max_forwards_value, 70);
    EXPECT_EQ(message.contact.value, "<sip:alice@192.0.2.10:5062>");
    EXPECT_EQ(message.via_lines, 1);
    EXPECT_EQ(message.top_via.value, "SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKa7f3;rport");
    EXPECT_EQ(message.top_via.host, "192.0.2.10");
    EXPECT_EQ(message.top_via.port, 5062);
    EXPECT_EQ(message.top_via.sent_by, "192.0.2.10:5062");
    EXPECT_EQ(message.top_via.branch, "z9hG4bKa7f3");
    EXPECT_TRUE(message.top_via.has_rport());
    EXPECT_EQ(message.top_via.rport_param, ";rport");
    EXPECT_EQ(message.body, "v=0\r\n");
    EXPECT_TRUE(message.header.ends_with("Content-Length: 5\r\n\r\n"));
}

TEST(Parser, ReadsAReply) {
    const GuardedBytes bytes(
        "SIP/2.0 180 Ringing now\r\n"
        "v: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa, SIP/2.0/UDP "
        "[2001:db8::1]:5070;branch=z9hG4bKb\r\n"
        "Via: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKc;received=10.0.0.4;rport=5099\r\n"
        "f: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\ni: x\r\ncseq: 7 INVITE\r\nl: 0\r\n\r\n");
    Message message;
    ASSERT_EQ(parse(bytes.text(), message), Error::kNone);
    EXPECT_TRUE(message.is_reply());
    EXPECT_EQ(message.status, 180);
    EXPECT_EQ(message.reason, "Ringing now");
    EXPECT_EQ(message.via_lines, 2);
    EXPECT_EQ(message.top_via.value, "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa");
    Via second;
    ASSERT_TRUE(find_second_via(message, second));
    EXPECT_EQ(second.host, "[2001:db8::1]");
    EXPECT_EQ(second.port, 5070);
    EXPECT_EQ(second.branch, "z9hG4bKb");
}

TEST(Parser, SecondViaMayStandInItsOwnLine) {
    const std::string text = with("Max-Forwards", "Via: SIP/2.0/UDP h;branch=q\r\nMax-Forwards");
    Message message;
    ASSERT_EQ(parse(text, message), Error::kNone);
    Via second;
    ASSERT_TRUE(find_second_via(message, second));
    EXPECT_EQ(second.host, "h");
    ASSERT_EQ(parse(kInvite, message), Error::kNone);
    EXPECT_FALSE(find_second_via(message, second));
}

struct Row {
    const char* name;
    std::string_view from;
    std::string_view to;  // kInvite with `from` replaced by `to`
    Error error;
    bool answerable;
};

constexpr Row kRows[] = {
    {"plain", "70", "70", Error::kNone, false},
    {"leading_line_ends", "INVITE sip", "\r\n\r\nINVITE sip", Error::kNone, false},
    {"bare_lf", "70\r\n", "70\n", Error::kNone, false},
    {"folded_call_id", "ID: ", "ID:\r\n ", Error::kNone, false},
    {"blank_before_colon", "To:", "tO \t:", Error::kNone, false},
    {"unknown_method_and_cseq", "INVITE sip:bob", "FOO sip:bob", Error::kBadCseq, true},
    {"version_lower_case", "SIP/2.0\r\nVia", "sip/2.0\r\nVia", Error::kNone, false},
    {"other_version", "SIP/2.0\r\nVia", "SIP/7.0\r\nVia", Error::kVersion, true},
    {"no_version", " SIP/2.0\r\nVia", "\r\nVia", Error::kNotSip, false},
    {"http", "SIP/2.0\r\nVia", "HTTP/1.1\r\nVia", Error::kNotSip, false},
    {"uri_in_brackets", "sip:bob@example.com SIP", "<sip:bob@example.com> SIP", Error::kRequestUri,
     true},
    {"space_in_uri", "bob@example.com SIP", "bob@example.com; lr SIP", Error::kRequestUri, true},
    {"two_spaces", "INVITE sip", "INVITE  sip", Error::kRequestUri, true},
    {"space_behind_version", "SIP/2.0\r\nVia", "SIP/2.0  \r\nVia", Error::kRequestUri, true},
    {"control_in_uri", "bob@", "b\x01@", Error::kRequestUri, true},
    {"no_via", "Via:", "Vib:", Error::kNoVia, false},
    {"via_without_colon", "Via: SIP", "Via SIP", Error::kHeaderLine, false},
    {"empty_via_params", ";branch=z9hG4bKa7f3;rport", ";;,;,,", Error::kBadVia, true},
    {"stray_semicolon_in_via", ";rport", ";rport;", Error::kNone, false},
    {"via_port_0", ":5062;branch", ":0;branch", Error::kBadVia, false},
    {"via_port_too_big", ":5062;branch", ":65536;branch", Error::kBadVia, false},
    {"via_other_protocol", "SIP/2.0/UDP", "SIP/3.0/UDP", Error::kBadVia, false},
    {"via_blanks", "SIP/2.0/UDP 192.0.2.10:5062;branch=z9",
     "SIP  / 2.0 / UDP\r\n  192.0.2.10 : 5062 ; branch =  z9", Error::kNone, false},
    {"no_call_id", "Call-ID:", "Call-IX:", Error::kNoCallId, false},
    {"not_call_id", "Call-ID:", "Call\rID:", Error::kNoCallId, false},
    {"empty_call_id", "3848276298220188511@192.0.2.10", " ", Error::kNoCallId, false},
    {"two_call_ids", "CSeq", "i: other\r\nCSeq", Error::kDuplicateHeader, true},
    {"two_cseq", "CSeq", "CSeq: 1 INVITE\r\nCSeq", Error::kDuplicateHeader, true},
    {"two_from", "To:", "f: <sip:x@y>\r\nTo:", Error::kDuplicateHeader, true},
    {"two_to", "To:", "t: <sip:x@y>\r\nTo:", Error::kDuplicateHeader, true},
    {"two_max_forwards", "To:", "Max-Forwards: 7\r\nTo:", Error::kDuplicateHeader, true},
    {"same_length_twice", "Content-Length", "l: 5\r\nContent-Length", Error::kNone, false},
    {"two_lengths", "Content-Length", "l: 4\r\nContent-Length", Error::kDuplicateHeader, true},
    {"no_cseq", "CSeq", "CSep", Error::kNoCseq, false},
    {"cseq_too_big", "314159", "4294967296", Error::kBadCseq, true},
    {"cseq_biggest", "314159", "4294967295", Error::kNone, false},
    {"cseq_huge", "314159", "36893488147419103232", Error::kBadCseq, true},
    {"cseq_mismatch", "314159 INVITE", "314159 BYE", Error::kBadCseq, true},
    {"cseq_folded", "314159 INVITE", "0009\r\n  INVITE", Error::kNone, false},
    {"cseq_no_method", "314159 INVITE", "314159", Error::kBadCseq, true},
    {"cseq_no_number", "314159 INVITE", "INVITE", Error::kBadCseq, true},
    {"no_from", "From:", "Form:", Error::kNoFrom, false},
    {"no_to", "To:", "Toe:", Error::kNoTo, false},
    {"empty_to", "<sip:bob@example.com>", "", Error::kBadFromTo, false},
    {"max_forwards_zeros", "70", "0068", Error::kNone, false},
    {"max_forwards_negative", "70", "-1", Error::kBadMaxForwards, true},
    {"max_forwards_text", "70", "7 0", Error::kBadMaxForwards, true},
    {"max_forwards_empty", "70", "", Error::kBadMaxForwards, true},
    {"length_negative", "Length: 5", "Length: -5", Error::kBadContentLength, true},
    {"length_empty", "Length: 5", "Length: ", Error::kBadContentLength, true},
    {"length_too_big", "Length: 5", "Length: 6", Error::kBadContentLength, true},
    {"length_huge", "Length: 5", "Length: 18446744073709551621", Error::kBadContentLength, true},
    {"length_spaces", "Length: 5", "Length:    5 ", Error::kNone, false},
    {"no_length", "Content-Length: 5\r\n", "", Error::kNone, false},
    {"unknown_line_without_colon", "Contact:", "Foobar\r\nContact:", Error::kNone, false},
    {"folded_start_line", "Via:", " Via: x\r\nVia:", Error::kHeaderLine, true},
    {"latin1", "Alice", "Ren\xe9", Error::kNone, false},
};

class ParserRows : public testing::TestWithParam<Row> {};

TEST_P(ParserRows, Error) {
    const Row& row = GetParam();
    const std::string text = with(row.from, row.to);
    ASSERT_FALSE(text.empty()) << "the row does not fit the sample";
    const GuardedBytes bytes(text);
    Message message;
    const Error error = parse(bytes.text(), message);
    EXPECT_EQ(error_text(error), error_text(row.error));
    EXPECT_EQ(answerable(error, message), row.answerable);
}

INSTANTIATE_TEST_SUITE_P(All, ParserRows, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Parser, NeverAnswersAnAckOrAReply) {
    std::string text = with("INVITE sip", "ACK sip");
    Message message;
    EXPECT_EQ(parse(text, message), Error::kBadCseq);
    EXPECT_FALSE(answerable(Error::kBadCseq, message));
    text = with("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK");
    text = with("Length: 5", "Length: 99", text);
    EXPECT_EQ(parse(text, message), Error::kBadContentLength);
    EXPECT_FALSE(answerable(Error::kBadContentLength, message));
}

TEST(Parser, StatusLines) {
    const std::pair<std::string_view, Error> rows[] = {
        {"SIP/2.0 100 ", Error::kNone},
        {"SIP/2.0 200", Error::kNone},
        {"SIP/2.0 699 x", Error::kNone},
        {"SIP/2.0 700 x", Error::kStatusCode},
        {"SIP/2.0 099 x", Error::kStatusCode},
        {"SIP/2.0 20 x", Error::kStatusCode},
        {"SIP/2.0 0200 x", Error::kStatusCode},
        {"SIP/2.0 4294967301 x", Error::kStatusCode},
        {"SIP/2.0 2000", Error::kStatusCode},
        {"SIP/2.1 200 OK", Error::kVersion},
        {"SIP/2.00 200 OK", Error::kVersion},
        {"SIP/x 200 OK", Error::kNotSip},
        {"SIP/2.0", Error::kNotSip},
    };
    for (const auto& [line, error] : rows) {
        Message message;
        const std::string text = with("INVITE sip:bob@example.com SIP/2.0", line);
        EXPECT_EQ(error_text(parse(text, message)), error_text(error)) << line;
    }
}

TEST(Parser, StrayCarriageReturnStaysOutOfTheCallId) {
    const std::string text = with("@192.0.2.10\r\n", "@192.0.2.10\r\r\n");
    Message message;
    ASSERT_EQ(parse(text, message), Error::kNone);
    EXPECT_EQ(message.call_id.value, "3848276298220188511@192.0.2.10");
}

TEST(Parser, CutsWhatIsBehindContentLength) {
    const std::string text = std::string(kInvite) + "INVITE sip:next@x SIP/2.0\r\n";
    Message message;
    ASSERT_EQ(parse(text, message), Error::kNone);
    EXPECT_EQ(message.text, kInvite);
    EXPECT_EQ(message.body, "v=0\r\n");
}

TEST(Parser, MissingEmptyLineAndCutHeader) {
    const std::string_view whole = kInvite.substr(0, kInvite.find("Content-Type"));
    Message message;
    EXPECT_EQ(parse(whole, message), Error::kNone);
    EXPECT_EQ(parse(whole.substr(0, whole.size() - 1), message), Error::kTruncated);
    EXPECT_TRUE(answerable(Error::kTruncated, message));
    EXPECT_EQ(parse("INVITE sip:bob@example.com SIP/2.0", message), Error::kTruncated);
    EXPECT_EQ(parse("hello", message), Error::kNotSip);
    EXPECT_EQ(parse("\r\n\r\n", message), Error::kEmpty);
    EXPECT_EQ(parse("", message), Error::kEmpty);
}

TEST(Parser, BoundsOnHeaderLinesAndRoutes) {
    std::string lines;
    for (std::size_t i = 0; i < kRoutesMax; ++i) lines += "Route: <sip:r;lr>\r\n";
    Message message;
    const std::string full = with("Max", lines + "Max");  // outlives the views into it
    EXPECT_EQ(parse(full, message), Error::kNone);
    EXPECT_EQ(message.routes_count, kRoutesMax);
    EXPECT_EQ(message.routes[kRoutesMax - 1].value, "<sip:r;lr>");
    EXPECT_EQ(parse(with("Max", lines + "Route: <sip:r>\r\nMax"), message), Error::kTooManyHeaders);
    const auto lines_of = [](std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i) text += "X: y\r\n";
        return with("Max", text + "Max");
    };
    constexpr std::size_t kOthers = 9;  // header lines of the sample
    EXPECT_EQ(parse(lines_of(kHeaderLinesMax - kOthers), message), Error::kNone);
    EXPECT_EQ(parse(lines_of(kHeaderLinesMax - kOthers + 1), message), Error::kTooManyHeaders);
}

TEST(Parser, NothingIsLeftFromTheMessageBefore) {
    Message message;
    ASSERT_EQ(parse(with("Max", "Route: <sip:r>\r\nRequire: x\r\nMax"), message), Error::kNone);
    ASSERT_EQ(parse("hello", message), Error::kNotSip);
    EXPECT_EQ(message.routes_count, 0);
    EXPECT_EQ(message.via_lines, 0);
    EXPECT_FALSE(message.via.present());
    EXPECT_FALSE(message.require.present());
    EXPECT_TRUE(message.top_via.value.empty());
    EXPECT_EQ(message.max_forwards_value, -1);
}

TEST(Parser, EveryPrefixIsSafe) {
    for (std::size_t size = 0; size <= kInvite.size(); ++size) {
        const GuardedBytes bytes(kInvite.substr(0, size));
        Message message;
        const Error error = parse(bytes.text(), message);
        if (error != Error::kNone) continue;
        EXPECT_EQ(message.call_id.value, "3848276298220188511@192.0.2.10");
        EXPECT_TRUE(size == kInvite.size() || bytes.text().ends_with('\n'));
    }
}

TEST(Parser, Keepalives) {
    EXPECT_TRUE(is_keepalive(""));
    EXPECT_TRUE(is_keepalive("\r\n\r\n"));
    EXPECT_TRUE(is_keepalive(std::string_view("\0\0\0\0", 4)));
    EXPECT_FALSE(is_keepalive("     "));
    EXPECT_FALSE(is_keepalive(kInvite));
}

TEST(Parser, FindHeader) {
    Message message;
    const std::string text = with("Max", "k: path,\r\n  timer\r\nno colon\r\nX-A: 1\r\nMax");
    ASSERT_EQ(parse(text, message), Error::kNone);
    EXPECT_EQ(find_header(message, "supported").value, "path,\r\n  timer");
    EXPECT_EQ(find_header(message, "x-a").line, "X-A: 1\r\n");
    EXPECT_EQ(find_header(message, "i").value, message.call_id.value);
    EXPECT_FALSE(find_header(message, "X-B").present());
}

// A line is found by its value as it is by a walk over all of them.
TEST(Parser, LineOf) {
    const std::string kinds[] = {
        std::string(kInvite),
        with("Max", "Contact:\r\n <sip:a@b>\r\n ;q=1\r\nMax"),
        with("Max", "m :\n\t<sip:a@b>  \n \nMax"),
        with("Via", "Contact: <sip:a@b>\r\nVia"),
        "SIP/2.0 200 OK\nv: SIP/2.0/UDP a\nf:f\nt:t\ni:i\nCSeq: 1 X\nm: m\n",
        "SIP/2.0 200 OK\nv: SIP/2.0/UDP a\nf:f\nt:t\ni:i\nCSeq: 1 X\nm: m\n \n",
    };
    Message message;
    for (const std::string& text : kinds) {
        const GuardedBytes bytes(text);
        ASSERT_EQ(parse(bytes.text(), message), Error::kNone) << text;
        const auto expect_line = [&](const HeaderField& field, std::string_view name) {
            const std::string_view line = find_header(message, name).line;
            EXPECT_EQ(line_of(field, message), line) << text;
            EXPECT_EQ(line_of(field, message).data(), line.data()) << text;
        };
        expect_line(message.via, "Via");
        expect_line(message.call_id, "Call-ID");
        expect_line(message.cseq, "CSeq");
        expect_line(message.contact, "Contact");
    }
}

TEST(Parser, MethodsAreCaseSensitive) {
    EXPECT_EQ(method_of("PUBLISH"), Method::kPublish);
    EXPECT_EQ(method_of("PRACK"), Method::kPrack);
    EXPECT_EQ(method_of("invite"), Method::kOther);
    EXPECT_EQ(method_of(""), Method::kOther);
}

}  // namespace
}  // namespace lb::sip
