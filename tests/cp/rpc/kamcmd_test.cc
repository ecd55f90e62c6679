// The real kamcmd and kamctl against our servers: what they print must be what they printed when
// they talked to Kamailio.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "cp/rpc/binrpc.h"
#include "tests/cp/rpc/compare.h"
#include "tests/cp/rpc/lab.h"

namespace lb::test {
namespace {

struct Output {
    std::string text;
    int status = 0;
};

Output run(const std::string& script) {
    ::setenv("SIPLANE_TEST_SCRIPT", script.c_str(), 1);
    std::FILE* pipe = ::popen("bash -c \"$SIPLANE_TEST_SCRIPT\" 2>/dev/null", "r");
    Output out;
    char buffer[4096];
    for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
        out.text.append(buffer, got);
    }
    out.status = WEXITSTATUS(::pclose(pipe));
    return out;
}

bool is_installed(const char* program) {
    return run(std::string("command -v ") + program).status == 0;
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos;) {
        text.replace(at, what.size(), with);
        at += with.size();
    }
}

std::string script_of(const Transcript& transcript, const RpcLab& lab) {
    std::string command = transcript.value("command");
    for (std::size_t at; (at = command.find("@repeat(")) != std::string::npos;) {
        const auto count = static_cast<std::size_t>(std::stoi(command.substr(at + 10)));
        command.replace(at, command.find(')', at) - at + 1, std::string(count, command[at + 8]));
    }
    replace_all(command, "tcp:CTL_IP:2046", "tcp:127.0.0.1:TCP_PORT");
    replace_all(command, "TCP_PORT", std::to_string(lab.tcp_port()));
    replace_all(command, "CTL_IP:2046", "127.0.0.1:UDP_PORT");
    replace_all(command, "UDP_PORT", std::to_string(lab.udp_port()));
    replace_all(command, "CTL_SOCK", lab.unix_path());
    replace_all(command, "CTLD_SOCK", lab.unixd_path());
    command.insert(0, "timeout 10 ");
    const std::string input = transcript.value("stdin");
    if (input.empty()) return command + " </dev/null";
    std::string piped = "printf %s $";
    return piped.append(input).append(" | ").append(command);
}

// The method behind kamcmd's own words.
std::string method_of(const Transcript& transcript) {
    std::string request;
    for (const Exchange& exchange : transcript.wire) {
        if (exchange.from_client) request += exchange.bytes;
    }
    rpc::Header header;
    std::string method;
    rpc::Params params;
    if (rpc::parse_header(as_bytes(request), header) == rpc::Defect::kNone) {
        (void)rpc::parse_request(as_bytes(request).subspan(header.size), method, params);
    }
    return method;
}

// "new packet: type 01, len 33, cookie 5f6f58c6": the cookie is another one each time.
std::string without_cookies(std::string text) {
    for (std::size_t at = 0; (at = text.find(", cookie ", at)) != std::string::npos;) {
        text.erase(at, text.find('\n', at) - at);
    }
    return text;
}

// Equal, or of an accepted difference that the replay test has judged byte for byte.
void compare(const Transcript& transcript, const Output& output) {
    const std::string recorded = without_cookies(transcript.stdout_text);
    const std::string actual = without_cookies(output.text);
    if (recorded == actual) return;
    std::string renamed = recorded;
    replace_all(renamed, "kamailio 5.6.3 (x86_64/linux)",
                "siplane " SIPLANE_VERSION " (x86_64/linux)");
    if (renamed == actual) return;
    const AcceptedDifference* row = find_accepted(transcript, method_of(transcript));
    EXPECT_TRUE(row != nullptr) << "recorded:\n" << recorded << "\nactual:\n" << actual;
    EXPECT_FALSE(actual.empty());
}

bool can_run(const Transcript& transcript) {
    const std::string transport = transcript.value("transport");
    if (!transcript.value("command").starts_with("kamcmd")) return false;
    if (transport == "none" || transport == "default" || transport == "tcp-defport") return false;
    if (!transcript.value("keys").empty()) return false;  // typed on a terminal
    if (transcript.value("command").find("-vvv") != std::string::npos)
        return false;  // cookie in hex
    // kamcmd goes on for ever, whatever the server does.
    return !transcript.name.ends_with("format-percent");
}

TEST(Kamcmd, PrintsWhatItPrintedForKamailio) {
    if (!is_installed("kamcmd")) GTEST_SKIP() << "kamcmd is not installed (package kamailio)";
    std::size_t steps = 0;
    for (const auto& entry : std::filesystem::directory_iterator(golden_folder() / "kamcmd")) {
        if (entry.path().filename() == "s16-sizes-150")
            continue;  // its rows are made by replay_test
        RpcLab lab(LabOptions::from_modparams(entry.path() / "modparams"), entry.path() / "db.sql");
        for (const Transcript& transcript : read_session(entry.path())) {
            lab.prepare(transcript.value("before"));
            if (!can_run(transcript)) continue;
            SCOPED_TRACE(transcript.session + "/" + transcript.name);
            const Output output = run(script_of(transcript, lab));
            const std::string exit = transcript.value("exit");
            EXPECT_EQ(output.status, exit.starts_with("killed") ? 0 : std::stoi(exit));
            compare(transcript, output);
            ++steps;
        }
    }
    EXPECT_GT(steps, 250u);
}

// Interactive sessions: what is typed, completed and shown on a terminal.
TEST(Kamcmd, CompletesOnATerminalAsForKamailio) {
    if (!is_installed("kamcmd")) GTEST_SKIP() << "kamcmd is not installed (package kamailio)";
    const auto folder = golden_folder() / "kamcmd" / "s13-interactive";
    RpcLab lab(LabOptions::from_modparams(folder / "modparams"), folder / "db.sql");
    std::size_t steps = 0;
    for (const Transcript& transcript : read_session(folder)) {
        const std::string keys = transcript.value("keys");
        if (keys.empty()) continue;
        SCOPED_TRACE(transcript.name);
        ::setenv("SIPLANE_TEST_KEYS", keys.c_str(), 1);
        const Output output = run("python3 " SIPLANE_SOURCE_ROOT
                                  "/tests/cp/rpc/kamcmd_pty.py \"$SIPLANE_TEST_KEYS\" "
                                  "kamcmd -s unix:" +
                                  lab.unix_path());
        EXPECT_EQ(output.status, 0);
        EXPECT_EQ(output.text, transcript.stdout_text);
        ++steps;
    }
    EXPECT_EQ(steps, 2U);
}

// The real kamcli over the datagram socket, its default. Its FIFO transport (2.0.0) fails for any
// server: it adds bytes to a text when it reads the reply; kamctl's sessions stand for that.
TEST(Kamcli, DispatcherCommands) {
    if (!is_installed("kamcli")) GTEST_SKIP() << "kamcli is not installed";
    RpcLab lab({}, golden_folder() / "jsonrpc" / "pretty" / "db.sql");
    const std::string config = (lab.folder() / "kamcli.ini").string();
    std::ofstream(config) << "[jsonrpc]\ntransport = socket\noutformat = json\nkamgroup = root\n"
                          << "srvaddr = " << lab.json_path() << "\n"
                          << "rcvaddr = " << (lab.folder() / "kamcli.sock").string() << "\n";
    const auto kamcli = [&config](const std::string& words) {
        const Output output =
            run("timeout 20 env LC_ALL=C.UTF-8 kamcli --config=" + config + " " + words + " 2>&1");
        EXPECT_EQ(output.status, 0) << output.text;
        return output.text;
    };
    const auto has = [](const std::string& text, const std::string& what) {
        return text.find(what) != std::string::npos;
    };
    const std::string list = kamcli("dispatcher list");
    for (const char* text : {"NRSETS", "RECORDS", "sip:127.0.61.1:5060"}) {
        EXPECT_TRUE(has(list, text)) << text << " in " << list;
    }
    const std::string added = "sip:127.0.61.99:5061";
    EXPECT_TRUE(has(kamcli("rpc dispatcher.add i:9 " + added), "Ok."));
    EXPECT_TRUE(has(kamcli("dispatcher list"), added));
    EXPECT_TRUE(has(kamcli("rpc dispatcher.remove i:9 " + added), "Ok."));
    EXPECT_FALSE(has(kamcli("dispatcher list"), added));
    EXPECT_TRUE(has(kamcli("dispatcher reload"), "Ok."));
    EXPECT_TRUE(has(kamcli("rpc core.version"), "siplane"));
}

TEST(Kamctl, DispatcherDumpAndReloadByFifo) {
    if (!is_installed("kamctl")) GTEST_SKIP() << "kamctl is not installed (package kamailio)";
    LabOptions options;
    options.dispatcher.latency_stats = true;
    const auto folder = golden_folder() / "jsonrpc" / "pretty";
    // kamctl makes its reply FIFO in /tmp.
    RpcLab lab(options, folder / "db.sql", "", "/tmp");
    for (const Transcript& transcript : read_session(folder)) {
        std::string command = transcript.value("command");
        if (!transcript.name.starts_with("kamctl") || transcript.name.ends_with("uptime")) continue;
        SCOPED_TRACE(transcript.name);
        replace_all(command, "RPC_FIFO", lab.fifo_path());
        std::string recorded = transcript.stdout_text;
        std::string actual = run(std::string("timeout 20 env ").append(command)).text;
        replace_all(recorded, "kamailio 5.6.3", "siplane " SIPLANE_VERSION);
        for (std::string* text : {&recorded, &actual}) {  // the id is kamctl's process number
            const std::size_t id = text->rfind("\"id\":");
            if (id != std::string::npos) text->erase(id);
        }
        // The recorded session went on from other commands: state letters may differ there.
        for (std::string* text : {&recorded, &actual}) {
            for (const char* letters : {"\"AX\"", "\"IX\"", "\"AP\"", "\"IP\""}) {
                replace_all(*text, letters, "\"??\"");
            }
        }
        EXPECT_EQ(actual, recorded);
    }
}

}  // namespace
}  // namespace lb::test
