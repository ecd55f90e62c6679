// siplanectl dispatcher show|add|rm on a database file.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/run_program.h"

namespace lb {
namespace {

using test::Ran;
using testing::HasSubstr;

class DispatcherCommand : public testing::Test {
protected:
    Ran run(std::vector<std::string> words) {
        words.insert(words.begin(), "dispatcher");
        words.insert(words.end(), {"--db", "sqlite:///" + folder.file("db")});
        return test::run_program(SIPLANECTL, std::move(words));
    }
    std::string config() {
        return folder.write(
            "c.toml",
            "[[port]]\nname = \"p\"\ndevice = \"net_null0\"\naddresses = [\"10.0.0.9/24\"]\n"
            "[[service]]\nname = \"s\"\n[dispatcher]\ndb_url = \"sqlite:///" +
                folder.file("db") + "\"\n");
    }
    std::string rows() { return run({"show", "--tsv"}).out; }

    test::RunFolder folder;
};

TEST_F(DispatcherCommand, adds_shows_and_removes) {
    const Ran added =
        run({"add", "2", "sip:10.0.0.1:5070", "8", "5", "weight=50;duid=a", "first gateway"});
    EXPECT_EQ(added.status, 0) << added.err;
    EXPECT_THAT(added.out, HasSubstr("id 1"));
    EXPECT_EQ(run({"add", "3", "sip:10.0.0.2"}).status, 0);
    EXPECT_EQ(rows(),
              "1\t2\tsip:10.0.0.1:5070\t8\t5\tweight=50;duid=a\tfirst gateway\n"
              "2\t3\tsip:10.0.0.2\t0\t0\t\t\n");
    EXPECT_EQ(run({"show", "3", "--tsv"}).out, "2\t3\tsip:10.0.0.2\t0\t0\t\t\n");
    EXPECT_THAT(run({"show"}).out, HasSubstr("destination"));
    EXPECT_EQ(nlohmann::json::parse(run({"show", "--json"}).out).at(0).at("description"),
              "first gateway");
    EXPECT_EQ(run({"rm", "1"}).status, 0);
    EXPECT_EQ(rows(), "2\t3\tsip:10.0.0.2\t0\t0\t\t\n");
}

TEST_F(DispatcherCommand, refuses_what_a_reload_would_refuse) {
    ASSERT_EQ(run({"add", "1", "sip:10.0.0.1"}).status, 0);
    const Ran port = run({"add", "1", "sip:10.0.0.1:99999"});
    EXPECT_EQ(port.status, 1);
    EXPECT_THAT(port.err, HasSubstr("port"));
    EXPECT_EQ(run({"add", "1", "sip:10.0.0.1:99999", "--force"}).status, 0);
    EXPECT_EQ(run({"rm", "77"}).status, 1);
    EXPECT_EQ(run({"add", "1"}).status, 2);
    EXPECT_EQ(run({"add", "one", "sip:10.0.0.1"}).status, 2);
    EXPECT_EQ(run({}).status, 2);
}

// Each of these once passed, and every reload failed from then on.
TEST_F(DispatcherCommand, reads_a_row_as_a_load_does) {
    const auto refused = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"add", "1", "sip:10.0.0.1"});
        const Ran ran = run(std::move(words));
        EXPECT_EQ(ran.status, 1) << ran.out;
        return ran.err;
    };
    EXPECT_THAT(refused({"-1"}), HasSubstr("flags -1 are not between"));
    EXPECT_THAT(refused({"99999999999"}), HasSubstr("flags 99999999999 are not between"));
    EXPECT_THAT(refused({"0", "5000000000"}), HasSubstr("priority 5000000000 is no 32-bit"));
    const Ran remarked = run({"add", "1", "sip:10.0.0.1;transport=tcp"});
    EXPECT_EQ(remarked.status, 0) << remarked.err;
    EXPECT_THAT(remarked.err, HasSubstr("warning: gets no traffic: only UDP is spoken"));
}

TEST_F(DispatcherCommand, knows_the_listeners_of_the_configuration) {
    const auto add = [&](const std::string& attrs) {
        return test::run_program(SIPLANECTL, {"dispatcher", "add", "--config", config(), "1",
                                              "sip:10.0.0.1", "0", "0", attrs});
    };
    const Ran stranger = add("socket=udp:10.9.9.9:5060");
    EXPECT_EQ(stranger.status, 1);
    EXPECT_THAT(stranger.err, HasSubstr("socket udp:10.9.9.9:5060 is no listener of ours"));
    EXPECT_EQ(add("sockname=nobody").status, 1);
    const Ran ours = add("socket=udp:10.0.0.9:5060");
    EXPECT_EQ(ours.status, 0) << ours.err;
    // A database alone does not say who listens where.
    EXPECT_EQ(run({"add", "1", "sip:10.0.0.1", "0", "0", "socket=udp:10.9.9.9:5060"}).status, 0);
}

TEST_F(DispatcherCommand, finds_the_database_by_the_configuration) {
    const Ran added = test::run_program(
        SIPLANECTL, {"dispatcher", "add", "--config", config(), "1", "sip:10.0.0.1"});
    EXPECT_EQ(added.status, 0) << added.err;
    EXPECT_EQ(rows(), "1\t1\tsip:10.0.0.1\t0\t0\t\t\n");
    const Ran missing =
        test::run_program(SIPLANECTL, {"dispatcher", "show", "--config", folder.file("none")});
    EXPECT_EQ(missing.status, 1);
    EXPECT_THAT(missing.err, HasSubstr("none"));
}

}  // namespace
}  // namespace lb
