// siplanectl: asks the running siplaned. The first word is an RPC method ("dispatcher.list"), or
// one of the commands below.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/drain.h"
#include "cli/print.h"
#include "cli/stats.h"
#include "cli/top.h"
#include "cli/trace.h"
#include "cp/rpc/client.h"
#include "cp/rpc/command_line.h"
#include "dp/base/address.h"

namespace lb::cli {
namespace {

// Stable: scripts look at them. Unlike kamcmd, which exits with 0, a fault is told apart.
enum ExitCode : int {
    kOk = 0,
    kFault = 1,  // the daemon answered with a fault
    kUsage = rpc::kUsageStatus,
    kUnreachable = rpc::kUnreachableStatus,
    kBadReply = rpc::kBadReplyStatus,
};

// For commands that need more than an RPC answer (cp/local).
constexpr const char* kLocalProgram = "siplanectl-local";

struct Command {
    std::string address = rpc::kDefaultSocket;
    std::string format;
    int timeout_seconds = rpc::kDefaultTimeoutSeconds;
    bool address_given = false, timeout_given = false;
    bool json = false;
    bool tsv = false;
    bool all = false;
    bool stats = false;
    bool drain = false;    // drain or undrain; the words say which
    bool literal = false;  // what follows is behind "--"
    bool top = false;
    TopOptions top_options;
    bool trace = false;
    TraceOptions trace_options;
    std::vector<std::string> target;  // of drain: group, and URI, duid or "all"
    std::vector<std::string> words;
};

int complain(const Error& error, int code) {
    std::fprintf(stderr, "siplanectl: %s\n", error.message.c_str());
    return code;
}

int complain(const Error& error) {
    return complain(error, error.code == Errc::kInvalid ? kBadReply : kUnreachable);
}

int print(const Result<std::string>& text) {
    if (!text) return complain(text.error());
    std::fwrite(text->data(), 1, text->size(), stdout);
    return kOk;
}

int print_reply(const Command& command, const rpc::Reply& reply) {
    if (command.json) {
        print(as_json(reply));
    } else if (!reply.fault && command.drain) {
        return print(drained_for_people(reply));
    } else if (!reply.fault && command.stats) {
        return print(command.tsv ? stats_for_scripts(reply) : stats_for_people(reply, command.all));
    } else if (!command.format.empty()) {
        print(as_format(reply, command.format));
    } else {
        print(as_kamcmd(reply));
    }
    if (!reply.fault) return kOk;
    if (!reply.fault->detail.empty()) {
        std::fprintf(stderr, "siplanectl: %s\n", reply.fault->detail.c_str());
    }
    return kFault;
}

// "help" and "help METHOD" are kamcmd's words.
void translate(Command& command) {
    if (command.stats) command.words = {"siplane.stats"};
    if (command.top) command.words = {"siplane.traffic"};
    if (command.trace) command.words = {"siplane.trace"};
    if (command.drain) {
        command.words.insert(command.words.end(), command.target.begin(), command.target.end());
    }
    if (command.words[0] == "version") command.words[0] = "core.version";
    if (command.words[0] != "help" && command.words[0] != "list") return;
    command.words[0] = command.words.size() > 1 ? "system.methodHelp" : "system.listMethods";
}

// The program that has the control plane's own code: beside this one, or in the PATH.
std::string local_program() {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    const auto beside = self.parent_path() / kLocalProgram;
    return ::access(beside.c_str(), X_OK) == 0 ? beside.string() : kLocalProgram;
}

// These commands work on files of this host, too. Does not return unless it fails.
int run_local(const Command& command) {
    std::vector<std::string> words = {kLocalProgram, command.words[0]};
    // Options in front of the command count for it as well; dispatcher asks no daemon.
    const bool asks = command.words[0] != "dispatcher";
    if (asks && command.address_given) words.insert(words.end(), {"--socket", command.address});
    if (asks && command.timeout_given) {
        words.insert(words.end(), {"--timeout", std::to_string(command.timeout_seconds)});
    }
    if (command.json) words.emplace_back("--json");
    words.insert(words.end(), command.words.begin() + 1, command.words.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string program = local_program();
    ::execvp(program.c_str(), argv.data());
    return complain({Errc::kUnavailable, program + ": " + std::strerror(errno)}, kUsage);
}

// `kamctl dispatcher dump` and `reload` ask the daemon.
bool is_local(Command& command) {
    const std::string& word = command.words[0];
    const std::string second = command.words.size() > 1 ? command.words[1] : "";
    if (word == "dispatcher" && (second == "dump" || second == "reload")) {
        command.words.erase(command.words.begin());
        command.words[0] = second == "dump" ? "dispatcher.list" : "dispatcher.reload";
        return false;
    }
    return word == "explain" || word == "doctor" || word == "dispatcher";
}

// What the daemon would refuse of these words; empty: nothing.
std::string wrong_words(const TraceOptions& options) {
    for (const std::string& peer : {options.source, options.destination}) {
        const bool known =
            peer.empty() || IpAddress::parse(peer) || Prefix::parse(peer) || Endpoint::parse(peer);
        if (!known) return peer + " is not an address, address/length or address:port";
    }
    const bool filter =
        !options.call_id.empty() || !options.source.empty() || !options.destination.empty();
    if (!filter && !options.all) {
        return "no filter given; use --call-id, --source, --destination or --all";
    }
    return filter && options.all ? "--all, or a filter: not both" : "";
}

int follow(rpc::Client& client, const Command& command) {
    TraceOptions options = command.trace_options;
    options.json = command.json;
    const Result<rpc::Reply> last = run_trace(client, options);
    if (!last) {  // kNotFound: our own file
        const bool ours = last.error().code == Errc::kNotFound;
        return ours ? complain(last.error(), kUsage) : complain(last.error());
    }
    return last->fault ? print_reply(command, *last) : kOk;
}

// Behind a method: --help asks about it, and nothing else that begins so is a parameter. The word
// that is no option, if there is one.
std::optional<std::string> look_at_options(Command& command) {
    for (std::size_t i = 1; i < command.words.size() && !command.literal; ++i) {
        const std::string word = command.words[i];
        if (word == "--help") {
            command.words = {"system.methodHelp", command.words[0]};
            return std::nullopt;
        }
        if (word.starts_with("--")) return word;
    }
    return std::nullopt;
}

int run(Command command) {
    translate(command);
    if (is_local(command)) return run_local(command);
    if (const auto word = look_at_options(command)) {
        return complain({Errc::kInvalid,
                         "unknown option " + *word + " (s:" + *word + " is sent as a parameter)"},
                        kUsage);
    }
    if (command.trace) {
        const std::string wrong = wrong_words(command.trace_options);
        if (!wrong.empty()) return complain({Errc::kInvalid, "trace: " + wrong}, kUsage);
    }
    Result<rpc::Client> client = rpc::Client::connect(command.address, command.timeout_seconds);
    if (!client) {
        const bool usage = client.error().code == Errc::kInvalid;
        return complain(client.error(), usage ? kUsage : kUnreachable);
    }
    if (command.top) {
        command.top_options.json = command.json;
        const Status done = run_top(*client, command.top_options);
        return done ? kOk : complain(done.error());
    }
    if (command.trace) return follow(*client, command);
    const std::vector<std::string> words(command.words.begin() + 1, command.words.end());
    const Result<rpc::Reply> reply = client->call(command.words[0], typed(words));
    if (!reply) return complain(reply.error());
    return print_reply(command, *reply);
}

void describe_drain(CLI::App& app, Command& command) {
    const auto add = [&](const char* name, const char* method, const char* help) {
        CLI::App* drain = app.add_subcommand(name, help);
        drain->add_option("target", command.target, "Group, and a URI, a duid or all")
            ->expected(0, 2)
            ->type_name("GROUP URI");
        drain->add_flag("--json", command.json, "The whole answer as JSON");
        drain->callback([&command, method] {
            command.drain = true;
            command.words = {method};
        });
    };
    add("drain", "siplane.drain",
        "Let a destination take no new calls while those it has go on; alone: list them");
    add("undrain", "siplane.undrain", "Let a destination take new calls again");
}

void describe_top(CLI::App& app, Command& command) {
    CLI::App* top = app.add_subcommand("top", "Live view: rates, workers, drops, destinations");
    top->add_flag("--once", command.top_options.once, "One measured interval, printed once");
    top->add_flag("--json", command.json, "One measured interval as JSON");
    top->add_option("-n,--rows", command.top_options.rows, "Destinations shown, busiest first")
        ->check(CLI::Range(0, 1000))
        ->capture_default_str();
    top->add_option("-i,--interval", command.top_options.interval_seconds, "Seconds measured")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    top->callback([&command] { command.top = true; });
}

void describe_trace(CLI::App& app, Command& command) {
    TraceOptions& options = command.trace_options;
    CLI::App* trace = app.add_subcommand(
        "trace", "Follow messages: what comes, what is decided, what goes; Ctrl-C ends it");
    const auto filter = [&](const char* name, std::string& value, const char* help) {
        return trace->add_option(name, value, help);
    };
    filter("--call-id", options.call_id, "Messages with this Call-ID");
    filter("--source", options.source, "Requests from ADDRESS[/LENGTH], and their replies")
        ->type_name("ADDRESS");
    filter("--destination", options.destination, "Requests relayed there, and their replies")
        ->type_name("ADDRESS");
    trace->add_flag("--all", options.all, "Every message to a service");
    trace->add_option("--seconds", options.seconds, "Ends it")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    trace->add_option("--count", options.count, "Messages that end it")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    trace->add_option("-o,--output", options.output, "Capture file to make (pcapng)")
        ->type_name("FILE");
    trace->add_flag("--json", command.json, "One JSON object a line");
    trace->callback([&command] { command.trace = true; });
}

void describe(CLI::App& app, Command& command) {
    app.add_option("-s,--socket", command.address,
                   "Control socket: unix:PATH, unixd:PATH, tcp:HOST[:PORT], udp:HOST[:PORT]")
        ->capture_default_str();
    app.add_option("-f,--format", command.format,
                   "Print records by this format: %v is the next one, \\n \\t \\r \\\\ are known");
    rpc::add_timeout_option(app, command.timeout_seconds);
    app.add_flag("--json", command.json, "Print the answer as JSON");
    app.set_version_flag("--version", "siplanectl " SIPLANE_VERSION);
    CLI::App* stats =
        app.add_subcommand("stats", "Counters: frames received, relayed, dropped and why");
    stats->add_flag("--json", command.json, "The whole answer as JSON");
    stats->add_flag("--tsv", command.tsv, "Tab-separated lines with stable names");
    stats->add_flag("--all", command.all, "Also reasons that dropped nothing");
    stats->callback([&command] { command.stats = true; });
    describe_drain(app, command);
    describe_top(app, command);
    describe_trace(app, command);
    app.footer(
        "Other commands, each with --help of its own:\n"
        "  siplanectl explain FILE     where a message or the calls of a capture would go, and "
        "why\n"
        "  siplanectl dispatcher show|add|rm|dump|reload   the table, as kamctl dispatcher\n"
        "  siplanectl doctor           is everything in place?\n"
        "Any other word is an RPC method with its parameters, printed as kamcmd prints it:\n"
        "  siplanectl dispatcher.list [short|full]\n"
        "  siplanectl dispatcher.set_state ip 1 sip:10.0.0.7:5060\n"
        "  siplanectl help             names of all methods\n"
        "  siplanectl help METHOD      what a method does\n"
        "Parameters that look like numbers are sent as numbers; s:5 is the text 5.\n"
        "Exit status: 0 answered, 1 answered with a fault, 2 wrong usage, 3 no answer,\n"
        "4 the answer is not siplaned's, 5 the output could not be written.");
    app.prefix_command();
}

int main_of(int argc, char** argv) {
    CLI::App app{"Asks and commands the SIP load balancer siplaned.", "siplanectl"};
    Command command;
    describe(app, command);
    if (const auto status = rpc::parse_command_line(app, argc, argv)) return *status;
    command.address_given = app.count("--socket") > 0;
    command.timeout_given = app.count("--timeout") > 0;
    const std::vector<std::string> rest = app.remaining();
    command.words.insert(command.words.end(), rest.begin(), rest.end());
    command.json =
        std::erase(command.words, "--json") > 0 || command.json;  // also behind the method
    if (!command.words.empty() && command.words[0] == "--") {
        command.literal = true;
        command.words.erase(command.words.begin());
    }
    const bool option = !command.words.empty() && command.words[0].starts_with("-");
    const bool ours = command.stats || command.top || command.drain || command.trace;
    if (!ours && (command.words.empty() || option)) {
        const std::string what =
            option ? "unknown option " + command.words[0] : std::string("what shall I ask?");
        return complain({Errc::kInvalid, what + " (see siplanectl --help)"}, kUsage);
    }
    return run(std::move(command));
}

}  // namespace
}  // namespace lb::cli

int main(int argc, char** argv) { return lb::rpc::status_of_output(lb::cli::main_of(argc, argv)); }
