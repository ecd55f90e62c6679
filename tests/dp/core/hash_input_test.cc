#include "dp/core/hash_input.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "dp/sip/parser.h"

namespace lb::core {
namespace {

std::string expanded(std::string_view variables, std::string_view method, std::string headers) {
    const std::string text = std::string(method) +
                             " sip:b@x.y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n"
                             "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 " +
                             std::string(method) + "\r\n" + headers + "Content-Length: 0\r\n\r\n";
    sip::Message message;
    EXPECT_EQ(sip::parse(text, message), sip::Error::kNone);
    const auto program = table::PvarProgram::compile(variables);
    EXPECT_TRUE(program);
    std::array<char, kPvarTextMax> buffer;
    std::string_view out;
    EXPECT_TRUE(expand(*program, message, *Endpoint::parse("192.0.2.1:5070"), buffer, out));
    return std::string(out);
}

std::string digest(std::string_view name, std::string_view user) {
    return std::string(name) + ": Digest username=\"" + std::string(user) +
           "\", realm=\"r\", nonce=\"n\"\r\n";
}

// Recorded with scripts/differential's Kamailio 5.6.3, which put $au into a reply header.
TEST(HashInput, AuthUserVariable) {
    const std::string basic = "Proxy-Authorization: Basic xx\r\n";
    struct Row {
        const char* name;
        const char* method;
        std::string headers;
        const char* text;
    };
    const Row rows[] = {
        {"plain", "INVITE", digest("Authorization", "alice"), "[alice]"},
        {"domain", "INVITE", digest("Authorization", "alice@x"), "[alice]"},
        {"uri", "INVITE", digest("Authorization", "sip:alice@x"), "[alice]"},
        {"colon", "INVITE", digest("Authorization", "a:b"), "[b]"},
        {"short", "INVITE", digest("Authorization", "@a"), "[@a]"},
        {"spaces_stay", "INVITE", digest("Authorization", " pad "), "[ pad ]"},
        {"empty", "INVITE", digest("Authorization", ""), "[]"},
        {"empty_behind_colon", "INVITE", digest("Authorization", "abc:"), "[]"},
        {"no_username", "INVITE", "Authorization: Digest realm=\"r\"\r\n", "[]"},
        {"escaped_quote_before", "INVITE",
         "Authorization: Digest realm=\"a\\\"b\", username=\"alice\"\r\n", "[alice]"},
        {"list_in_quotes_before", "INVITE",
         "Authorization: Digest realm=\"a,username=\\\"z\\\"\",username=\"alice\"\r\n", "[alice]"},
        {"word_behind_a_value", "INVITE",
         "Authorization: Digest realm=\"r\" y,username=\"alice\"\r\n", "[alice]"},
        {"no_comma", "INVITE", "Authorization: Digest realm=\"r\" username=\"alice\"\r\n", "[]"},
        {"none", "INVITE", "", "[<null>]"},
        {"other_scheme", "INVITE", basic, "[<null>]"},
        {"other_scheme_first", "INVITE", digest("Authorization", "alice") + basic, "[<null>]"},
        {"proxy_first", "INVITE",
         digest("Authorization", "auth") + digest("Proxy-Authorization", "proxy"), "[proxy]"},
        {"cancel", "CANCEL", digest("Authorization", "alice"), "[<null>]"},
    };
    for (const Row& row : rows)
        EXPECT_EQ(expanded("[$au]", row.method, row.headers), row.text) << row.name;
}

// A text that is cut off would send calls that differ behind the cut to one destination: it is
// none.
TEST(HashInput, WhatDoesNotFitIsNoText) {
    const auto program = table::PvarProgram::compile("$ci-$rm");
    sip::Message message;
    message.method_text = "BYE";
    message.call_id = {"12345678"};
    for (const std::size_t room : {0U, 7U, 8U, 9U, 11U, 12U, 13U}) {
        std::vector<char> buffer(room);
        std::string_view out;
        EXPECT_EQ(expand(*program, message, Endpoint(), buffer, out), room >= 12) << room;
        if (room >= 12) {
            EXPECT_EQ(out, "12345678-BYE") << room;
        }
    }
}

// The port counts where it is not the scheme's own; of a telephone number that is 5060 always.
TEST(HashInput, OwnPortsAreLeftOut) {
    struct Row {
        const char* uri;
        const char* x;
        const char* y;
    };
    constexpr Row kRows[] = {
        {"sip:a@h", "a", "h"},
        {"sip:a@h:5060", "a", "h"},
        {"sip:a@h:5061", "a", "h:5061"},
        {"sips:a@h", "a", "h"},
        {"sips:a@h:5061", "a", "h"},
        {"sips:a@h:5060", "a", "h:5060"},
        {"sips:a@h:5060;user=phone", "a", "h"},
        {"sips:a@h:5061;user=phone", "a", "h:5061"},
        {"sip:h:5060", "", "h"},
    };
    for (const Row& row : kRows) {
        HashText text;
        ASSERT_TRUE(uri_hash_text(row.uri, false, text)) << row.uri;
        EXPECT_EQ(text.x, row.x) << row.uri;
        EXPECT_EQ(text.y, row.y) << row.uri;
        ASSERT_TRUE(uri_hash_text(row.uri, true, text));
        EXPECT_EQ(text.y, "") << row.uri;
    }
}

TEST(HashInput, UserOfATelephoneNumber) {
    const auto user = [](const std::string& uri) {
        const std::string text = "INVITE " + uri +
                                 " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n"
                                 "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n"
                                 "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
        sip::Message message;
        EXPECT_EQ(sip::parse(text, message), sip::Error::kNone);
        std::array<char, kPvarTextMax> buffer;
        std::string_view out;
        EXPECT_TRUE(expand(*table::PvarProgram::compile("$rU"), message,
                           *Endpoint::parse("192.0.2.1:5070"), buffer, out));
        return std::string(out);
    };
    EXPECT_EQ(user("sip:+1-555;isub=1@h;user=phone"), "+1-555");
    EXPECT_EQ(user("sip:bob;tag=x@h:5060;user=phone;transport=udp"), "bob");
    EXPECT_EQ(user("sip:+1-555;isub=1@h;USER=phone"), "+1-555");
    EXPECT_EQ(user("sip:+1-555;isub=1@h;user=Phone"), "+1-555;isub=1") << "Kamailio minds the case";
    EXPECT_EQ(user("sip:bob;tag=x@h"), "bob;tag=x");
    EXPECT_EQ(user("tel:+1-555;isub=1"), "+1-555");
}

}  // namespace
}  // namespace lb::core
