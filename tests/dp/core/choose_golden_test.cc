// Every line of tests/golden/select: the same destination as Kamailio 5.6.3 chose for the same
// message.

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "dp/core/choose.h"
#include "dp/sip/parser.h"
#include "dp/table/hash.h"
#include "tests/support/golden_select.h"

namespace lb::core {
namespace {

using nlohmann::json;
using test::golden_lines;

// One golden line made into tables, and messages put to them.
class Fixture {
public:
    explicit Fixture(const json& line)
        : text_(line.value("msg", kPlain)),
          algorithm_(static_cast<table::Algorithm>(line.at("alg").get<int>())) {
        table::Dispatch::Input input =
            test::input_for(test::set_from_rows(line.at("set")), algorithm_);
        input.select.flags = line.at("flags");
        input.select.use_default = line.value("use_default", 0) != 0;
        input.select.hash_pvar = line.value("hash_pvar", "");
        dispatch_ = table::Dispatch::build(std::move(input));
        error_ = sip::parse(text_, message_);
    }

    const table::Set& set() const { return *dispatch_->find_set(1); }
    const sip::Message& message() const { return message_; }
    sip::Error error() const { return error_; }

    // Each call is another transaction.
    std::string choose_uri() { return uri_of(choose(question(), state_)); }

    std::vector<std::string> failover_uris() {
        Trace trace;
        explain(question(), state_, trace);
        std::vector<std::string> uris;
        for (const std::uint32_t index : trace.failover) uris.push_back(uri(set().members[index]));
        return uris;
    }

    // Changes states as set_state does: a new generation that shares the cursors.
    void set_states(const json& commands) {
        table::Set changed = set();
        for (const json& command : commands) {
            static const std::map<std::string, std::uint32_t> kBits{
                {"a", 0}, {"i", table::kInactive}, {"d", table::kDisabled}, {"t", table::kTrying}};
            for (table::Member& member : changed.members) {
                if (uri(member) == command.at(1)) member.flags = kBits.at(command.at(0));
            }
        }
        table::Dispatch::Input input = test::input_for(std::move(changed), algorithm_);
        input.cursors = dispatch_->cursors();
        input.previous = dispatch_.get();
        dispatch_ = table::Dispatch::build(std::move(input));
    }

    std::map<std::string, int> count(int calls) {
        std::map<std::string, int> counts;
        for (int i = 0; i < calls; ++i) ++counts[choose_uri()];
        return counts;
    }

private:
    static constexpr const char* kPlain =
        "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n"
        "From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
        "Content-Length: 0\r\n\r\n";

    Question question() {
        return {message_, source_, ++transaction_, *dispatch_, set(), algorithm_};
    }
    std::string uri(const table::Member& member) const {
        return std::string(set().texts[member.text].uri);
    }
    std::string uri_of(const Choice& choice) const {
        return choice ? uri(*choice.member) : std::string("none");
    }

    std::string text_;
    table::Algorithm algorithm_;
    sip::Message message_;
    sip::Error error_{};
    Endpoint source_ = Endpoint::parse("127.0.62.40:5099").value();
    std::unique_ptr<const table::Dispatch> dispatch_;
    WorkerState state_;
    std::uint64_t transaction_ = 0;
};

std::string expected(const json& selected) {
    return selected.is_null() ? std::string("none") : selected.get<std::string>();
}

class HashedMessages : public testing::TestWithParam<const char*> {};

TEST_P(HashedMessages, choose_what_kamailio_chose) {
    const std::vector<json> lines = golden_lines(GetParam());
    ASSERT_FALSE(lines.empty());
    std::size_t compared = 0;
    for (const json& line : lines) {
        Fixture fixture(line);
        SCOPED_TRACE(line.dump());
        if (line.contains("error")) continue;  // Kamailio never got as far as choosing
        ++compared;
        ASSERT_EQ(fixture.error(), sip::Error::kNone) << sip::error_text(fixture.error());
        EXPECT_EQ(fixture.choose_uri(), expected(line.at("selected")));
        if ((line.at("flags").get<int>() & 2) != 0) {
            std::vector<std::string> uris = line.at("failover");
            EXPECT_EQ(fixture.failover_uris(), uris);
        }
    }
    EXPECT_GE(compared + 12, lines.size());
}

INSTANTIATE_TEST_SUITE_P(golden, HashedMessages,
                         testing::Values("hash-alg0.jsonl", "hash-alg1.jsonl", "hash-alg2.jsonl",
                                         "hash-alg3.jsonl", "hash-alg5.jsonl", "hash-alg7.jsonl",
                                         "use_default.jsonl", "odd-arguments.jsonl"));

TEST(choose_golden, hash_function) {
    const auto unhex = [](const json& hex) {
        std::string bytes;
        const std::string digits = hex.is_null() ? std::string() : hex.get<std::string>();
        for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
            bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
        }
        return bytes;
    };
    for (const json& line : golden_lines("hash-function.jsonl")) {
        const std::uint32_t hash =
            table::dispatcher_hash(unhex(line.at("key1_hex")), unhex(line.at("key2_hex")));
        EXPECT_EQ(hash, line.at("hash").get<std::uint32_t>()) << line.dump();
        EXPECT_EQ(hash % line.at("slots").get<std::uint32_t>(),
                  line.at("slot").get<std::uint32_t>());
    }
}

class Sequences : public testing::TestWithParam<const char*> {};

TEST_P(Sequences, run_as_kamailios_after_a_reload) {
    for (const json& line : golden_lines(GetParam())) {
        Fixture fixture(line);
        ASSERT_EQ(fixture.error(), sip::Error::kNone);
        for (const json& selected : line.at("selected")) {
            ASSERT_EQ(fixture.choose_uri(), expected(selected)) << line.dump();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(golden, Sequences,
                         testing::Values("sequence-alg4.jsonl", "sequence-alg5.jsonl",
                                         "sequence-alg8.jsonl"));

class Weights : public testing::TestWithParam<const char*> {};

TEST_P(Weights, give_the_same_counts_in_a_hundred) {
    for (const json& line : golden_lines(GetParam())) {
        Fixture fixture(line);
        if (line.contains("set_state")) fixture.set_states(line.at("set_state"));
        const std::map<std::string, int> counts = line.at("counts");
        const int calls = line.at("calls");
        EXPECT_EQ(fixture.count(calls), counts) << line.dump();
        EXPECT_EQ(fixture.count(calls), counts) << "second hundred";
    }
}

INSTANTIATE_TEST_SUITE_P(golden, Weights,
                         testing::Values("weights-alg9.jsonl", "weights-alg11.jsonl",
                                         "weights-alg11-after-set_state.jsonl"));

// No usable credentials: the set does not matter, round robin shows in the second choice.
TEST(choose_golden, credentials_that_are_none) {
    const std::vector<json> lines = golden_lines("alg5-fallback.jsonl");
    ASSERT_FALSE(lines.empty());
    for (json line : lines) {
        line["set"] = json::parse(
            R"([{"uri":"sip:127.0.0.1","flags":0,"priority":0,"attrs":""},
                {"uri":"sip:127.0.0.2","flags":0,"priority":0,"attrs":""},
                {"uri":"sip:127.0.0.3","flags":0,"priority":0,"attrs":""}])");
        Fixture fixture(line);
        ASSERT_EQ(fixture.error(), sip::Error::kNone) << line.dump();
        for (const char* uri :
             {"sip:127.0.0.3", "sip:127.0.0.2", "sip:127.0.0.1", "sip:127.0.0.3"}) {
            EXPECT_EQ(fixture.choose_uri(), uri) << line.dump();
        }
    }
}

// Kamailio's shares of some thousand calls, within four standard deviations of equal ones; ours
// too.
TEST(choose_golden, random_shares) {
    for (const json& line : golden_lines("random-alg6.jsonl")) {
        Fixture fixture(line);
        const int calls = line.at("calls");
        const std::map<std::string, int> theirs = line.at("counts");
        const std::map<std::string, int> ours = fixture.count(calls);
        ASSERT_EQ(ours.size(), theirs.size()) << line.dump();
        for (const auto& [uri, count] : theirs) {
            EXPECT_NEAR(ours.at(uri), count, 8 * std::sqrt(calls / 4.0)) << uri;
        }
    }
}

}  // namespace
}  // namespace lb::core
