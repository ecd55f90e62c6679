// Every message of the corpus through route(), judged by the corpus' own tables: relayed, answered
// with which code, or dropped. Replies get our Via on top first, as the corpus' README says.

#include "tests/support/corpus.h"

#include <gtest/gtest.h>

#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "dp/sip/uri.h"
#include "tests/support/appliance.h"

namespace lb::core {
namespace {

using test::Outcome;

class Corpus : public ::testing::Test {
protected:
    Corpus() {
        appliance_.listen("10.77.0.1:5060", 0);
        appliance_.listen("[fd77::1]:5060", 0);
        appliance_.dispatch.services[0].set = 1;
        appliance_.dispatch.services[0].nat = table::Nat::kOff;
        appliance_.add_set(1, {"10.77.0.101:5060"});
        appliance_.network.routes.push_back(
            {*Prefix::parse("0.0.0.0/0"), 0, *IpAddress::parse("10.77.0.254"), 0});
        appliance_.network.routes.push_back(
            {*Prefix::parse("::/0"), 0, *IpAddress::parse("fd77::254"), 0});
        appliance_.network.routes.push_back(
            {*Prefix::parse("fd00::/8"), 0, *IpAddress::parse("fd77::254"), 0});
        for (const char* peer : {"10.77.0.9", "10.77.0.101", "10.77.0.254", "fd77::254"})
            appliance_.add_neighbour(peer);
    }

    static bool is_reply(std::string_view text) {
        return text.substr(text.find_first_not_of("\r\n") % text.size(), 8) == "SIP/2.0 ";
    }

    // Our own Via on top, with the branch that we would have made for a request that came from
    // where the next Via says. A host name there got its `received` when the request passed: put it
    // in as well.
    std::string with_our_via(std::string text) const {
        sip::Message message;
        sip::parse(text, message);
        if (!message.via.present()) return text;
        auto target = sip::reply_endpoint(message.top_via);
        if (!target && !sip_literal(message.top_via.host)) {
            const std::size_t at = static_cast<std::size_t>(
                message.top_via.sent_by.data() + message.top_via.sent_by.size() - text.data());
            text.insert(at, ";received=10.77.0.9");
            sip::parse(text, message);
            target = sip::reply_endpoint(message.top_via);
        }
        char branch[sip::kBranchSize];
        sip::write_relay_branch(appliance_.tables.secret, 7, target.value_or(Endpoint{}),
                                table::listener_mark(test::at("10.77.0.1:5060")), branch);
        const std::size_t header = static_cast<std::size_t>(message.header.data() - text.data());
        text.insert(header, "Via: SIP/2.0/UDP 10.77.0.1;branch=" +
                                std::string(branch, sizeof branch) + "\r\n");
        return text;
    }

    static bool sip_literal(std::string_view host) { return sip::literal_host(host).has_value(); }

    static std::string action_of(const Outcome& outcome) {
        switch (outcome.verdict.action) {
            case Action::kForward:
            case Action::kSlowPath:
                return "relay";
            case Action::kReply:
                return "reply " + outcome.text.substr(8, 3);
            case Action::kDrop:
                return "drop";
            default:
                return "action " + std::to_string(static_cast<int>(outcome.verdict.action));
        }
    }

    // relay-fixed: relayed only if the error is gone; we never relay those unfixed, so "relay" does
    // not count.
    static bool allowed(const std::string& expected, const std::string& action) {
        std::string text = expected;
        if (text.rfind("either ", 0) == 0) text = text.substr(7);
        std::stringstream list(text);
        for (std::string one; std::getline(list, one, '|');) {
            if (one == action) return true;
        }
        return false;
    }

    void check(const std::string& folder, const std::string& table) {
        auto rows = test::corpus_rows(folder, table);
        if (rows.empty()) GTEST_SKIP() << "no corpus at " << test::corpus_folder();
        for (test::CorpusRow& row : rows) {
            // In this one the stored topmost Via is meant to be the receiver's own.
            const bool own_via_stored = row.file == "rfc4475/bcast.dat";
            if (own_via_stored) {
                const std::size_t via = row.bytes.find("Via:");
                row.bytes.erase(via, row.bytes.find("Via:", via + 1) - via);
            }
            const std::string text =
                !row.bytes.empty() && is_reply(row.bytes) ? with_our_via(row.bytes) : row.bytes;
            const bool reply = text.size() != row.bytes.size();
            const Outcome outcome = appliance_.receive(
                reply ? "10.77.0.101:5060" : "10.77.0.9:5060", "10.77.0.1:5060", text);
            EXPECT_TRUE(allowed(row.expected, action_of(outcome)))
                << row.file << ": expected " << row.expected << ", got " << action_of(outcome)
                << " (drop reason "
                << kDropReasons[static_cast<std::size_t>(outcome.verdict.reason)].name << "); "
                << row.reason;
        }
    }

    test::Appliance appliance_;
};

TEST_F(Corpus, TortureMessagesMeetTheirTable) { check("torture", "expect.tsv"); }

TEST_F(Corpus, RealMessagesMeetTheirTable) { check("realworld", "index.tsv"); }

TEST_F(Corpus, RepliesAsStoredAreDropped) {
    const auto rows = test::corpus_rows("realworld", "index.tsv");
    if (rows.empty()) GTEST_SKIP() << "no corpus at " << test::corpus_folder();
    for (const test::CorpusRow& row : rows) {
        if (row.bytes.empty() || !is_reply(row.bytes)) continue;
        EXPECT_EQ(action_of(appliance_.receive("10.77.0.101:5060", "10.77.0.1:5060", row.bytes)),
                  "drop")
            << row.file;
    }
}

}  // namespace
}  // namespace lb::core
