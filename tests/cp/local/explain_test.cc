// siplanectl explain, as an operator runs it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cp/pcapng.h"
#include "tests/support/corpus.h"
#include "tests/support/frames.h"
#include "tests/support/pcap.h"
#include "tests/support/run_program.h"

namespace lb {
namespace {

using nlohmann::json;
using test::Ran;
using test::run_program;
using testing::HasSubstr;
using testing::Not;

Ran explain(std::vector<std::string> words, std::string_view input = {}) {
    words.insert(words.begin(), "explain");
    return run_program(SIPLANECTL, std::move(words), input);
}

std::vector<json> golden(const std::string& name) {
    std::ifstream file(std::string(SIPLANE_SOURCE_ROOT) + "/tests/golden/select/" + name);
    std::vector<json> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
    return lines;
}

std::vector<json> answers(const std::vector<json>& questions) {
    std::string input;
    for (const json& question : questions) input += question.dump() + "\n";
    const Ran ran = explain({"--jsonl"}, input);
    EXPECT_EQ(ran.status, 0) << ran.err;
    std::istringstream out(ran.out);
    std::vector<json> lines;
    for (std::string line; std::getline(out, line);) lines.push_back(json::parse(line));
    return lines;
}

// ---- JSON lines -------------------------------------------------------------------------------

class GoldenLines : public testing::TestWithParam<const char*> {};

// Also null where Kamailio did not process the message, and the order of failover.
TEST_P(GoldenLines, are_answered_as_kamailio_chose) {
    const std::vector<json> lines = golden(GetParam());
    const std::vector<json> got = answers(lines);
    ASSERT_FALSE(lines.empty());
    ASSERT_EQ(got.size(), lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        EXPECT_EQ(got[i].at("selected"), lines[i].at("selected"))
            << lines[i].dump() << got[i].dump();
        EXPECT_EQ(got[i].contains("error"), lines[i].contains("error")) << lines[i].dump();
        if (!lines[i].contains("failover") || (lines[i].at("flags").get<int>() & 2) == 0) continue;
        EXPECT_EQ(got[i].value("failover", json::array()), lines[i].at("failover"));
    }
}

INSTANTIATE_TEST_SUITE_P(golden, GoldenLines,
                         testing::Values("hash-alg0.jsonl", "hash-alg1.jsonl", "hash-alg2.jsonl",
                                         "hash-alg3.jsonl", "hash-alg5.jsonl", "hash-alg7.jsonl",
                                         "use_default.jsonl", "odd-arguments.jsonl"));

class GoldenSequences : public testing::TestWithParam<const char*> {};

TEST_P(GoldenSequences, go_on_from_line_to_line) {
    std::vector<json> questions, expected;
    for (const json& line : golden(GetParam())) {
        for (const json& selected : line.at("selected")) {
            questions.push_back(line);
            expected.push_back(selected);
        }
    }
    const std::vector<json> got = answers(questions);
    ASSERT_EQ(got.size(), expected.size());
    ASSERT_GT(got.size(), 500U);
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i].at("selected"), expected[i]) << i;
}

INSTANTIATE_TEST_SUITE_P(golden, GoldenSequences,
                         testing::Values("sequence-alg4.jsonl", "sequence-alg5.jsonl",
                                         "sequence-alg8.jsonl"));

TEST(explain_lines, weights_give_the_same_hundred) {
    for (const char* name :
         {"weights-alg9.jsonl", "weights-alg11.jsonl", "weights-alg11-after-set_state.jsonl"}) {
        const std::vector<json> lines = golden(name);
        const std::vector<json> got = answers(lines);
        ASSERT_EQ(got.size(), lines.size());
        for (std::size_t i = 0; i < lines.size(); ++i) {
            EXPECT_EQ(got[i].at("counts"), lines[i].at("counts")) << lines[i].dump();
        }
    }
}

TEST(explain_lines, random_shares_are_equal) {
    const std::vector<json> lines = golden("random-alg6.jsonl");
    const std::vector<json> got = answers(lines);
    ASSERT_EQ(got.size(), lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const double calls = lines[i].at("calls");
        const auto counts = lines[i].at("counts").get<std::map<std::string, double>>();
        for (const auto& [uri, count] : counts) {
            EXPECT_NEAR(got[i].at("counts").at(uri).get<double>(), count, 8 * std::sqrt(calls / 4));
        }
    }
}

TEST(explain_lines, a_line_that_is_none_is_answered_too) {
    const Ran ran = explain({"--jsonl"}, "{\"set\": 5}\nhello\n\n[]\n{}\n{\"set\": [{}]}\n");
    EXPECT_EQ(ran.status, 0);
    std::istringstream out(ran.out);
    std::size_t count = 0;
    for (std::string line; std::getline(out, line); ++count) {
        const json answer = json::parse(line);
        EXPECT_TRUE(answer.at("selected").is_null()) << line;
        EXPECT_TRUE(answer.contains("error")) << line;
    }
    EXPECT_EQ(count, 5U);
}

// ---- one message ------------------------------------------------------------------------------

std::string invite(const std::string& call_id, const std::string& method = "INVITE") {
    return method +
           " sip:bob@biloxi.example.com SIP/2.0\r\n"
           "Via: SIP/2.0/UDP 198.51.100.7:5099;branch=z9hG4bK" +
           call_id +
           "\r\n"
           "Max-Forwards: 70\r\nFrom: <sip:carol@chicago.example.com>;tag=f1\r\n"
           "To: <sip:dave@denver.example.com>\r\nCall-ID: " +
           call_id +
           "\r\n"
           "CSeq: 1 " +
           method + "\r\nContent-Length: 0\r\n\r\n";
}

struct Files {
    test::RunFolder folder;
    std::string list = folder.write("list",
                                    "2 sip:198.51.100.1\n2 sip:198.51.100.2:5070 1\n"
                                    "2 sip:198.51.100.3 0 0 duid=x\n3 sip:198.51.100.9\n");
    std::string message = folder.write("message", invite("seq"));
    std::vector<std::string> with(std::vector<std::string> more) const {
        std::vector<std::string> words{"--list-file", list, "--set", "2"};
        words.insert(words.end(), more.begin(), more.end());
        return words;
    }
};

// Rows in reverse: index 0 is .3, index 1 (inactive) .2, index 2 .1. Hash and slot as
// dispatcher.hash gives them: 8199528 mod 3 = 0.
TEST(explain_message, says_what_and_why) {
    const Files files;
    const Ran ran = explain(files.with({"--algorithm", "callid", files.message}));
    EXPECT_EQ(ran.status, 0) << ran.err;
    for (const char* text : {"service      explain", "set          2", "algorithm    0 callid",
                             "method       hash of the Call-ID", "hashed       seq",
                             "hash         8199528", "slot         0 of 3",
                             "candidates   2 usable: [0] sip:198.51.100.3, [2] sip:198.51.100.1",
                             "choice       [0] sip:198.51.100.3 (198.51.100.3:5060)",
                             "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK", "Max-Forwards: 69",
                             "Via: SIP/2.0/UDP 198.51.100.7:5099;received=192.0.2.99"}) {
        EXPECT_THAT(ran.out, HasSubstr(text));
    }
}

TEST(explain_message, reads_standard_input_and_prints_json) {
    const Files files;
    const Ran ran = explain(
        files.with({"--alg", "maglev", "--json", "--source", "198.51.100.77:5061"}), invite("seq"));
    EXPECT_EQ(ran.status, 0) << ran.err;
    const json answer = json::parse(ran.out);
    EXPECT_EQ(answer.at("VERDICT"), "forward");
    EXPECT_EQ(answer.at("SOURCE"), "198.51.100.77:5061");
    EXPECT_EQ(answer.at("ALGORITHM"), 100);
    EXPECT_THAT(answer.at("MESSAGE").get<std::string>(), HasSubstr("received=198.51.100.77"));
}

// For scripts: an object a line, whatever else the text form prints between the files.
TEST(explain_message, several_files_are_lines_of_json) {
    const Files files;
    const std::string other = files.folder.write("other", invite("other"));
    const Ran ran = explain(files.with({"--json", files.message, other}));
    EXPECT_EQ(ran.status, 0) << ran.err;
    std::istringstream out(ran.out);
    std::vector<std::string> got;
    for (std::string line; std::getline(out, line);) {
        const json answer = json::parse(line);
        got.push_back(answer.at("FILE").get<std::string>() + " " +
                      answer.at("CALL_ID").get<std::string>());
    }
    EXPECT_THAT(got, testing::ElementsAre(files.message + " seq", other + " other"));
    EXPECT_THAT(explain(files.with({files.message, other})).out, HasSubstr("== " + other));
}

TEST(explain_message, names_other_ends) {
    const Files files;
    struct Row {
        const char* name;
        std::string message;
        const char* verdict;
    };
    const Row rows[] = {
        {"not SIP", "hello", "drop: bad_sip"},
        {"keep-alive", "\r\n\r\n", "drop: keepalive"},
        {"foreign reply",
         "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
         "To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
         "drop: not_our_via"},
        {"OPTIONS to us",
         "OPTIONS sip:192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK1\r\n"
         "From: <sip:a@b>;tag=1\r\nTo: <sip:192.0.2.2>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
         "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
         "reply: answered with SIP/2.0 200"},
        {"nobody there", invite("x"), "reply: answered with SIP/2.0 404 No destination"},
    };
    for (const Row& row : rows) {
        std::vector<std::string> words{"--list-file", files.list, "--set", "7"};
        const Ran ran = explain(words, row.message);
        EXPECT_EQ(ran.status, 0) << row.name << ran.err;
        EXPECT_THAT(ran.out, HasSubstr(row.verdict)) << row.name;
    }
}

TEST(explain_message, a_forged_source_chooses_nothing) {
    const Files files;
    const Ran ran = explain(files.with({"--source", "239.1.1.1:5060", files.message}));
    EXPECT_THAT(ran.out, HasSubstr("verdict      drop: forged_source"));
    EXPECT_THAT(ran.out, Not(HasSubstr("choice")));
}

TEST(explain_message, rules_of_a_configuration_count) {
    const test::RunFolder folder;
    const std::string list = folder.write("list", "1 sip:198.51.100.1\n2 sip:198.51.100.2\n");
    const std::string config = folder.write("c.toml", R"(
secret_file = "/nonexistent/secret"
[[port]]
name = "edge"
device = "net_null0"
addresses = ["10.77.0.1/24"]
[[service]]
name = "public"
set = 1
[[service.rule]]
name = "registrar"
methods = ["REGISTER"]
set = 2
algorithm = "touri"
[[service.rule]]
name = "strangers"
sources = ["198.51.100.0/24"]
reply = "403 Forbidden"
[dispatcher]
list_file = ")" + list + "\"\n");
    const Ran registered = explain({"--config", config}, invite("a", "REGISTER"));
    EXPECT_THAT(registered.out, HasSubstr("rule         registrar"));
    EXPECT_THAT(registered.out, HasSubstr("choice       [0] sip:198.51.100.2"));
    EXPECT_THAT(registered.err, HasSubstr("/nonexistent/secret cannot be read"));
    const Ran refused = explain({"--config", config, "--source", "198.51.100.7:5060"}, invite("a"));
    EXPECT_THAT(refused.out, HasSubstr("rule         strangers"));
    EXPECT_THAT(refused.out, HasSubstr("SIP/2.0 403 Forbidden"));
    EXPECT_THAT(refused.out, Not(HasSubstr("choice")));
}

TEST(explain_message, bytes_that_a_terminal_obeys_are_shown_as_text) {
    const Files files;
    const Ran ran = explain(files.with({}), invite("a\x1b[31m\x01"));
    EXPECT_THAT(ran.out, HasSubstr("\\x1b[31m\\x01"));
    EXPECT_EQ(ran.out.find('\x1b'), std::string::npos);
}

TEST(explain_message, wrong_words_are_told) {
    const Files files;
    const std::vector<std::vector<std::string>> usage = {
        {"--set", "2", files.message},
        {"--flags", "2", files.message},
        {"--nonsense"},
        files.with({"--source", "nowhere", files.message}),
        files.with({"--algorithm", "best", files.message}),
        files.with({"--hash-pvar", "$nosuch", files.message}),
    };
    for (const auto& words : usage) EXPECT_EQ(explain(words).status, 2) << words.back();
    EXPECT_EQ(explain(files.with({"/nonexistent"})).status, 1);
    const Ran parallel = explain(files.with({"--algorithm", "12", files.message}));
    EXPECT_EQ(parallel.status, 1);
    EXPECT_THAT(parallel.err, HasSubstr("parallel"));
    const Ran source = explain(files.with({"--source", "nowhere", files.message}));
    EXPECT_THAT(source.err, HasSubstr("nowhere is not ADDRESS:PORT"));
    const Ran service = explain(files.with({"--service", "none", files.message}));
    EXPECT_THAT(service.err, HasSubstr("there are: explain at 192.0.2.2:5060"));
}

// ---- captures ---------------------------------------------------------------------------------

test::Octets frame_of(const std::string& payload) {
    test::FrameSpec spec;
    return test::udp_frame(spec, as_bytes(payload));
}

// Round robin: each new call one further, and what belongs to a call stays with it.
TEST(explain_capture, shows_the_spread) {
    const Files files;
    test::Frames frames;
    for (int call = 0; call < 6; ++call) {
        const std::string id = "call" + std::to_string(call);
        frames.push_back(frame_of(invite(id)));
        frames.push_back(frame_of(invite(id)));  // retransmission
        frames.push_back(frame_of(invite(id, "CANCEL")));
    }
    frames.push_back(frame_of("hello"));
    const std::string path = files.folder.file("calls.pcap");
    ASSERT_TRUE(test::write_pcap(path, frames));
    const Ran ran = explain(files.with({"--algorithm", "roundrobin", path}));
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("18 requests, 0 replies, 1 datagrams that are no SIP"));
    EXPECT_THAT(ran.out, HasSubstr("sip:198.51.100.1         9         3   50.0%  ####"));
    EXPECT_THAT(ran.out, HasSubstr("sip:198.51.100.3         9         3   50.0%  ####"));

    const Ran as_json = explain(files.with({"--algorithm", "4", "--json", path}));
    const json answer = json::parse(as_json.out);
    EXPECT_EQ(answer.at("REQUESTS"), 18);
    EXPECT_EQ(answer.at("DESTINATIONS").size(), 2U);
}

// RFC 3261 16.10: it need not have the header field that led its INVITE.
TEST(explain_capture, a_cancel_follows_an_invite_that_a_header_field_led) {
    const test::RunFolder folder;
    const std::string list = folder.write(
        "list", "1 sip:198.51.100.9\n2 sip:198.51.100.1\n2 sip:198.51.100.2\n2 sip:198.51.100.3\n");
    const std::string config = folder.write("c.toml", R"(
secret_file = "/nonexistent/secret"
[[port]]
name = "edge"
device = "net_null0"
addresses = ["192.0.2.2/24"]
[[service]]
name = "public"
set = 1
[[service.rule]]
header = "X-Gold"
set = 2
algorithm = "roundrobin"
[dispatcher]
list_file = ")" + list + "\"\n");
    test::Frames frames;
    for (int call = 0; call < 6; ++call) {
        std::string text = invite("call" + std::to_string(call));
        frames.push_back(frame_of(text.insert(text.find("Max-Forwards"), "X-Gold: yes\r\n")));
        frames.push_back(frame_of(invite("call" + std::to_string(call), "CANCEL")));
    }
    const std::string path = folder.file("calls.pcap");
    ASSERT_TRUE(test::write_pcap(path, frames));
    const Ran ran = explain({"--config", config, "--json", path});
    EXPECT_EQ(ran.status, 0) << ran.err;
    const json answer = json::parse(ran.out);
    EXPECT_EQ(answer.at("DESTINATIONS").size(), 3U) << ran.out;
    for (const json& one : answer.at("DESTINATIONS")) {
        EXPECT_EQ(one.at("DEST").at("MESSAGES"), 4) << ran.out;
        EXPECT_EQ(one.at("DEST").at("CALLS"), 2) << ran.out;
    }
    // Only a file can be read more than once.
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    const Ran piped = explain({"--config", config, "-"}, bytes);
    EXPECT_EQ(piped.status, 1);
    EXPECT_THAT(piped.err, HasSubstr("-: a capture is read from a file only"));
}

// A capture by `siplanectl trace` has each message twice: as it came and as it went.
TEST(explain_capture, leaves_out_what_siplane_sent) {
    const Files files;
    const std::vector<std::string> ports = {"edge", "core"};
    const auto write = [&](const char* name, const char* application) {
        std::string bytes = cp::pcapng_begin(ports, application);
        for (const char* call : {"a", "b", "c"}) {
            const test::Octets frame = frame_of(invite(call));
            cp::append_pcapng_packet(bytes, 0, 1, cp::PcapngDirection::kInbound, frame, "relayed");
            cp::append_pcapng_packet(bytes, 1, 1, cp::PcapngDirection::kOutbound, frame, "");
        }
        return files.folder.write(name, bytes);
    };
    const std::string ours = write("ours.pcapng", "siplane 1.0");
    const Ran ran = explain(files.with({ours}));
    EXPECT_THAT(ran.out, HasSubstr("3 requests, 0 replies"));
    EXPECT_THAT(ran.out, HasSubstr("3 outgoing packets left out: siplane sent them itself"));
    EXPECT_EQ(json::parse(explain(files.with({"--json", ours})).out).at("OUTGOING"), 3);
    const Ran others = explain(files.with({write("other.pcapng", "Wireshark")}));
    EXPECT_THAT(others.out, HasSubstr("6 requests, 0 replies")) << "a caller's own sending";

    const std::string whole = files.folder.read("ours.pcapng");
    for (std::size_t size = 0; size < whole.size(); size += 37) {
        const Ran cut = explain(files.with({files.folder.write("cut", whole.substr(0, size))}));
        EXPECT_LE(cut.status, 1) << size;
    }
}

TEST(explain_capture, a_file_cut_short_is_no_disaster) {
    const Files files;
    const std::string path = files.folder.file("calls.pcap");
    ASSERT_TRUE(test::write_pcap(path, {frame_of(invite("a")), frame_of(invite("b"))}));
    const std::string whole = files.folder.read("calls.pcap");
    for (std::size_t size = 0; size < whole.size(); size += 29) {
        const std::string cut = files.folder.write("cut.pcap", whole.substr(0, size));
        const Ran ran = explain(files.with({cut}));
        EXPECT_LE(ran.status, 1) << size;
    }
}

TEST(explain_capture, of_other_people) {
    const std::filesystem::path folder = test::corpus_folder() / "pcap";
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no corpus at " << folder;
    const Files files;
    std::size_t spread = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".pcap") continue;
        const Ran ran = explain(files.with({"--algorithm", "0", entry.path().string()}));
        EXPECT_EQ(ran.status, 0) << entry.path() << ran.err;
        EXPECT_THAT(ran.out, HasSubstr("requests")) << entry.path();
        spread += ran.out.find("sip:198.51.100.") != std::string::npos ? 1 : 0;
    }
    EXPECT_GE(spread, 8U);
}

}  // namespace
}  // namespace lb
