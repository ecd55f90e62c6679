// What explain, dispatcher and doctor have in common with all of siplanectl: exit status, options
// in front of the command, JSON and lines for scripts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/run_program.h"

namespace lb {
namespace {

using nlohmann::json;
using test::Ran;
using testing::HasSubstr;

class LocalCommands : public testing::Test {
protected:
    void SetUp() override {
        folder.write("list", "1 sip:10.77.0.5\n");
        folder.write(
            "m.sip",
            "INVITE sip:bob@10.77.0.1 SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKa\r\nFrom: <sip:a@a.example>;tag=1\r\n"
            "To: <sip:b@b.example>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
            "Content-Length: 0\r\n\r\n");
        folder.write("c.toml",
                     "secret_file = \"" + folder.file("secret") +
                         "\"\n[eal]\nargs = [\"--no-huge\"]\n[[port]]\nname = \"edge\"\n"
                         "device = \"net_null0\"\naddresses = [\"10.77.0.1/24\"]\n[[service]]\n"
                         "name = \"s\"\n[dispatcher]\nlist_file = \"" +
                         folder.file("list") + "\"\n[rpc]\nbinrpc = [\"unix:" + nobody() + "\"]\n");
    }
    std::string nobody() const { return folder.file("ctl"); }
    std::string db() const { return "sqlite:///" + folder.file("db"); }
    static Ran run(std::vector<std::string> words) {
        return test::run_program(SIPLANECTL, std::move(words));
    }
    static Ran run_with_full_disk(std::vector<std::string> words) {
        words.insert(words.begin(), {"-c", "exec \"$0\" \"$@\" >/dev/full", SIPLANECTL});
        return test::run_program("/bin/sh", std::move(words));
    }
    // The words that siplanectl hands on for `words`, one a line.
    std::string handed_on(std::vector<std::string> words) {
        namespace fs = std::filesystem;
        const std::string copy = folder.file("siplanectl");
        fs::copy_file(SIPLANECTL, copy, fs::copy_options::skip_existing);
        folder.write("siplanectl-local", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
        fs::permissions(folder.file("siplanectl-local"), fs::perms::owner_all);
        return test::run_program(copy, std::move(words)).out;
    }

    test::RunFolder folder;
};

TEST_F(LocalCommands, say_when_their_output_is_lost) {
    ASSERT_EQ(run({"dispatcher", "add", "--db", db(), "1", "sip:10.0.0.1"}).status, 0);
    const std::vector<std::vector<std::string>> commands = {
        {"dispatcher", "show", "--db", db()},
        {"explain", "--list-file", folder.file("list"), folder.file("m.sip")},
        {"doctor", "--config", folder.file("c.toml")},
        {"explain", "--help"}};
    for (const auto& words : commands) {
        const Ran ran = run_with_full_disk(words);
        EXPECT_EQ(ran.status, 5) << words[0];
        EXPECT_THAT(ran.err, HasSubstr("the output could not be written"));
    }
}

TEST_F(LocalCommands, say_when_nobody_answers) {
    const std::string message = folder.file("m.sip");
    EXPECT_EQ(run({"-s", "unix:" + nobody(), "explain", message}).status, 3);
    EXPECT_EQ(run({"-s", "carrier:pigeon", "explain", message}).status, 2);
    // What is asked of files on this host is no question to a daemon.
    EXPECT_EQ(run({"explain", "--db", "sqlite:////none/db", message}).status, 1);
}

TEST_F(LocalCommands, get_the_options_in_front_of_them) {
    EXPECT_EQ(handed_on({"explain", "m"}), "explain\nm\n");
    EXPECT_EQ(handed_on({"-s", "unix:/x", "-t", "7", "explain", "m"}),
              "explain\n--socket\nunix:/x\n--timeout\n7\nm\n");
    // Given is given: the doctor has another default.
    EXPECT_EQ(handed_on({"-s", "unix:/run/siplane/ctl", "-t", "30", "doctor"}),
              "doctor\n--socket\nunix:/run/siplane/ctl\n--timeout\n30\n");
    EXPECT_EQ(handed_on({"--json", "doctor"}), "doctor\n--json\n");
    EXPECT_EQ(handed_on({"-s", "unix:/x", "-t", "7", "dispatcher", "rm", "1", "--json"}),
              "dispatcher\n--json\nrm\n1\n");
    const Ran doctor = run(
        {"-t", "1", "-s", "unix:" + folder.file("x"), "doctor", "--config", folder.file("c.toml")});
    EXPECT_THAT(doctor.out, HasSubstr("socket " + folder.file("x")));
}

TEST_F(LocalCommands, answer_as_json) {
    const Ran doctor = run({"--json", "doctor", "--config", folder.file("c.toml")});
    EXPECT_EQ(doctor.status, 1) << doctor.err;
    const json findings = json::parse(doctor.out, nullptr, false);
    ASSERT_TRUE(findings.is_array()) << doctor.out;
    EXPECT_EQ(findings.at(0), json({{"grade", "ok"},
                                    {"subject", "config"},
                                    {"finding", folder.file("c.toml")},
                                    {"advice", ""}}));
    EXPECT_EQ(
        json::parse(run({"--json", "dispatcher", "add", "--db", db(), "1", "sip:10.0.0.1"}).out,
                    nullptr, false),
        json({{"id", 1}}));
    EXPECT_EQ(json::parse(run({"--json", "dispatcher", "show", "--db", db()}).out, nullptr, false)
                  .at(0)
                  .at("id"),
              1);
    EXPECT_EQ(
        json::parse(run({"dispatcher", "rm", "1", "--json", "--db", db()}).out, nullptr, false),
        json({{"id", 1}}));
}

TEST_F(LocalCommands, keep_a_row_on_its_line) {
    ASSERT_EQ(run({"dispatcher", "add", "--db", db(), "1", "sip:10.0.0.1", "0", "0", "",
                   "two\nlines, a\ttab, a\\backslash"})
                  .status,
              0);
    EXPECT_EQ(run({"dispatcher", "show", "--tsv", "--db", db()}).out,
              "1\t1\tsip:10.0.0.1\t0\t0\t\ttwo\\nlines, a\\ttab, a\\\\backslash\n");
}

}  // namespace
}  // namespace lb
