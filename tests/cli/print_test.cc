// What kamcmd sent for its command line, and what it printed for the reply, in every recorded
// session: siplanectl must send and print the same.

#include "cli/print.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "cli/arguments.h"
#include "cli/stats.h"
#include "cp/rpc/binrpc.h"
#include "tests/cp/rpc/transcript.h"

namespace lb::test {
namespace {

// The words of a recorded command line, as the shell gives them.
std::vector<std::string> words_of(std::string command) {
    for (std::size_t at; (at = command.find("@repeat(")) != std::string::npos;) {
        const std::size_t close = command.find(')', at);
        const auto count = static_cast<std::size_t>(std::stoi(command.substr(at + 10)));
        command.replace(at, close - at + 1, std::string(count, command[at + 8]));
    }
    const std::string script = "set -f; printf '%s\\0' " + command;
    std::vector<std::string> words;
    ::setenv("SIPLANE_TEST_SCRIPT", script.c_str(), 1);
    std::FILE* pipe = ::popen("bash -c \"$SIPLANE_TEST_SCRIPT\"", "r");
    std::string all;
    char buffer[4096];
    for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
        all.append(buffer, got);
    }
    ::pclose(pipe);
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t end = all.find('\0', at);
        words.push_back(all.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

struct Line {
    std::string format;
    std::vector<std::string> words;  // method and parameters
    bool plain = true;               // no other options, no alias
};

Line line_of(const Transcript& transcript) {
    Line line;
    const std::vector<std::string> words = words_of(transcript.value("command"));
    std::size_t i = 1;
    for (; i < words.size(); ++i) {
        if (words[i] == "-s") {
            ++i;
        } else if (words[i] == "-f") {
            line.format = words[++i];
        } else if (words[i] == "--") {
            ++i;
            break;
        } else if (words[i].starts_with("-")) {
            line.plain = false;
        } else {
            break;
        }
    }
    line.words.assign(words.begin() + static_cast<std::ptrdiff_t>(std::min(i, words.size())),
                      words.end());
    // An option after the command: kamcmd takes it for its own.
    const bool late = words[i - 1] != "--" &&
                      std::any_of(line.words.begin(), line.words.end(),
                                  [](const std::string& word) { return word.starts_with("-"); });
    line.plain =
        line.plain && !late && !line.words.empty() && line.words[0].find('.') != std::string::npos;
    return line;
}

rpc::Reply reply_of(const std::string& packet) {
    rpc::Reply reply;
    rpc::Header header;
    if (rpc::parse_header(as_bytes(packet), header) != rpc::Defect::kNone) return reply;
    const ConstBytes body = as_bytes(packet).subspan(header.size);
    if (header.type == rpc::PacketType::kFault) {
        reply.fault = rpc::parse_fault(body).value_or(rpc::Fault{});
    } else {
        reply.values = rpc::parse_values(body).value_or(std::vector<rpc::Value>{});
    }
    return reply;
}

std::vector<Transcript> all_transcripts() {
    std::vector<Transcript> out;
    for (const auto& entry : std::filesystem::directory_iterator(golden_folder() / "kamcmd")) {
        for (Transcript& transcript : read_session(entry.path())) {
            out.push_back(std::move(transcript));
        }
    }
    return out;
}

TEST(Siplanectl, SendsAndPrintsWhatKamcmdDoes) {
    std::size_t sent = 0;
    std::size_t printed = 0;
    for (const Transcript& transcript : all_transcripts()) {
        SCOPED_TRACE(transcript.session + "/" + transcript.name);
        if (transcript.value("command").empty() || transcript.wire.empty()) continue;
        if (!transcript.value("stdin").empty() || !transcript.value("keys").empty()) continue;
        const Line line = line_of(transcript);
        if (!line.plain) continue;
        std::string request;
        std::string reply;
        for (const Exchange& exchange : transcript.wire) {
            (exchange.from_client ? request : reply) += exchange.bytes;
        }
        rpc::Header header;
        ASSERT_EQ(rpc::parse_header(as_bytes(request), header), rpc::Defect::kNone);
        const std::vector<std::string> params(line.words.begin() + 1, line.words.end());
        EXPECT_EQ(rpc::write_request(header.cookie, line.words[0], cli::typed(params)), request);
        ++sent;
        if (transcript.value("exit") != "0" || reply.empty()) continue;
        const rpc::Reply answer = reply_of(reply);
        // A format without %v makes kamcmd repeat itself once a record; ours is printed once.
        if (!line.format.empty() && line.format.find("%v") == std::string::npos) continue;
        EXPECT_EQ(
            line.format.empty() ? cli::as_kamcmd(answer) : cli::as_format(answer, line.format),
            transcript.stdout_text);
        ++printed;
    }
    EXPECT_GT(sent, 250u);
    EXPECT_GT(printed, 250u);
}

TEST(Siplanectl, JsonHasArraysWhereBinrpcHasRepeatedNames) {
    rpc::Struct set{{"ID", 1}, {"TARGETS", rpc::Struct{{"DEST", rpc::Struct{{"URI", "sip:a"}}}}}};
    const rpc::Reply reply = rpc::Reply::of(rpc::Struct{{"RECORDS", rpc::Struct{{"SET", set}}}});
    EXPECT_EQ(
        cli::as_json(reply),
        "{\n\t\"RECORDS\":\t[{\n\t\t\t\"SET\":\t{\n\t\t\t\t\"ID\":\t1,\n\t\t\t\t\"TARGETS\":\t"
        "[{\n\t\t\t\t\t\t\"DEST\":\t{\n\t\t\t\t\t\t\t\"URI\":\t\"sip:a\"\n\t\t\t\t\t\t}\n"
        "\t\t\t\t\t}]\n\t\t\t}\n\t\t}]\n}\n");
    EXPECT_EQ(cli::as_json(rpc::Reply::failed(500, "no", "why")),
              "{\n\t\"error\":\t{\n\t\t\"code\":\t500,\n\t\t\"message\":\t\"no\",\n\t\t\"data\":\t"
              "\"why\"\n\t}\n}\n");
    EXPECT_EQ(cli::as_json(rpc::Reply{}), "[]\n");
}

rpc::Reply stats_reply() {
    const auto drop = [](const char* reason, double count) {
        return rpc::Member{"DROP",
                           rpc::Struct{{"reason", reason}, {"count", count}, {"help", "look"}}};
    };
    return rpc::Reply::of(rpc::Struct{
        {"TOTAL", rpc::Struct{{"received", 1234.0}, {"forwarded", 7.0}}},
        {"DROPS", rpc::Struct{drop("bad_sip", 0), drop("tx_full", 12)}},
        {"WORKERS", rpc::Struct{{"WORKER", rpc::Struct{{"received", 1234.0}}}}},
        {"PORTS", rpc::Struct{{"PORT", rpc::Struct{{"name", "edge"}, {"rx_packets", 5.0}}}}}});
}

TEST(Siplanectl, StatsForPeopleLeaveOutWhatDidNotHappen) {
    EXPECT_EQ(cli::stats_for_people(stats_reply(), false).value(),
              "received   1234\n"
              "forwarded     7\n"
              "\n"
              "dropped for  frames  what to check\n"
              "tx_full          12  look\n"
              "\n"
              "port  link  rx  missed  errors  tx  errors  device\n"
              "edge     -  5   -       -       -   -       -\n");
    EXPECT_NE(cli::stats_for_people(stats_reply(), true)->find("bad_sip"), std::string::npos);
}

TEST(Siplanectl, StatsForScriptsAreStable) {
    EXPECT_EQ(cli::stats_for_scripts(stats_reply()).value(),
              "total\treceived\t1234\ntotal\tforwarded\t7\n"
              "drop\tbad_sip\t0\ndrop\ttx_full\t12\n"
              "worker\t0\treceived\t1234\n"
              "port\tedge\tname\tedge\nport\tedge\trx_packets\t5\n");
    EXPECT_FALSE(cli::stats_for_scripts(rpc::Reply::of("something else")));
    EXPECT_FALSE(cli::stats_for_people(rpc::Reply{}, false));
}

}  // namespace
}  // namespace lb::test
