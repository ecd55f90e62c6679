// Which messages a trace wants.

#include "dp/core/message_trace.h"

#include <gtest/gtest.h>

#include "tests/support/appliance.h"

namespace lb::test {
namespace {

using core::TraceFilter;
using core::TracePeer;

struct PeerRow {
    const char* text;
    const char* inside;
    const char* outside;
};
constexpr PeerRow kPeers[] = {
    {"192.0.2.1", "192.0.2.1:7000", "192.0.2.2:7000"},
    {"192.0.2.0/24", "192.0.2.200:1", "192.0.3.1:1"},
    {"192.0.2.1:5060", "192.0.2.1:5060", "192.0.2.1:5061"},
    {"2001:db8::/32", "[2001:db8:7::1]:5060", "[2001:db9::1]:5060"},
    {"2001:db8::1", "[2001:db8::1]:1", "[2001:db8::2]:1"},
    {"[2001:db8::1]:5060", "[2001:db8::1]:5060", "[2001:db8::1]:5062"},
    {"0.0.0.0/0", "203.0.113.9:9", "[2001:db8::1]:9"},
};

TEST(TracePeer, IsAnAddressAPrefixOrAnEndpoint) {
    for (const PeerRow& row : kPeers) {
        const auto peer = TracePeer::parse(row.text);
        ASSERT_TRUE(peer) << row.text;
        EXPECT_TRUE(peer->contains(at(row.inside))) << row.text;
        EXPECT_FALSE(peer->contains(at(row.outside))) << row.text;
        EXPECT_EQ(peer->text(), row.text);
    }
    for (const char* text :
         {"", "host", "192.0.2.1/33", "192.0.2.1:70000", "192.0.2.1:x", "2001:db8::1/129"})
        EXPECT_FALSE(TracePeer::parse(text)) << text;
}

std::string request(const std::string& call_id) {
    return "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.9;branch=z9hG4bK1\r\n"
           "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: " +
           call_id + "\r\nCSeq: 1 OPTIONS\r\n\r\n";
}
std::string reply(const std::string& call_id) {
    const std::string text = request(call_id);
    return "SIP/2.0 200 OK" + text.substr(text.find("\r\n"));
}

class MessageTrace : public ::testing::Test {
protected:
    MessageTrace() {
        appliance.listen("10.77.0.1:5060", 0);
        appliance.build();
    }
    // As the worker asks: before the decision, and after it.
    bool wants(const TraceFilter& filter, const char* source, const std::string& text,
               const char* relayed_to = nullptr, const char* target = "10.77.0.1:5060") {
        FrameBuffer frame(at(source), at(target), text);
        core::TraceView view;
        if (!core::look(frame.packet, appliance.tables, view)) return false;
        if (!core::may_match(filter, view)) return false;
        const Endpoint to = relayed_to != nullptr ? at(relayed_to) : Endpoint{};
        return core::matches(filter, view.reply, relayed_to != nullptr ? &to : nullptr);
    }
    static TraceFilter by(const char* call_id, const char* source = "",
                          const char* destination = "") {
        return {call_id, TracePeer::parse(source), TracePeer::parse(destination)};
    }
    Appliance appliance;
};

constexpr const char* kPhone = "10.77.0.9:5062";
constexpr const char* kPbx = "10.88.0.11:5060";

TEST_F(MessageTrace, CallIdIsComparedWhole) {
    const TraceFilter filter = by("abc@x");
    EXPECT_TRUE(wants(filter, kPhone, request("abc@x")));
    EXPECT_TRUE(wants(filter, kPbx, reply("abc@x"), kPhone));
    EXPECT_FALSE(wants(filter, kPhone, request("abc@xy")));
    EXPECT_FALSE(wants(filter, kPhone, request("ABC@x")));
    EXPECT_FALSE(wants(filter, kPhone, "not SIP, but Call-ID: abc@x\r\n\r\n"));
    EXPECT_FALSE(wants(filter, kPhone, "\r\n\r\n"));
}

TEST_F(MessageTrace, SourceIsWhoSendsRequestsAndRepliesGoBackToIt) {
    const TraceFilter filter = by("", "10.77.0.9");
    EXPECT_TRUE(wants(filter, kPhone, request("1"), kPbx));
    EXPECT_TRUE(wants(filter, kPhone, request("1"))) << "dropped or answered";
    EXPECT_TRUE(wants(filter, kPhone, "\r\n\r\n"));
    EXPECT_TRUE(wants(filter, kPbx, reply("1"), kPhone));
    EXPECT_FALSE(wants(filter, kPbx, reply("1"), "10.77.0.8:5060"));
    EXPECT_FALSE(wants(filter, kPbx, reply("1"))) << "dropped: it goes nowhere";
    EXPECT_FALSE(wants(filter, kPbx, request("1"), kPhone)) << "a BYE of the other side";
}

TEST_F(MessageTrace, DestinationIsWhereRequestsGoAndRepliesComeFrom) {
    const TraceFilter filter = by("", "", "10.88.0.11:5060");
    EXPECT_TRUE(wants(filter, kPhone, request("1"), kPbx));
    EXPECT_FALSE(wants(filter, kPhone, request("1"), "10.88.0.12:5060"));
    EXPECT_FALSE(wants(filter, kPhone, request("1")));
    EXPECT_TRUE(wants(filter, kPbx, reply("1"), kPhone));
    EXPECT_TRUE(wants(filter, kPbx, reply("1")));
    EXPECT_FALSE(wants(filter, "10.88.0.12:5060", reply("1"), kPhone));
}

TEST_F(MessageTrace, WhatIsGivenMustAllMatch) {
    const TraceFilter filter = by("1", "10.77.0.0/24", "10.88.0.0/24");
    EXPECT_TRUE(wants(filter, kPhone, request("1"), kPbx));
    EXPECT_FALSE(wants(filter, kPhone, request("2"), kPbx));
    EXPECT_FALSE(wants(filter, "10.78.0.9:5062", request("1"), kPbx));
    EXPECT_FALSE(wants(filter, kPhone, request("1"), "10.89.0.1:5060"));
    EXPECT_TRUE(wants(filter, kPbx, reply("1"), kPhone));
}

TEST_F(MessageTrace, NothingGivenIsEveryMessageToAService) {
    EXPECT_TRUE(wants({}, kPhone, request("1")));
    EXPECT_TRUE(wants({}, kPhone, "garbage"));
    EXPECT_FALSE(wants({}, kPhone, request("1"), nullptr, "10.77.0.1:22"))
        << "nobody listens there";
}

}  // namespace
}  // namespace lb::test
