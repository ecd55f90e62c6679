#include "cp/tables_builder.h"

#include <gtest/gtest.h>

#include "cp/socket_text.h"

namespace lb::cp {
namespace {

Config config(const std::string& more = {}) {
    auto parsed = parse_config(R"(
[[port]]
device = "d"
addresses = ["10.77.0.1/24", "fd77::1/64"]
[[service]]
name = "a"
listen = ["10.77.0.1:5060", { address = "10.77.0.1:5062", name = "in" }]
set = 2
algorithm = 8
[[service.rule]]
methods = ["REGISTER"]
set = 3
[[service]]
name = "b"
listen = ["[fd77::1]:5060", "[fd77::1]:5070"]
)" + more,
                               "f");
    EXPECT_TRUE(parsed) << parsed.error().message;
    return *parsed;
}

Result<std::vector<Endpoint>> no_dns(const DestinationUri&) {
    return failed(Errc::kNotFound, "no DNS here");
}

DestinationRow row(std::int64_t setid, std::string uri, std::string attrs = {}) {
    DestinationRow out;
    out.setid = setid;
    out.destination = std::move(uri);
    out.attrs = std::move(attrs);
    return out;
}

TEST(TablesBuilder, ListenersAndTheirTexts) {
    const auto listeners = make_listeners(config());
    ASSERT_EQ(listeners.size(), 4u);
    EXPECT_EQ(listeners[0].via, "Via: SIP/2.0/UDP 10.77.0.1;branch=");
    EXPECT_EQ(listeners[0].record_route_uri, "<sip:10.77.0.1");
    EXPECT_EQ(listeners[1].via, "Via: SIP/2.0/UDP 10.77.0.1:5062;branch=");
    EXPECT_EQ(listeners[1].name, "in");
    EXPECT_EQ(listeners[2].via, "Via: SIP/2.0/UDP [fd77::1];branch=");
    EXPECT_EQ(listeners[2].service, 1u);
    EXPECT_EQ(listeners[3].record_route_uri, "<sip:[fd77::1]:5070");
}

TEST(TablesBuilder, SocketTexts) {
    EXPECT_EQ(parse_socket("udp:10.0.0.1:5070")->text(), "10.0.0.1:5070");
    EXPECT_EQ(parse_socket("UDP:10.0.0.1")->text(), "10.0.0.1:5060");
    EXPECT_EQ(parse_socket("10.0.0.1:5060")->text(), "10.0.0.1:5060");
    EXPECT_EQ(parse_socket("udp:[::1]:5")->text(), "[::1]:5");
    EXPECT_EQ(parse_socket("udp:[::1]")->text(), "[::1]:5060");
    for (const char* bad : {"", "tcp:10.0.0.1:5060", "sip:10.0.0.1:5060", "junk",
                            "udp:", "udp:[::1", "udp:[10.0.0.1]"}) {
        EXPECT_FALSE(parse_socket(bad)) << bad;
    }
}

TEST(TablesBuilder, WhoseListener) {
    const Config plain = config();
    const auto listeners = make_listeners(plain);
    const auto of = [&](const Config& from, const char* attrs) {
        return listener_of(listeners, from.dispatcher, parse_attributes(attrs).value());
    };
    EXPECT_EQ(of(plain, ""), table::kNoListener);
    EXPECT_EQ(of(plain, "socket=udp:10.77.0.1:5062"), 1);
    EXPECT_EQ(of(plain, "sockname=in;socket=udp:10.77.0.1:5060"), 1);
    EXPECT_EQ(of(plain, "sockname=IN"), 1);
    const Config with_default =
        config("[dispatcher]\nds_default_socket = \"udp:[fd77::1]:5070\"\n");
    EXPECT_EQ(of(with_default, ""), 3);
    EXPECT_EQ(of(with_default, "socket=udp:10.77.0.1:5060"), 0);
}

TEST(TablesBuilder, OptionsCheckSockets) {
    const DispatcherOptions options = dispatcher_options(config());
    EXPECT_TRUE(options.is_local_socket("udp:10.77.0.1:5062"));
    EXPECT_FALSE(options.is_local_socket("udp:10.77.0.1:5063"));
    EXPECT_FALSE(options.is_local_socket("tcp:10.77.0.1:5062"));
    EXPECT_TRUE(options.is_local_sockname("in"));
    EXPECT_TRUE(options.is_local_sockname("In"));
    EXPECT_FALSE(options.is_local_sockname("out"));
}

TEST(TablesBuilder, TheWholeDispatch) {
    const Config from = config("[dispatcher]\nflags = 3\nuse_default = 1\n");
    Dispatcher dispatcher(dispatcher_options(from));
    ASSERT_TRUE(dispatcher.load({row(2, "sip:10.0.0.7", "sockname=in"), row(2, "sip:10.0.0.8:5070"),
                                 row(3, "sip:10.0.0.9")},
                                no_dns, true));
    const auto dispatch = build_dispatch(from, dispatcher);
    ASSERT_TRUE(dispatch);
    EXPECT_EQ((*dispatch)->services().at(0).listeners, (std::vector<table::ListenerIndex>{0, 1}));
    EXPECT_EQ((*dispatch)->services().at(0).rules.at(0).set, 3);
    EXPECT_EQ((*dispatch)->services().at(1).listeners, (std::vector<table::ListenerIndex>{2, 3}));
    EXPECT_EQ((*dispatch)->find_listener(*Endpoint::parse("10.77.0.1:5062")), 1);
    const table::Set* set = (*dispatch)->find_set(2);
    ASSERT_NE(set, nullptr);
    ASSERT_EQ(set->members.size(), 2u);
    EXPECT_EQ(set->members[0].endpoint.text(), "10.0.0.8:5070");
    EXPECT_EQ(set->members[1].listener, 1);
    EXPECT_TRUE((*dispatch)->is_destination(*Endpoint::parse("10.0.0.9:1234")));
    EXPECT_EQ((*dispatch)->select_options().flags, 3u);
    EXPECT_TRUE((*dispatch)->select_options().use_default);
}

TEST(TablesBuilder, TwoListenersAtOneAddress) {
    Config from = config();
    from.services[1].listen[0] = from.services[0].listen[0];
    Dispatcher dispatcher(dispatcher_options(from));
    const auto dispatch = build_dispatch(from, dispatcher);
    ASSERT_FALSE(dispatch);
    EXPECT_EQ(dispatch.error().message, "two listeners at 10.77.0.1:5060");
}

}  // namespace
}  // namespace lb::cp
