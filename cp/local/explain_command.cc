// siplanectl explain: reads a SIP message, a capture or JSON lines and says where each message
// would go, by the running daemon's tables or by a database, list file or configuration.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <set>

#include "cp/capture.h"
#include "cp/explain.h"
#include "cp/explain_lines.h"
#include "cp/explain_tables.h"
#include "cp/local/commands.h"
#include "cp/rpc/client.h"
#include "cp/rpc/command_line.h"
#include "cp/rpc/explain_value.h"
#include "cp/rpc/json_text.h"
#include "cp/rpc/lists.h"
#include "dp/sip/parser.h"
#include "dp/table/pvar.h"

namespace lb::cp {
namespace {

enum ExitCode : int {
    kOk = 0,
    kFailed = 1,
    kUsage = rpc::kUsageStatus,
    kUnreachable = rpc::kUnreachableStatus,
    kBadReply = rpc::kBadReplyStatus,
};

constexpr std::size_t kBarWidth = 40;

struct Command {
    OfflineSource offline;
    std::string socket = rpc::kDefaultSocket;
    int timeout_seconds = rpc::kDefaultTimeoutSeconds;
    std::vector<std::string> files;
    std::string source = "";
    std::string service;
    bool lines = false;
    bool json = false;

    bool is_offline() const {
        return !offline.config_file.empty() || !offline.db_url.empty() ||
               !offline.list_file.empty();
    }
};

int complain(const std::string& message, int code = kFailed) {
    std::fprintf(stderr, "siplanectl explain: %s\n", message.c_str());
    return code;
}

// Who is asked: tables of our own, or the daemon.
class Oracle {
public:
    virtual ~Oracle() = default;
    // value_of(Explanation). Empty source: some neighbour of the service.
    virtual Result<rpc::Value> ask(const std::string& message, const std::string& source,
                                   const std::string& target) = 0;
    // To exit with after that error of ask().
    virtual int status_of(const Error&) const { return kFailed; }
};

// One table for all messages: pointers move on and transactions are remembered.
class OwnTables final : public Oracle {
public:
    explicit OwnTables(OfflineTables tables) : tables_(std::move(tables)) {}

    Result<rpc::Value> ask(const std::string& message, const std::string& source,
                           const std::string& target) override {
        auto answer = explain_text(explainer_, tables_.tables, message, source, target);
        if (!answer) return failed(answer.error());
        return rpc::Value(rpc::value_of(*answer));
    }

private:
    OfflineTables tables_;
    Explainer explainer_;
};

class Daemon final : public Oracle {
public:
    explicit Daemon(rpc::Client client)
        : client_(std::move(client)),
          session_(static_cast<std::int32_t>(std::random_device{}() | 1)) {}

    Result<rpc::Value> ask(const std::string& message, const std::string& source,
                           const std::string& target) override {
        auto reply = client_.call("siplane.explain", {message, source, target, session_});
        if (!reply) return failed(reply.error());
        if (reply->fault) {
            const rpc::Fault& fault = *reply->fault;
            faulted_ = true;
            return failed(Errc::kInvalid, fault.detail.empty() ? fault.text : fault.detail);
        }
        if (reply->values.empty()) return failed(Errc::kInvalid, "an empty answer");
        return rpc::with_lists(reply->values[0]);
    }
    int status_of(const Error& error) const override {
        if (faulted_) return kFailed;
        return error.code == Errc::kInvalid ? kBadReply : kUnreachable;
    }

private:
    rpc::Client client_;
    std::int32_t session_;  // our messages are one series
    bool faulted_ = false;  // the last error was siplaned's own answer
};

Result<std::unique_ptr<Oracle>> make_oracle(const Command& command) {
    if (!command.is_offline()) {
        auto client = rpc::Client::connect(command.socket, command.timeout_seconds);
        if (!client) return failed(client.error());
        return std::make_unique<Daemon>(std::move(*client));
    }
    auto config = offline_config(command.offline);
    if (!config) return failed(config.error());
    auto tables = offline_tables(*config);
    if (!tables) return failed(tables.error());
    for (const std::string& warning : tables->warnings) complain("warning: " + warning);
    return std::make_unique<OwnTables>(std::move(*tables));
}

// To exit with when there is none.
int status_without_oracle(const Command& command, const Error& error) {
    if (command.is_offline()) return kFailed;
    return error.code == Errc::kInvalid ? kUsage : kUnreachable;
}

std::string text_at(const rpc::Value& value, std::string_view name) {
    const rpc::Value* const found = value.find(name);
    const std::string* const text = found == nullptr ? nullptr : found->get_if<std::string>();
    return text == nullptr ? std::string() : *text;
}

std::string chosen_uri(const rpc::Value& value) {
    const rpc::Value* const choice = value.find("CHOICE");
    return choice == nullptr ? std::string() : text_at(*choice, "URI");
}

// One document, or with several files one a line, which then says its file.
std::string json_document(const Command& command, const std::string& path, rpc::Value value) {
    const bool several = command.files.size() > 1;
    if (auto* record = std::get_if<rpc::Struct>(&value.data); several && record != nullptr) {
        record->members.insert(record->members.begin(), {"FILE", path});
    }
    std::string text;
    rpc::append_json(text, value, {.pretty = !several});
    return text + "\n";
}

// ---- one message ------------------------------------------------------------------------------

int explain_message(const Command& command, Oracle& oracle, const std::string& path,
                    const std::string& message) {
    const auto answer = oracle.ask(message, command.source, command.service);
    if (!answer) return complain(answer.error().message, oracle.status_of(answer.error()));
    const std::string text =
        command.json ? json_document(command, path, *answer) : rpc::explanation_text(*answer);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kOk;
}

// ---- a capture: the spread over destinations ----------------------------------------------------

struct Share {
    std::size_t messages = 0;
    std::set<std::string> calls;
};

struct Spread {
    std::map<std::string, Share> shares;
    std::map<std::string, std::size_t> verdicts;  // of requests that were not dispatched
    std::size_t requests = 0, replies = 0, others = 0, dispatched = 0;
};

Status add(const Command& command, Oracle& oracle, const CapturedDatagram& datagram,
           Spread& spread) {
    sip::Message message;
    if (sip::parse(datagram.payload, message) != sip::Error::kNone)
        return ++spread.others, Status();
    if (message.is_reply()) return ++spread.replies, Status();
    ++spread.requests;
    const auto answer = oracle.ask(datagram.payload, datagram.source.text(), command.service);
    if (!answer) return failed(answer.error());
    const std::string uri = chosen_uri(*answer);
    if (uri.empty()) {
        ++spread.verdicts[text_at(*answer, "REASON")];
        return {};
    }
    ++spread.dispatched;
    Share& share = spread.shares[uri];
    ++share.messages;
    share.calls.insert(std::string(message.call_id.value));
    return {};
}

double percent(std::size_t part, std::size_t whole) {
    return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string spread_text(const Spread& spread) {
    std::string out = fmt::format("{} requests, {} replies, {} datagrams that are no SIP\n\n",
                                  spread.requests, spread.replies, spread.others);
    std::size_t calls = 0, most = 0, width = 11;
    for (const auto& [uri, share] : spread.shares) {
        calls += share.calls.size();
        most = std::max(most, share.calls.size());
        width = std::max(width, uri.size());
    }
    out += fmt::format("{:<{}}  {:>8}  {:>8}  {:>6}\n", "destination", width, "messages", "calls",
                       "share");
    for (const auto& [uri, share] : spread.shares) {
        const std::size_t bar = (share.calls.size() * kBarWidth + most - 1) / most;
        out += fmt::format("{:<{}}  {:>8}  {:>8}  {:>5.1f}%  {}\n", uri, width, share.messages,
                           share.calls.size(), percent(share.calls.size(), calls),
                           std::string(bar, '#'));
    }
    for (const auto& [reason, count] : spread.verdicts) {
        out += fmt::format("\n{} not dispatched: {}", count, reason);
    }
    return spread.verdicts.empty() ? out : out + "\n";
}

rpc::Value spread_value(const Spread& spread, std::size_t outgoing) {
    rpc::List destinations, rest;
    for (const auto& [uri, share] : spread.shares) {
        destinations.add("DEST", rpc::Struct{{"URI", uri},
                                             {"MESSAGES", std::uint64_t{share.messages}},
                                             {"CALLS", std::uint64_t{share.calls.size()}}});
    }
    for (const auto& [reason, count] : spread.verdicts) {
        rest.add("OTHER", rpc::Struct{{"REASON", reason}, {"MESSAGES", std::uint64_t{count}}});
    }
    return rpc::Struct{
        {"REQUESTS", std::uint64_t{spread.requests}}, {"REPLIES", std::uint64_t{spread.replies}},
        {"NO_SIP", std::uint64_t{spread.others}},     {"OUTGOING", std::uint64_t{outgoing}},
        {"DESTINATIONS", std::move(destinations)},    {"NOT_DISPATCHED", std::move(rest)}};
}

int explain_capture(const Command& command, Oracle& oracle, const std::string& path) {
    const auto capture = read_capture(path);
    if (!capture) return complain(capture.error().message);
    Spread spread;
    for (const CapturedDatagram& datagram : capture->datagrams) {
        if (Status added = add(command, oracle, datagram, spread); !added) {
            return complain(added.error().message, oracle.status_of(added.error()));
        }
    }
    std::string text;
    if (command.json) {
        text = json_document(command, path, spread_value(spread, capture->outgoing));
    } else {
        text = spread_text(spread);
        if (capture->outgoing > 0) {
            text += fmt::format("\n{} outgoing packets left out: siplane sent them itself\n",
                                capture->outgoing);
        }
        if (capture->left_out > 0) {
            text += fmt::format("\n{} of {} packets left out: not UDP, cut short, or fragments\n",
                                capture->left_out, capture->packets);
        }
    }
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kOk;
}

// ---- JSON lines -------------------------------------------------------------------------------

// The tables are needed, and the daemon must be there, only for lines without a set of their own.
class LazyOracle {
public:
    explicit LazyOracle(const Command& command) : command_(command) {}

    Result<LineAnswer> ask(const LineQuestion& question) {
        if (!oracle_) {
            auto made = make_oracle(command_);
            if (!made) return failed(made.error());
            oracle_ = std::move(*made);
        }
        const auto answer = oracle_->ask(
            question.message, question.source.empty() ? command_.source : question.source,
            question.service.empty() ? command_.service : question.service);
        if (!answer) return failed(answer.error());
        return LineAnswer{chosen_uri(*answer), text_at(*answer, "VERDICT"),
                          text_at(*answer, "REASON")};
    }

private:
    const Command& command_;
    std::unique_ptr<Oracle> oracle_;
};

int explain_lines(const Command& command, std::istream& in) {
    LazyOracle oracle(command);
    LineExplainer explainer([&](const LineQuestion& question) { return oracle.ask(question); });
    for (std::string line; std::getline(in, line);) {
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        const std::string answer = explainer.answer(line) + "\n";
        std::fwrite(answer.data(), 1, answer.size(), stdout);
        std::fflush(stdout);  // whoever writes line by line waits for each answer
    }
    return kOk;
}

// ---- command line -----------------------------------------------------------------------------

bool is_capture(std::string_view bytes) {
    static constexpr std::string_view kMagics[] = {"\xd4\xc3\xb2\xa1", "\xa1\xb2\xc3\xd4",
                                                   "\x4d\x3c\xb2\xa1", "\xa1\xb2\x3c\x4d",
                                                   "\x0a\x0d\x0d\x0a"};
    return std::any_of(std::begin(kMagics), std::end(kMagics),
                       [&](std::string_view magic) { return bytes.starts_with(magic); });
}

int explain_file(const Command& command, const std::string& path) {
    std::ifstream file;
    if (path != "-") file.open(path, std::ios::binary);
    std::istream& in = path == "-" ? std::cin : file;
    if (path != "-" && !file) return complain(path + ": cannot be read");
    if (command.lines) return explain_lines(command, in);

    std::string bytes;
    bytes.resize(kExplainMessageMax + 1);
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    auto oracle = make_oracle(command);
    if (!oracle)
        return complain(oracle.error().message, status_without_oracle(command, oracle.error()));
    if (!is_capture(bytes)) return explain_message(command, **oracle, path, bytes);
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored))
        return complain(path + ": a capture is read from a file only");  // more than once
    return explain_capture(command, **oracle, path);
}

// Words that can be judged without a table: nothing if they are right.
std::string wrong_words(const Command& command) {
    const OfflineSource& offline = command.offline;
    const bool replaces = offline.set || !offline.algorithm.empty() || offline.flags ||
                          offline.hash_pvar || offline.use_default;
    if (!command.is_offline() && !command.lines && replaces) {
        return "--set, --algorithm, --flags, --hash-pvar and --use-default go with --db, "
               "--list-file or --config";
    }
    if (!command.source.empty() && !Endpoint::parse(command.source)) {
        return command.source + " is not ADDRESS:PORT";
    }
    if (!offline.algorithm.empty() && !table::parse_algorithm(offline.algorithm)) {
        return "unknown algorithm: " + offline.algorithm;
    }
    if (offline.hash_pvar) {
        const auto program = table::PvarProgram::compile(*offline.hash_pvar);
        if (!program) return program.error().message;
    }
    return {};
}

void describe(CLI::App& app, Command& command) {
    OfflineSource& offline = command.offline;
    app.add_option(
        "file", command.files,
        "SIP messages (one a file) or captures (pcap, pcapng); - is a message on standard input");
    app.add_flag("--jsonl", command.lines, "The input is JSON lines; one JSON answer a line");
    app.add_flag("--json", command.json,
                 "The answer as JSON; of several files one object a line, each with its FILE");
    app.add_option("--source", command.source, "ADDRESS:PORT that the message comes from");
    app.add_option("--service", command.service,
                   "Name or ADDRESS:PORT of the service it is sent to");
    app.add_option("-s,--socket", command.socket, "Control socket of the daemon that is asked")
        ->capture_default_str();
    rpc::add_timeout_option(app, command.timeout_seconds);
    const auto without = app.add_option_group("Without a daemon");
    without->add_option("--config", offline.config_file,
                        "Services and table of this configuration");
    auto* db = without->add_option("--db", offline.db_url, "sqlite:///PATH of the table");
    without->add_option("--list-file", offline.list_file, "List file with the table")->excludes(db);
    without->add_option("--set", offline.set, "Set to choose from, for all services");
    without->add_option("--algorithm,--alg", offline.algorithm, "Number or name, for all services");
    without->add_option("--flags", offline.flags, "The option `flags` of [dispatcher]");
    without->add_option("--hash-pvar", offline.hash_pvar, "The option `hash_pvar`");
    without->add_option("--use-default", offline.use_default, "The option `use_default`");
}

}  // namespace

int explain_command(int argc, char** argv) {
    CLI::App app{"Says where a SIP message would go, and why.", "siplanectl explain"};
    Command command;
    describe(app, command);
    if (const auto status = rpc::parse_command_line(app, argc, argv)) return *status;
    if (const std::string wrong = wrong_words(command); !wrong.empty()) {
        return complain(wrong, kUsage);
    }
    if (command.files.empty()) command.files.push_back("-");
    int worst = kOk;
    for (const std::string& file : command.files) {
        const bool headed = command.files.size() > 1 && !command.json && !command.lines;
        if (headed) std::printf("== %s\n", file.c_str());
        std::fflush(stdout);
        worst = std::max(worst, explain_file(command, file));
    }
    return worst;
}

}  // namespace lb::cp
