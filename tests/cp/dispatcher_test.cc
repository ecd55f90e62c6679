#include "cp/dispatcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "cp/row_reader.h"

namespace lb::cp {
namespace {

using Lines = std::vector<std::string>;

// Resolves what `kHosts` has, as a DNS server without anything else.
Result<std::vector<Endpoint>> resolve(const DestinationUri& uri) {
    static const std::map<std::string, std::vector<std::string>> kHosts = {
        {"gw.example", {"192.0.2.1:5060", "192.0.2.2:5060"}}};
    const auto found = kHosts.find(uri.host);
    if (found == kHosts.end()) return failed(Errc::kNotFound, "no such host");
    std::vector<Endpoint> out;
    for (const std::string& text : found->second) out.push_back(*Endpoint::parse(text));
    return out;
}

DestinationRow row(std::int64_t setid, std::string destination, std::int64_t flags = 0,
                   std::int64_t priority = 0, std::string attrs = {}) {
    DestinationRow out;
    out.setid = setid;
    out.destination = std::move(destination);
    out.flags = flags;
    out.priority = priority;
    out.attrs = std::move(attrs);
    return out;
}

std::vector<DestinationRow> numbered(std::vector<DestinationRow> rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i].id = static_cast<std::int64_t>(i) + 1;
        rows[i].origin = "dispatcher row " + std::to_string(i + 1);
    }
    return rows;
}

// "2/sip:h AX 10": what dispatcher.list short shows, a line per destination.
Lines listed(const Dispatcher& dispatcher) {
    Lines out;
    for (const DestinationSet& set : dispatcher.sets()) {
        for (const Destination& d : set.members) {
            out.push_back(std::to_string(set.id) + "/" + std::string(d.uri) + " " +
                          state_letters(d.flags, false) + " " + std::to_string(d.priority));
        }
    }
    return out;
}

Destination& at(Dispatcher& dispatcher, std::int32_t set, std::size_t index = 0) {
    return dispatcher.find_set(set)->members.at(index);
}

std::string letters(Dispatcher& dispatcher, std::int32_t set = 1) {
    return state_letters(at(dispatcher, set).flags, true);
}

// The table of golden/kamcmd s06 and s07.
std::vector<DestinationRow> four_gateways() {
    return numbered({row(1, "sip:127.0.61.1:5060", 0, 10, "duid=a1;weight=50"),
                     row(1, "sip:127.0.61.2:5060", 0, 10),
                     row(1, "sip:127.0.61.3:5070;transport=udp", 8, 5,
                         "duid=a3;socket=udp:127.0.60.1:5060;maxload=30"),
                     row(2, "sip:127.0.61.4", 0, 0, "rweight=20;duid=dd")});
}

TEST(Dispatcher, OrderOfGoldenS07) {
    Dispatcher dispatcher({});
    const auto report = dispatcher.load(four_gateways(), resolve, true);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->loaded, 4u);
    EXPECT_EQ(dispatcher.size(), 4u);
    EXPECT_EQ(listed(dispatcher),
              (Lines{"2/sip:127.0.61.4 AX 0", "1/sip:127.0.61.2:5060 AX 10",
                     "1/sip:127.0.61.1:5060 AX 10", "1/sip:127.0.61.3:5070;transport=udp AP 5"}));
}

// golden/kamcmd s02: rows refused, put right and listed. 127.0.61.25 twice stays twice.
TEST(Dispatcher, OddRowsOfGoldenS02) {
    DispatcherOptions options;
    options.is_local_socket = [](std::string_view text) { return text == "udp:127.0.60.1:5060"; };
    options.is_local_sockname = [](std::string_view) { return false; };
    Dispatcher dispatcher(options);
    const auto rows =
        numbered({row(1, "sip:127.0.61.10", 0, 0, "weight=101"),
                  row(1, "127.0.61.13:5090"),
                  row(1, "sip:bad host"),
                  row(1, "sip:nosuch.invalid"),
                  row(1, "sip:nosuch.invalid", 16, 0, "duid=nodns"),
                  row(1, "sip:localhost:5091;transport=tcp"),
                  row(1, "sip:127.0.61.14", 4, 3),
                  row(1, "sip:127.0.61.15", 1, 3),
                  row(1, "sip:127.0.61.16", 2, 3),
                  row(1, "sip:127.0.61.17", 9, 3),
                  row(1, "sip:127.0.61.18", 12, 3),
                  row(1, "sip:127.0.61.19", 10, 3),
                  row(1, "sip:127.0.61.20", 32, 3),
                  row(1, "sip:127.0.61.21", 7, -4),
                  row(1, "sip:127.0.61.22", 0, 0, "socket=udp:127.0.0.99:5060"),
                  row(1, "sip:127.0.61.23", 0, 0, "sockname=nope"),
                  row(1, "sip:127.0.61.25", 0, 0, "latency=12;cc=1;weight=9"),
                  row(1, "sip:127.0.61.25", 0, 0, "duid=twin"),
                  row(1, "sips:127.0.61.26", 0, 0, "rweight=0"),
                  row(1, "sip:user@127.0.61.27:5060", 0, 0, "weight=abc"),
                  row(0, "sip:127.0.61.28", 0, 70000),
                  row(-5, "sip:127.0.61.29"),
                  row(2147483647, "sip:127.0.61.30", 0, 0, "\"q\"=1"),
                  row(3, "sip:127.0.61.31", 0, 0, "duid"),
                  row(3, "sip:127.0.61.32", 0, 0, "duid=a b;weight=4"),
                  row(3, "sip:127.0.61.33", 0, 0, ";"),
                  row(3, "sip:127.0.61.34", 0, 0, "duid=\"quoted;x\";weight=2"),
                  row(3, ""),
                  row(3, "sip:127.0.61.35;lr;foo=b%20r", 0, 0, " duid = s ; weight = 8 ")});
    const auto report = dispatcher.load(rows, resolve, false);
    ASSERT_TRUE(report);
    EXPECT_EQ(listed(dispatcher),
              (Lines{"-5/sip:127.0.61.29 AX 0",          "1/sip:127.0.61.20 AX 3",
                     "1/sip:127.0.61.19 TP 3",           "1/sip:127.0.61.18 DP 3",
                     "1/sip:127.0.61.17 IP 3",           "1/sip:127.0.61.16 TX 3",
                     "1/sip:127.0.61.15 IX 3",           "1/sip:127.0.61.14 DX 3",
                     "1/sip:user@127.0.61.27:5060 AX 0", "1/sips:127.0.61.26 AX 0",
                     "1/sip:127.0.61.25 AX 0",           "1/sip:127.0.61.25 AX 0",
                     "1/sip:nosuch.invalid AX 0",        "1/sip:127.0.61.13:5090 AX 0",
                     "1/sip:127.0.61.10 AX 0",           "1/sip:127.0.61.21 IX -4",
                     "2147483647/sip:127.0.61.30 AX 0",  "3/sip:127.0.61.34 AX 0",
                     "3/sip:127.0.61.33 AX 0",           "3/sip:127.0.61.31 AX 0",
                     "0/sip:127.0.61.28 AX 70000"}));
    ASSERT_EQ(report->bad_rows.size(), 8u);
    EXPECT_EQ(report->bad_rows[0],
              "dispatcher row 3: destination \"sip:bad host\": white space, control characters, "
              "quotes and angle brackets are not allowed");
    EXPECT_EQ(report->bad_rows[1],
              "dispatcher row 4: host nosuch.invalid does not resolve: no such host");
    EXPECT_EQ(report->bad_rows[3],
              "dispatcher row 15: socket udp:127.0.0.99:5060 is no listener of ours");
    EXPECT_EQ(report->bad_rows[4], "dispatcher row 16: sockname nope is no listener's name");
    ASSERT_EQ(report->warnings.size(), 4u);
    EXPECT_EQ(report->warnings[1],
              "dispatcher row 5: sip:nosuch.invalid: gets no traffic yet: host nosuch.invalid does "
              "not resolve: no such host");
    EXPECT_EQ(report->warnings[2],
              "dispatcher row 19: sips:127.0.61.26: gets no traffic: only UDP is spoken");

    const Destination& measured = dispatcher.find_set(1)->members.at(10);
    EXPECT_EQ(measured.attrs.weight, 9);
    EXPECT_EQ(measured.latency.average, 12);
    EXPECT_EQ(measured.latency.max, 12);
    EXPECT_EQ(measured.latency.count, 10000u);
    EXPECT_EQ(measured.latency.samples, 0u);
    EXPECT_FALSE(dispatcher.find_set(1)->members.at(11).looked_up);  // nosuch.invalid
    EXPECT_TRUE(dispatcher.find_set(1)->members.at(11).endpoints.empty());
}

TEST(Dispatcher, NumbersThatDoNotFitAreRefused) {
    Dispatcher dispatcher({});
    auto wrong = row(1, "sip:1.2.3.4");
    wrong.problem = "setid \"x\" is not an integer";
    const auto report = dispatcher.load(
        numbered({row(2147483648, "sip:1.2.3.4"), row(1, "sip:1.2.3.4", -1),
                  row(1, "sip:1.2.3.4", 1LL << 31), row(1, "sip:1.2.3.4", 0, 1LL << 40), wrong}),
        resolve, false);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->loaded, 0u);
    ASSERT_EQ(report->bad_rows.size(), 5u);
    EXPECT_EQ(report->bad_rows[4], "dispatcher row 5: setid \"x\" is not an integer");
}

TEST(Dispatcher, SocketsOfARowMustBeListeners) {
    DispatcherOptions options;
    options.is_local_socket = [](std::string_view text) { return text == "udp:10.0.0.2:5060"; };
    const std::pair<const char*, bool> kRows[] = {{"socket=udp:10.0.0.2:5060", true},
                                                  {"socket=udp:10.0.0.3:5060", false},
                                                  {"ping_socket=udp:10.0.0.2:5060", true},
                                                  {"ping_socket=udp:10.0.0.3:5060", false}};
    for (const auto& [attrs, good] : kRows) {
        Dispatcher dispatcher(options);
        const auto report = dispatcher.load({row(1, "sip:1.2.3.4", 0, 0, attrs)}, resolve, true);
        EXPECT_EQ(report.has_value(), good) << attrs;
    }
}

TEST(Dispatcher, AllOrNothingKeepsTheOldTable) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    const Lines before = listed(dispatcher);
    const std::uint64_t version = dispatcher.version();
    const auto rows =
        numbered({row(4, "sip:no such host"), row(4, "sip:127.0.61.151"), row(4, "")});
    const auto refused = dispatcher.load(rows, resolve, true);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message.starts_with("dispatcher row 1: "))
        << refused.error().message;
    EXPECT_TRUE(refused.error().message.ends_with("(and 1 more bad rows)"));
    EXPECT_EQ(listed(dispatcher), before);
    EXPECT_EQ(dispatcher.version(), version);

    // ds_load_mode 1 asks the same of a start.
    DispatcherOptions strict;
    strict.load_mode_strict = true;
    EXPECT_FALSE(Dispatcher(strict).load(rows, resolve, false));
}

TEST(Dispatcher, AnEmptyTableIsATable) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    ASSERT_TRUE(dispatcher.load({}, resolve, true));
    EXPECT_TRUE(dispatcher.sets().empty());
    EXPECT_FALSE(dispatcher.set_state(1, "sip:127.0.61.1:5060", 1));  // s06 015
    EXPECT_TRUE(dispatcher.set_state(1, "all", 1));                   // s06 016
    EXPECT_TRUE(dispatcher.remove(1, "sip:127.0.61.1:5060"));         // s06 017
    EXPECT_TRUE(dispatcher.add(row(3, "sip:127.0.61.77:5080"), resolve));
    EXPECT_EQ(listed(dispatcher), (Lines{"3/sip:127.0.61.77:5080 AX 0"}));
}

// As golden/kamcmd s07, but for the orders of equal priorities and sets, which stay (design.md 11).
TEST(Dispatcher, SaysWhenAReloadTakesAllAway) {
    Dispatcher dispatcher({});
    EXPECT_TRUE(dispatcher.load({}, resolve, true)->warnings.empty()) << "nobody has lost anything";
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    EXPECT_EQ(dispatcher.load({}, resolve, true)->warnings,
              (Lines{"no destination is left of 4: new requests get the answer no_destination"}));
}

TEST(Dispatcher, AddAndRemove) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    ASSERT_TRUE(dispatcher.set_state(1, "sip:127.0.61.1:5060", *parse_state("ip")));
    const Lines first = listed(dispatcher);
    ASSERT_TRUE(dispatcher.add(row(1, "sip:127.0.61.77:5080"), resolve));
    ASSERT_TRUE(dispatcher.add(row(1, "sip:127.0.61.78:5080", 8), resolve));
    ASSERT_TRUE(dispatcher.add(row(1, "127.0.61.160", 0, 7), resolve));
    ASSERT_TRUE(dispatcher.add(row(1, "sip:127.0.61.161", 0, 10, "duid=n1"), resolve));
    EXPECT_EQ(listed(dispatcher),
              (Lines{"2/sip:127.0.61.4 AX 0", "1/sip:127.0.61.161 AX 10",
                     "1/sip:127.0.61.2:5060 AX 10", "1/sip:127.0.61.1:5060 IP 10",
                     "1/sip:127.0.61.160 AX 7", "1/sip:127.0.61.3:5070;transport=udp AP 5",
                     "1/sip:127.0.61.78:5080 AP 0", "1/sip:127.0.61.77:5080 AX 0"}));

    ASSERT_TRUE(dispatcher.add(row(55, "sip:127.0.61.162"), resolve));
    EXPECT_EQ(dispatcher.sets().size(), 3u);
    EXPECT_EQ(dispatcher.sets()[2].id, 2);               // 1 55 2: the tree of 1, 2, 55
    ASSERT_TRUE(dispatcher.remove(55, "127.0.61.162"));  // the argument is prefixed as well
    EXPECT_EQ(dispatcher.find_set(55), nullptr);

    // Twins go together; what does not match is no error; case counts; a bad URI is one.
    ASSERT_TRUE(dispatcher.add(row(1, "sip:127.0.61.77:5080"), resolve));
    const std::uint64_t version = dispatcher.version();
    ASSERT_TRUE(dispatcher.remove(1, "SIP:127.0.61.77:5080"));
    ASSERT_TRUE(dispatcher.remove(77, "sip:127.0.61.77:5080"));
    EXPECT_EQ(dispatcher.version(), version);
    EXPECT_FALSE(dispatcher.remove(1, "sip:bad host"));
    for (const char* uri :
         {"sip:127.0.61.77:5080", "sip:127.0.61.78:5080", "sip:127.0.61.160", "sip:127.0.61.161"}) {
        ASSERT_TRUE(dispatcher.remove(1, uri));
    }
    EXPECT_EQ(listed(dispatcher), first);
    EXPECT_FALSE(dispatcher.add(row(55, "sip:nosuch.invalid"), resolve));
    EXPECT_TRUE(dispatcher.add(row(55, "sip:nosuch.invalid", 16), resolve));
    EXPECT_EQ(dispatcher.find_set(55)->members.size(), 1u);
}

TEST(Dispatcher, SetState) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    ASSERT_TRUE(dispatcher.set_state(1, "SIP:127.0.61.2:5060", *parse_state("dp")));  // any case
    EXPECT_EQ(letters(dispatcher), "DX");
    ASSERT_TRUE(dispatcher.set_duid_state(1, "A3", *parse_state("t")));
    EXPECT_EQ(state_letters(at(dispatcher, 1, 2).flags, false), "TX");
    EXPECT_FALSE(dispatcher.set_state(1, "sip:127.0.61.4", 1));  // other set
    EXPECT_FALSE(dispatcher.set_state(9, "sip:127.0.61.4", 1));
    EXPECT_FALSE(dispatcher.set_duid_state(1, "", 1));
    const auto missing = dispatcher.set_duid_state(1, "zz", 1);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Errc::kNotFound);

    const std::vector<StateChange> changes = dispatcher.take_changes();
    ASSERT_EQ(changes.size(), 2u);
    EXPECT_EQ(changes[0].uri, "sip:127.0.61.2:5060");
    EXPECT_TRUE(changes[0].skipped_changed());
    EXPECT_EQ(changes[0].cause, StateChange::Cause::kCommand);
    EXPECT_FALSE(changes[1].skipped_changed());
    EXPECT_TRUE(dispatcher.take_changes().empty());

    const std::uint64_t version = dispatcher.version();
    ASSERT_TRUE(dispatcher.set_state(1, "all", *parse_state("ap")));
    EXPECT_GT(dispatcher.version(), version);
    for (const Destination& d : dispatcher.find_set(1)->members) EXPECT_EQ(d.flags, 8u);
    ASSERT_TRUE(dispatcher.set_state(1, "all", *parse_state("ap")));
    EXPECT_EQ(dispatcher.take_changes().size(), 3u);  // once each
    ASSERT_TRUE(dispatcher.set_duid_state(1, "all", *parse_state("i")));
    for (const Destination& d : dispatcher.find_set(1)->members) EXPECT_EQ(d.flags, 1u);
    EXPECT_TRUE(dispatcher.set_duid_state(9, "all", 1)) << "as Kamailio says";
}

TEST(Dispatcher, ConfiguredBitsOutliveAStateChange) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.2.3.4", 16 | 32)}, resolve, true));
    ASSERT_TRUE(dispatcher.set_state(1, "sip:1.2.3.4", *parse_state("i")));
    EXPECT_EQ(at(dispatcher, 1).flags, 1u | 16 | 32);
    EXPECT_EQ(letters(dispatcher), "IN");
}

TEST(State, ArgumentsAndLetters) {
    struct Row {
        const char* text;
        std::uint32_t bits;
    };
    constexpr Row kRows[] = {{"0", 1}, {"i", 1},   {"I", 1},  {"ip", 9}, {"1", 0},
                             {"a", 0}, {"AP", 8},  {"2", 4},  {"d", 4},  {"dp", 4},
                             {"3", 2}, {"tp", 10}, {"10", 0}, {"ax", 0}, {"i p", 1}};
    for (const Row& one : kRows) EXPECT_EQ(parse_state(one.text).value(), one.bits) << one.text;
    EXPECT_EQ(parse_state("").error().message, "Invalid State Parameter");
    EXPECT_EQ(parse_state("x").error().message, "Unknown State Value");
    EXPECT_EQ(parse_state("-1").error().message, "Unknown State Value");

    EXPECT_EQ(state_letters(0, false), "AX");
    EXPECT_EQ(state_letters(1 | 4, false), "IX");
    EXPECT_EQ(state_letters(4 | 8, false), "DP");
    EXPECT_EQ(state_letters(2 | 32, false), "TX");
    EXPECT_EQ(state_letters(2 | 32, true), "TN");
    EXPECT_EQ(state_letters(8 | 32, true), "AP");
}

DispatcherOptions probing(std::uint32_t threshold, std::uint32_t inactive = 1) {
    DispatcherOptions options;
    options.probing_mode = 1;
    options.probing_threshold = threshold;
    options.inactive_threshold = inactive;
    return options;
}

TEST(Probing, ThreeFailuresAndBack) {
    Dispatcher dispatcher(probing(3, 2));
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.2.3.4")}, resolve, true));
    const table::DestinationId id = at(dispatcher, 1).id;
    const auto after = [&](bool success) {
        dispatcher.probe_result(id, success, std::nullopt, !success);
        return letters(dispatcher);
    };
    EXPECT_EQ(after(true), "AP");
    EXPECT_EQ(after(false), "TP");
    EXPECT_EQ(after(true), "AP");  // clears the count
    EXPECT_EQ(after(false), "TP");
    EXPECT_EQ(after(false), "TP");
    EXPECT_EQ(after(false), "IP");
    EXPECT_EQ(after(true), "IP");
    EXPECT_EQ(after(false), "IP");  // clears the count of successes
    EXPECT_EQ(after(true), "IP");
    EXPECT_EQ(after(true), "AP");

    const auto changes = dispatcher.take_changes();
    ASSERT_EQ(changes.size(), 6u);
    EXPECT_EQ(changes[0].cause, StateChange::Cause::kProbe);
    EXPECT_EQ(std::count_if(changes.begin(), changes.end(),
                            [](const StateChange& c) { return c.skipped_changed(); }),
              2);
}

TEST(Probing, ADisabledDestinationTakesNoResult) {
    Dispatcher dispatcher(probing(1));
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.2.3.4")}, resolve, true));
    ASSERT_TRUE(dispatcher.set_state(1, "sip:1.2.3.4", *parse_state("d")));
    dispatcher.probe_result(at(dispatcher, 1).id, true, 5, false);
    EXPECT_EQ(letters(dispatcher), "DX");
    dispatcher.probe_result(table::DestinationId{9999}, true, 5, false);  // gone: nothing
}

// Mode 1: `set_state i` lasts until the next good answer only (golden 16).
TEST(Probing, SetInactiveLastsUntilTheNextAnswer) {
    Dispatcher dispatcher(probing(3));
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.2.3.4")}, resolve, true));
    ASSERT_TRUE(dispatcher.set_state(1, "all", *parse_state("i")));
    EXPECT_EQ(letters(dispatcher), "IX");
    dispatcher.probe_result(at(dispatcher, 1).id, true, 5, false);
    EXPECT_EQ(letters(dispatcher), "AP");
}

TEST(Probing, HoldUntilProbed) {
    DispatcherOptions options = probing(3, 2);
    options.hold_until_probed = true;
    Dispatcher dispatcher(options);
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.2.3.4")}, resolve, true));
    EXPECT_TRUE(at(dispatcher, 1).skipped());
    dispatcher.probe_result(at(dispatcher, 1).id, true, 5, false);
    EXPECT_EQ(letters(dispatcher), "AP");
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.2.3.4"), row(2, "sip:1.2.3.4;transport=tcp")},
                                resolve, true));
    EXPECT_EQ(letters(dispatcher), "AP") << "learned by the first answer";
    EXPECT_EQ(letters(dispatcher, 2), "AX") << "never probed";
}

TEST(Reload, KeepsWhatProbingLearned) {
    Dispatcher dispatcher(probing(2));
    const auto rows = numbered({row(1, "sip:1.1.1.1"), row(1, "sip:1.1.1.2"), row(1, "sip:1.1.1.3"),
                                row(1, "sip:1.1.1.4", 0, 0, "duid=x"), row(1, "sip:1.1.1.5", 4)});
    ASSERT_TRUE(dispatcher.load(rows, resolve, true));
    std::map<std::string, table::DestinationId> ids;
    for (const Destination& d : dispatcher.find_set(1)->members) ids[std::string(d.uri)] = d.id;
    const auto probe = [&](const std::string& uri, bool success) {
        dispatcher.probe_result(ids[uri], success, std::nullopt, false);
    };
    probe("sip:1.1.1.1", false);
    probe("sip:1.1.1.1", false);  // IP
    probe("sip:1.1.1.2", true);   // AP
    probe("sip:1.1.1.3", false);  // TP, one failure counted
    ASSERT_TRUE(dispatcher.set_state(1, "sip:1.1.1.2", *parse_state("d")));
    ASSERT_TRUE(dispatcher.set_state(1, "sip:1.1.1.5", *parse_state("a")));
    probe("sip:1.1.1.5", true);

    auto next = rows;
    next[3].attrs = "duid=y";               // another destination now
    next.push_back(row(2, "sip:1.1.1.1"));  // another set
    next.insert(next.begin(), row(1, "sip:1.1.1.9"));
    ASSERT_TRUE(dispatcher.load(next, resolve, true));
    std::map<std::string, std::string> states;
    for (const Destination& d : dispatcher.find_set(1)->members) {
        const std::string uri(d.uri);
        states[uri] = state_letters(d.flags, false);
        EXPECT_EQ(ids.contains(uri) && ids[uri] == d.id,
                  d.uri != "sip:1.1.1.9" && d.uri != "sip:1.1.1.4");
        EXPECT_EQ(dispatcher.find(d.id), &d);
    }
    EXPECT_EQ(states["sip:1.1.1.1"], "IP");
    EXPECT_EQ(states["sip:1.1.1.2"], "AP");  // the operator's D is forgotten, the probe's P is not
    EXPECT_EQ(states["sip:1.1.1.3"], "TP");
    EXPECT_EQ(states["sip:1.1.1.4"], "AX");
    EXPECT_EQ(states["sip:1.1.1.5"], "DX");  // the row's D counts again
    EXPECT_EQ(letters(dispatcher, 2), "AX");
    probe("sip:1.1.1.3", false);  // the second in a row
    EXPECT_EQ(state_letters(dispatcher.find(ids["sip:1.1.1.3"])->flags, false), "IP");
}

// SIGHUP with other options of the model, or other listeners.
TEST(Reload, OtherOptionsKeepWhatProbingLearned) {
    Dispatcher before(probing(2));
    const auto rows = numbered({row(1, "sip:1.1.1.1"), row(1, "sip:1.1.1.2")});
    ASSERT_TRUE(before.load(rows, resolve, true));
    const table::DestinationId id = at(before, 1).id;
    before.probe_result(id, false, std::nullopt, true);
    before.probe_result(id, false, std::nullopt, true);
    ASSERT_TRUE(before.drain(1, at(before, 1, 1).uri, true));

    DispatcherOptions other = probing(4, 3);
    other.latency_stats = true;
    other.is_local_socket = [](std::string_view text) { return text == "udp:10.0.0.2:5060"; };
    const auto after = before.clone(other);
    EXPECT_EQ(after->options().probing_threshold, 4U);
    auto refused = rows;
    refused[0].attrs = "socket=udp:10.0.0.1:5060";
    EXPECT_FALSE(after->load(refused, resolve, true)) << "listeners are the new ones";
    ASSERT_TRUE(after->load(rows, resolve, true));
    ASSERT_NE(after->find(id), nullptr) << "the same destinations";
    EXPECT_EQ(state_letters(after->find(id)->flags, false), "IP");
    EXPECT_TRUE(at(*after, 1, 1).draining());
    after->probe_result(id, true, std::nullopt, false);
    after->probe_result(id, true, std::nullopt, false);
    EXPECT_EQ(state_letters(after->find(id)->flags, false), "IP") << "three by the new options";
    after->probe_result(id, true, std::nullopt, false);
    EXPECT_EQ(state_letters(after->find(id)->flags, false), "AP");
    EXPECT_EQ(state_letters(before.find(id)->flags, false), "IP")
        << "the old model stays as it was";
}

// Also in mode 0, where the first result ends the probing: nobody would find out that it is there.
TEST(Reload, DoesNotBringBackWhatAnOperatorTookBack) {
    for (const std::uint32_t mode : {0U, 1U, 2U, 3U}) {
        DispatcherOptions options = probing(1);
        options.probing_mode = mode;
        Dispatcher dispatcher(options);
        const std::vector<DestinationRow> rows = {row(1, "sip:1.1.1.1", 8)};
        ASSERT_TRUE(dispatcher.load(rows, resolve, true));
        dispatcher.probe_result(at(dispatcher, 1).id, false, std::nullopt, true);
        EXPECT_TRUE(at(dispatcher, 1).skipped()) << mode;
        ASSERT_TRUE(dispatcher.set_state(1, "all", *parse_state("d")));
        ASSERT_TRUE(dispatcher.load(rows, resolve, true));
        EXPECT_EQ(letters(dispatcher), "IP") << "what was learned, and P of the row: mode " << mode;
        ASSERT_TRUE(dispatcher.set_state(1, "all", *parse_state("a")));
        for (int i = 0; i < 2; ++i) {
            ASSERT_TRUE(dispatcher.load(rows, resolve, true));
            EXPECT_EQ(letters(dispatcher), "AP") << "as the row has it: mode " << mode;
        }
    }
}

TEST(Reload, TheRowsOwnStateIsNotTakenBack) {
    Dispatcher dispatcher(probing(1));
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 1)}, resolve, true));
    ASSERT_TRUE(dispatcher.set_state(1, "all", *parse_state("a")));
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 1)}, resolve, true));
    EXPECT_EQ(letters(dispatcher), "IX");
    dispatcher.probe_result(at(dispatcher, 1).id, true, 5, false);
    ASSERT_TRUE(dispatcher.set_state(1, "all", *parse_state("i")));
    ASSERT_TRUE(dispatcher.set_state(1, "all", *parse_state("a")));
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 1)}, resolve, true));
    EXPECT_EQ(letters(dispatcher), "AX") << "it has answered since";
}

TEST(Reload, TellsWhoseStateItChanged) {
    Dispatcher dispatcher(probing(1));
    const std::vector<DestinationRow> rows = {row(1, "sip:1.1.1.1"), row(1, "sip:1.1.1.2")};
    ASSERT_TRUE(dispatcher.load(rows, resolve, true));
    EXPECT_TRUE(dispatcher.take_changes().empty()) << "new ones have no state before";
    ASSERT_TRUE(dispatcher.set_state(1, "sip:1.1.1.2", *parse_state("d")));
    (void)dispatcher.take_changes();
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 1), rows[1]}, resolve, true));
    const std::vector<StateChange> changes = dispatcher.take_changes();
    ASSERT_EQ(changes.size(), 2U);
    for (const StateChange& change : changes) {
        const bool first = change.uri == "sip:1.1.1.1";
        EXPECT_EQ(change.cause, StateChange::Cause::kReload);
        EXPECT_EQ(change.old_flags, first ? 0U : table::kDisabled);
        EXPECT_EQ(change.new_flags, first ? table::kInactive : 0U);
    }
}

TEST(Reload, AChangedRowIsWhatTheOperatorWants) {
    Dispatcher dispatcher(probing(1));
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1")}, resolve, true));
    dispatcher.probe_result(at(dispatcher, 1).id, false, std::nullopt, true);
    EXPECT_EQ(letters(dispatcher), "IP");
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 4)}, resolve, true));
    EXPECT_EQ(letters(dispatcher), "DX");
}

TEST(Reload, AnotherDuidIsAnotherDestination) {
    Dispatcher dispatcher(probing(1));
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 0, 0, "duid=x")}, resolve, true));
    const table::DestinationId id = at(dispatcher, 1).id;
    dispatcher.probe_result(id, false, std::nullopt, true);
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 0, 0, "duid=y")}, resolve, true));
    EXPECT_NE(at(dispatcher, 1).id, id);
    EXPECT_EQ(letters(dispatcher), "AX");
}

// Mode 0: the first result takes P away, and a reload is how an operator asks for another.
TEST(Reload, AskedForProbingAgain) {
    DispatcherOptions options = probing(1);
    options.probing_mode = 0;
    Dispatcher dispatcher(options);
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 8)}, resolve, true));
    dispatcher.probe_result(at(dispatcher, 1).id, true, 5, false);
    EXPECT_EQ(letters(dispatcher), "AX");
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 8)}, resolve, true));
    EXPECT_EQ(letters(dispatcher), "AP");
}

TEST(Reload, ForgetsAllWithoutKeepsState) {
    DispatcherOptions options = probing(1);
    options.reload_keeps_state = false;
    options.latency_stats = true;
    Dispatcher dispatcher(options);
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    const table::DestinationId id = at(dispatcher, 1).id;
    for (int i = 0; i < 3; ++i) dispatcher.probe_result(id, true, 20, false);
    dispatcher.probe_result(id, false, std::nullopt, true);
    EXPECT_EQ(letters(dispatcher), "IP");
    EXPECT_EQ(at(dispatcher, 1).latency.timeout, 1u);
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    EXPECT_EQ(letters(dispatcher), "AX");
    EXPECT_EQ(at(dispatcher, 1).latency.count, 0u);
    EXPECT_EQ(at(dispatcher, 1).id, id);  // still the same destination
}

// ds_retain_latency_stats, and what reload_keeps_state has of it; but a row's own figure is what
// its operator wants now.
TEST(Reload, LatenciesAreKeptOrNot) {
    struct Row {
        bool keeps_state, retains;
        const char* next;
        std::uint32_t timeouts;
    };
    constexpr Row kRows[] = {{false, false, "latency=20", 0},
                             {false, true, "latency=20", 1},
                             {true, false, "latency=20", 1},
                             {true, true, "latency=30", 0}};
    for (const Row& one : kRows) {
        DispatcherOptions options = probing(1);
        options.latency_stats = true;
        options.reload_keeps_state = one.keeps_state;
        options.retain_latency = one.retains;
        Dispatcher dispatcher(options);
        ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 8, 0, "latency=20")}, resolve, true));
        dispatcher.probe_result(at(dispatcher, 1).id, false, std::nullopt, true);
        ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 8, 0, one.next)}, resolve, true));
        EXPECT_EQ(at(dispatcher, 1).latency.timeout, one.timeouts)
            << one.keeps_state << one.retains << one.next;
    }
}

TEST(Reload, TwinsKeepTheirPlaces) {
    Dispatcher dispatcher(probing(1));
    const std::vector<DestinationRow> rows = {row(1, "sip:1.1.1.1", 0, 5),
                                              row(1, "sip:1.1.1.1", 0, 1)};
    ASSERT_TRUE(dispatcher.load(rows, resolve, true));
    const auto first = at(dispatcher, 1, 0).id, second = at(dispatcher, 1, 1).id;
    EXPECT_NE(first, second);
    dispatcher.probe_result(second, false, std::nullopt, true);
    ASSERT_TRUE(dispatcher.load(rows, resolve, true));
    EXPECT_EQ(at(dispatcher, 1, 0).id, first);
    EXPECT_EQ(at(dispatcher, 1, 1).id, second);
    EXPECT_EQ(state_letters(at(dispatcher, 1, 1).flags, false), "IP");
}

TEST(Latency, CountsOnlyWhileProbing) {
    DispatcherOptions options = probing(1);
    options.latency_stats = true;
    Dispatcher dispatcher(options);
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1")}, resolve, true));
    const Destination& d = at(dispatcher, 1);
    dispatcher.probe_result(d.id, true, 90, false);  // AX: not counted
    EXPECT_EQ(d.latency.count, 0u);
    dispatcher.probe_result(d.id, true, 10, false);
    dispatcher.probe_result(d.id, true, 20, false);
    EXPECT_EQ(d.latency.count, 2u);
    EXPECT_EQ(d.latency.min, 10);
    EXPECT_EQ(d.latency.max, 20);
    EXPECT_FLOAT_EQ(d.latency.average, 15);
    EXPECT_FLOAT_EQ(d.latency.estimate, 15);
    EXPECT_NEAR(d.latency.stdev, 7.0711, 0.001);
    dispatcher.probe_result(d.id, false, std::nullopt, true);
    EXPECT_EQ(d.latency.timeout, 1u);
    EXPECT_EQ(d.latency.count, 2u);
    for (int i = 0; i < 7; ++i) dispatcher.probe_result(d.id, true, 15, false);
    EXPECT_FLOAT_EQ(d.latency.estimate, 15);  // nine samples: the average
    dispatcher.probe_result(d.id, true, 115, false);
    EXPECT_FLOAT_EQ(d.latency.estimate, 0.9f * 15 + 0.1f * 115);
    EXPECT_FLOAT_EQ(d.latency.average, 25);
}

TEST(Latency, ASteadyAverageIsFrozen) {
    DispatcherOptions options = probing(1);
    options.latency_stats = true;
    Dispatcher dispatcher(options);
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 8)}, resolve, true));
    const Destination& d = at(dispatcher, 1);
    for (int i = 0; i < 10; ++i) dispatcher.probe_result(d.id, true, 15, false);
    EXPECT_EQ(d.latency.count, 10u);
    dispatcher.probe_result(d.id, true, 15, false);
    EXPECT_EQ(d.latency.count, 10000u);
    EXPECT_EQ(d.latency.samples, 11u) << "what is counted is not";
}

TEST(Latency, CongestionLowersTheRelativeWeight) {
    DispatcherOptions options = probing(1);
    options.latency_stats = true;
    Dispatcher dispatcher(options);
    ASSERT_TRUE(
        dispatcher.load({row(1, "sip:1.1.1.1", 8, 0, "cc=1;weight=50;rweight=50;latency=20"),
                         row(1, "sip:1.1.1.2", 8, 0, "cc=1;weight=50;rweight=50;latency=20")},
                        resolve, true));
    const std::uint64_t version = dispatcher.version();
    Destination& slow = at(dispatcher, 1, 0);
    dispatcher.probe_result(slow.id, true, 220, false);
    // estimate 0.9*20 + 0.1*220 = 40, average 20.02: congestion 19
    EXPECT_EQ(slow.rweight, 31);
    EXPECT_GT(dispatcher.version(), version);
    for (int i = 0; i < 20; ++i) dispatcher.probe_result(slow.id, true, 2000, false);
    EXPECT_EQ(slow.rweight, 0);
    dispatcher.probe_result(at(dispatcher, 1, 1).id, true, 1000, false);
    // Both at 0: each gets sum of congestion * 16 over its own, the slower one less.
    EXPECT_GT(slow.rweight, 0);
    EXPECT_GT(at(dispatcher, 1, 1).rweight, slow.rweight);
    const auto sets = dispatcher.table_sets([](const Attributes&) { return table::kNoListener; });
    EXPECT_LE(sets[0].members[1].rweight, 100);
    EXPECT_GT(sets[0].members[1].rweight, sets[0].members[0].rweight);
}

TEST(Latency, AReloadKeepsACongestedWeightUnlessItsRowChanged) {
    const std::string attrs = "cc=1;weight=50;rweight=40;latency=20";
    const std::pair<const char*, std::int32_t> kRows[] = {
        {"cc=1;weight=50;rweight=40;latency=20", 31}, {"cc=1;weight=60;rweight=40;latency=20", 40},
        {"cc=1;weight=50;rweight=45;latency=20", 45}, {"cc=1;weight=50;rweight=40;latency=25", 40},
        {"weight=50;rweight=40;latency=20", 40},
    };
    for (const auto& [next, rweight] : kRows) {
        DispatcherOptions options = probing(1);
        options.latency_stats = true;
        Dispatcher dispatcher(options);
        ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 8, 0, attrs)}, resolve, true));
        dispatcher.probe_result(at(dispatcher, 1).id, true, 220, false);
        ASSERT_EQ(at(dispatcher, 1).rweight, 31);
        ASSERT_TRUE(dispatcher.load({row(1, "sip:1.1.1.1", 8, 0, next)}, resolve, true));
        EXPECT_EQ(at(dispatcher, 1).rweight, rweight) << next;
    }
}

TEST(Latency, CongestionIsForThoseWhoAskForIt) {
    DispatcherOptions options = probing(1);
    options.latency_stats = true;
    struct Row {
        const char* slow;
        const char* other;  // null: alone
        std::int32_t slow_rweight, other_rweight;
    };
    constexpr Row kRows[] = {
        {"rweight=40;weight=50;latency=20", nullptr, 40, 0},
        {"cc=1;rweight=40;latency=20", nullptr, 40, 0},             // no weight to begin with
        {"cc=1;rweight=40;weight=1;latency=20", nullptr, 0, 0},     // nobody to share with
        {"cc=1;rweight=40;weight=1;latency=20", "weight=1", 0, 0},  // who takes no part
    };
    for (const Row& one : kRows) {
        Dispatcher dispatcher(options);
        std::vector<DestinationRow> rows = {row(1, "sip:1.1.1.1", 8, 1, one.slow)};
        if (one.other != nullptr) rows.push_back(row(1, "sip:1.1.1.2", 8, 0, one.other));
        ASSERT_TRUE(dispatcher.load(rows, resolve, true));
        dispatcher.probe_result(at(dispatcher, 1).id, true, 220, false);
        EXPECT_EQ(at(dispatcher, 1).rweight, one.slow_rweight) << one.slow;
        if (one.other != nullptr) {
            EXPECT_EQ(at(dispatcher, 1, 1).rweight, one.other_rweight) << one.other;
        }
    }
}

TEST(Names, ResolveAtLoadUnlessToldNotTo) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load({row(1, "sip:gw.example"), row(2, "sip:nosuch.invalid", 16),
                                 row(3, "sip:1.2.3.4", 16), row(4, "sip:[2001:db8::1]:5070")},
                                resolve, true));
    EXPECT_EQ(at(dispatcher, 1).endpoints.size(), 2u);
    EXPECT_TRUE(at(dispatcher, 1).looked_up);
    EXPECT_TRUE(at(dispatcher, 2).endpoints.empty());
    EXPECT_EQ(at(dispatcher, 3).endpoints.front().text(), "1.2.3.4:5060");
    EXPECT_FALSE(at(dispatcher, 3).looked_up);
    EXPECT_EQ(at(dispatcher, 4).endpoints.front().text(), "[2001:db8::1]:5070");

    const std::uint64_t version = dispatcher.version();
    const table::DestinationId id = at(dispatcher, 2).id;
    dispatcher.resolved(id, {*Endpoint::parse("192.0.2.9:5060")});
    EXPECT_EQ(dispatcher.version(), version + 1);
    dispatcher.resolved(id, {*Endpoint::parse("192.0.2.9:5060")});
    EXPECT_EQ(dispatcher.version(), version + 1);

    DispatcherOptions lazy;
    lazy.dns_mode = 2;
    EXPECT_TRUE(Dispatcher(lazy).load({row(1, "sip:nosuch.invalid")}, resolve, true));
    EXPECT_FALSE(
        Dispatcher(DispatcherOptions{}).load({row(1, "sip:nosuch.invalid")}, resolve, true));
    DispatcherOptions again;
    again.dns_mode = 4;
    EXPECT_FALSE(Dispatcher(again).load({row(1, "sip:nosuch.invalid")}, resolve, true));
}

TEST(Dispatcher, AttrsNone) {
    DispatcherOptions options;
    options.attrs_none = true;
    Dispatcher dispatcher(options);
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.2.3.4")}, resolve, true));
    EXPECT_EQ(at(dispatcher, 1).attrs.body, "none=yes");
    ASSERT_TRUE(dispatcher.load({row(1, "sip:1.2.3.4", 0, 0, "duid=d")}, resolve, true));
    EXPECT_EQ(at(dispatcher, 1).attrs.body, "duid=d");
}

TEST(Dispatcher, WhatTheWorkersSee) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(
        {row(7, "sip:a@1.2.3.4:5070;x=y", 10, 3, "duid=d;weight=4;maxload=-2;rweight=6"),
         row(7, "sips:1.2.3.5", 0, 9), row(8, "sip:nosuch.invalid", 16)},
        resolve, true));
    const auto sets = dispatcher.table_sets([](const Attributes& attrs) {
        return attrs.duid() == "d" ? table::ListenerIndex{5} : table::kNoListener;
    });
    ASSERT_EQ(sets.size(), 2u);
    const table::Set& set = sets[0].id == 7 ? sets[0] : sets[1];
    ASSERT_EQ(set.members.size(), 2u);
    EXPECT_TRUE(set.members[0].skipped());  // TLS is not spoken
    const table::Member& member = set.members[1];
    EXPECT_FALSE(member.skipped());
    EXPECT_EQ(member.flags, 10u);
    EXPECT_EQ(member.priority, 3);
    EXPECT_EQ(member.listener, 5);
    EXPECT_EQ(member.weight, 4);
    EXPECT_EQ(member.rweight, 6);
    EXPECT_EQ(member.maxload, 0u);
    EXPECT_EQ(member.endpoint.text(), "1.2.3.4:5070");
    EXPECT_EQ(set.texts[member.text].uri, "sip:a@1.2.3.4:5070;x=y");
    EXPECT_EQ(set.texts[member.text].host_port, "a@1.2.3.4:5070;x=y");
    EXPECT_EQ(set.texts[member.text].duid, "d");
}

// ---- drain ------------------------------------------------------------------------------------

TEST(Dispatcher, DrainIsSeenAsDisabledAndEndsAsItBegan) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    ASSERT_TRUE(dispatcher.drain(2, "sip:127.0.61.4", true));
    EXPECT_EQ(letters(dispatcher, 2), "DX");
    EXPECT_TRUE(at(dispatcher, 2).skipped());
    const auto changes = dispatcher.take_changes();
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_TRUE(changes[0].skipped_changed());
    ASSERT_TRUE(dispatcher.drain(2, "DD", false));  // by duid, in any case
    EXPECT_EQ(letters(dispatcher, 2), "AX");
    EXPECT_FALSE(at(dispatcher, 2).skipped());
    ASSERT_TRUE(dispatcher.drain(2, "SIP:127.0.61.4", true));
    EXPECT_TRUE(at(dispatcher, 2).draining());
}

TEST(Dispatcher, DrainSaysWhatThereIs) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    EXPECT_EQ(dispatcher.drain(7, "all", true).error().message, "no such set 7; sets: 2, 1");
    EXPECT_EQ(dispatcher.drain(1, "sip:nobody", true).error().message,
              "set 1 has no destination with URI or duid sip:nobody");
    EXPECT_FALSE(dispatcher.drain(1, "", true)) << "not all that have no duid";
    EXPECT_TRUE(dispatcher.take_changes().empty());
    std::vector<DestinationRow> many;
    for (std::int64_t id = 1; id <= 1000; ++id) many.push_back(row(id, "sip:1.1.1.1"));
    ASSERT_TRUE(dispatcher.load(many, resolve, true));
    EXPECT_LT(dispatcher.drain(-1, "all", true).error().message.size(), 300u);
}

TEST(Dispatcher, DrainOutlivesProbesAndReloadsButNotSetState) {
    for (const bool keeps : {true, false}) {
        DispatcherOptions options;
        options.reload_keeps_state = keeps;
        options.probing_mode = 1;
        Dispatcher dispatcher(options);
        ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
        ASSERT_TRUE(dispatcher.drain(2, "all", true));
        dispatcher.probe_result(at(dispatcher, 2).id, false, std::nullopt, true);
        EXPECT_EQ(letters(dispatcher, 2), "IP");
        EXPECT_TRUE(at(dispatcher, 2).draining());
        dispatcher.probe_result(at(dispatcher, 2).id, true, 3, false);
        EXPECT_EQ(letters(dispatcher, 2), "DP");

        std::vector<DestinationRow> changed = four_gateways();
        changed[3].flags = 8;
        changed.push_back(row(2, "sip:127.0.61.9"));
        ASSERT_TRUE(dispatcher.load(numbered(changed), resolve, true));
        EXPECT_FALSE(at(dispatcher, 2, 0).draining());
        EXPECT_TRUE(at(dispatcher, 2, 1).draining());

        ASSERT_TRUE(dispatcher.set_state(2, "sip:127.0.61.4", 0));
        EXPECT_FALSE(at(dispatcher, 2, 1).draining());
        EXPECT_FALSE(at(dispatcher, 2, 1).skipped());
    }
}

TEST(Dispatcher, ARowCannotDrain) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(
        dispatcher.load(numbered({row(1, "sip:127.0.0.1", table::kDraining)}), resolve, true));
    EXPECT_FALSE(at(dispatcher, 1).skipped());
}

TEST(Dispatcher, SlotsAreDenseAndRestBeforeTheyAreGivenAway) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(numbered({row(1, "sip:127.0.0.1"), row(1, "sip:127.0.0.2")}),
                                resolve, true));
    const std::uint32_t first = at(dispatcher, 1, 0).slot, second = at(dispatcher, 1, 1).slot;
    EXPECT_NE(first, second);
    EXPECT_LT(std::max(first, second), 2U);
    // Workers still count for the one that goes while the one that comes is made known.
    ASSERT_TRUE(dispatcher.remove(1, "sip:127.0.0.1"));
    EXPECT_EQ(at(dispatcher, 1, 0).slot, first);
    ASSERT_TRUE(dispatcher.add(row(1, "sip:127.0.0.3"), resolve));
    EXPECT_EQ(at(dispatcher, 1, 0).slot, 2U);
    ASSERT_TRUE(dispatcher.add(row(1, "sip:127.0.0.4"), resolve));
    EXPECT_EQ(at(dispatcher, 1, 0).slot, second);  // and now it may be used again
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    ASSERT_TRUE(dispatcher.load(four_gateways(), resolve, true));
    for (const DestinationSet& set : dispatcher.sets()) {
        for (const Destination& d : set.members) EXPECT_LT(d.slot, 8U);
    }
}

const auto no_listener = [](const Attributes&) { return table::kNoListener; };

// What a generation after a state change is made of.
TEST(Dispatcher, NamesTheSetsThatChanged) {
    DispatcherOptions options;
    options.latency_stats = true;
    options.probing_mode = 1;
    Dispatcher dispatcher(options);
    ASSERT_TRUE(
        dispatcher.load({row(1, "sip:1.1.1.1"), row(2, "sip:1.1.1.2"), row(3, "sip:1.1.1.3"),
                         row(2, "sip:1.1.1.4", 0, 0, "duid=d"), row(2, "sip:1.1.1.5", 8, 9)},
                        resolve, true));
    table::Origin origin = dispatcher.origin();
    const auto changed = [&] {
        std::vector<std::int32_t> ids;
        const auto sets = dispatcher.changed_sets(origin, no_listener);
        if (!sets) return std::vector<std::int32_t>{-1};
        for (const table::Set& set : *sets) ids.push_back(set.id);
        origin = dispatcher.origin();
        std::sort(ids.begin(), ids.end());
        return ids;
    };
    EXPECT_TRUE(changed().empty());
    ASSERT_TRUE(dispatcher.set_state(2, "sip:1.1.1.4", table::kInactive));
    EXPECT_EQ(changed(), (std::vector<std::int32_t>{2}));
    EXPECT_TRUE(changed().empty());
    ASSERT_TRUE(dispatcher.set_state(2, "sip:1.1.1.4", table::kInactive));
    EXPECT_TRUE(changed().empty()) << "as it was";
    ASSERT_TRUE(dispatcher.drain(1, "all", true));
    dispatcher.resolved(dispatcher.find_set(3)->members[0].id, {*Endpoint::parse("9.9.9.9:5060")});
    EXPECT_EQ(changed(), (std::vector<std::int32_t>{1, 3}));
    EXPECT_EQ(dispatcher.draining(), 1u);
    dispatcher.probe_result(dispatcher.find_set(2)->members[0].id, true, 30, false);
    EXPECT_EQ(changed(), (std::vector<std::int32_t>{2})) << "a latency, which algorithm 13 needs";
    ASSERT_TRUE(dispatcher.add(row(2, "sip:1.1.1.9"), resolve));
    EXPECT_EQ(changed(), (std::vector<std::int32_t>{-1})) << "another table";
    EXPECT_EQ(dispatcher.draining(), 1u);
    ASSERT_TRUE(dispatcher.set_state(1, "sip:1.1.1.1", 0));
    EXPECT_EQ(dispatcher.draining(), 0u);
}

// The workers' tables hold on to the texts, which are the model's: they must outlive its next load.
TEST(Dispatcher, TablesOutliveTheModelTheyCameFrom) {
    Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load({row(1, "1.1.1.1", 0, 0, "duid=one;weight=3")}, resolve, true));
    const std::vector<table::Set> before = dispatcher.table_sets(no_listener);
    EXPECT_EQ(before[0].texts[0].uri.data(), at(dispatcher, 1).uri.data()) << "one copy for both";
    ASSERT_TRUE(dispatcher.add(row(1, "sip:1.1.1.2"), resolve));
    ASSERT_TRUE(dispatcher.remove(1, "sip:1.1.1.1"));
    ASSERT_TRUE(dispatcher.load({row(2, "sip:2.2.2.2")}, resolve, true));
    EXPECT_EQ(before[0].texts[0].uri, "sip:1.1.1.1");
    EXPECT_EQ(before[0].texts[0].duid, "one");
    EXPECT_EQ(before[0].texts[0].host_port, "1.1.1.1");
}

TEST(Dispatcher, NamesOfALoadAreAnnouncedTogether) {
    Dispatcher dispatcher({});
    std::vector<std::string> announced;
    std::size_t asked = 0;
    const auto report = dispatcher.load(
        {row(1, "sip:a.test:5070"), row(1, "sip:1.1.1.1"), row(2, "b.test", 0, 5), row(2, "sip:c"),
         row(2, "sip:bad host")},
        [&](const DestinationUri& uri) -> Result<std::vector<Endpoint>> {
            ++asked;
            EXPECT_EQ(announced.size(), 3u) << "before anything is asked";
            if (uri.host == "c") return failed(Errc::kNotFound, "no such name");
            return std::vector<Endpoint>{*Endpoint::parse("3.3.3.3:5070")};
        },
        false,
        [&](std::span<const DestinationUri> uris) {
            for (const DestinationUri& uri : uris) announced.push_back(uri.host);
        });
    ASSERT_TRUE(report);
    EXPECT_EQ(asked, 3u);
    EXPECT_EQ(announced, (std::vector<std::string>{"a.test", "b.test", "c"}));
    EXPECT_EQ(report->loaded, 3u);
    ASSERT_EQ(report->bad_rows.size(), 2u) << "in the order of the rows";
    EXPECT_NE(report->bad_rows[0].find("host c does not resolve: no such name"), std::string::npos);
    EXPECT_NE(report->bad_rows[1].find("bad host"), std::string::npos);
    EXPECT_EQ(dispatcher.find_set(2)->members.size(), 1u);
    EXPECT_EQ(dispatcher.find_set(2)->members[0].uri, "sip:b.test");
    EXPECT_EQ(dispatcher.find_set(2)->members[0].host(), "b.test");
}

// Which go and which stay does not matter for what it costs: 100,000 took 40 s once.
TEST(Dispatcher, ManyRefusedNamesGoInOnePass) {
    constexpr std::size_t kRows = 100'000;
    std::vector<DestinationRow> rows;
    for (std::size_t i = 0; i < kRows; ++i) {
        const bool good = i % 1000 == 0;
        rows.push_back(row(static_cast<std::int64_t>(i % 3),
                           good ? "sip:192.0.2.1:" + std::to_string(1 + i / 10)
                                : "sip:gone" + std::to_string(i) + ".invalid"));
    }
    Dispatcher dispatcher({});
    const auto start = std::chrono::steady_clock::now();
    const auto report = dispatcher.load(numbered(std::move(rows)), resolve, false);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
    ASSERT_TRUE(report);
    EXPECT_EQ(report->loaded, kRows / 1000);
    EXPECT_EQ(report->bad_rows.size(), kRows - kRows / 1000);
    for (const DestinationSet& set : dispatcher.sets()) {
        for (std::size_t i = 1; i < set.members.size(); ++i) {
            EXPECT_GT(set.members[i - 1].port, set.members[i].port) << "the last row comes first";
        }
    }
}

TEST(Dispatcher, RemarksOfARowAreThoseOfALoad) {
    EXPECT_EQ(remarks_of(row(1, "sip:192.0.2.1;transport=tcp"), {}),
              (Lines{"gets no traffic: only UDP is spoken"}));
    EXPECT_EQ(remarks_of(row(1, "sip:192.0.2.1"), {}), Lines{});
    EXPECT_EQ(remarks_of(row(1, "sip:bad host"), {}), Lines{});
}

TEST(Dispatcher, TextsBeyondTheBoundAreRefused) {
    Dispatcher dispatcher({});
    const std::string longest(table::SetTexts::kTextMax - 2, 'x');
    const auto report = dispatcher.load(
        {row(1, "sip:1.1.1.1", 0, 0, "a=" + longest),
         row(1, "sip:1.1.1.2", 0, 0, "a=" + longest + "y"), row(1, "sip:1.1.1.3;a=" + longest)},
        resolve, false);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->loaded, 1u);
    EXPECT_EQ(report->bad_rows.size(), 2u);
    EXPECT_EQ(at(dispatcher, 1).attrs.body.size(), table::SetTexts::kTextMax);
}

}  // namespace
}  // namespace lb::cp
