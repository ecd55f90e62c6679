#include "cli/trace.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "cli/figures.h"
#include "cp/rpc/json_text.h"

namespace lb::cli {
namespace {

constexpr long kPollNs = 200'000'000;
constexpr const char* kMethod = "siplane.trace";

volatile std::sig_atomic_t interrupted = 0;
extern "C" void lb_end_trace(int) { interrupted = 1; }

void hear_signals() {
    struct sigaction action {};
    action.sa_handler = lb_end_trace;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGHUP, &action, nullptr);
    action.sa_handler = SIG_IGN;  // a pager that is gone: noticed when printing
    sigaction(SIGPIPE, &action, nullptr);
}

// Does what `call` does, whatever signals come meanwhile.
template <class Call>
ssize_t again(Call call) {
    ssize_t n = call();
    while (n < 0 && errno == EINTR) n = call();
    return n;
}

// The capture file at our side: made before the trace, so that nothing is traced in vain.
class Output {
public:
    explicit Output(std::string path) : path_(std::move(path)) {}
    ~Output() {
        if (fd_ < 0) return;
        ::close(fd_);
        if (!filled_) ::unlink(path_.c_str());
    }
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    Status make() {
        fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd_ >= 0) return {};
        return failed(Errc::kNotFound, path_ + ": " + std::strerror(errno));
    }

    // Moves the daemon's file here.
    Status take(const std::string& from) {
        const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
        if (in < 0) {
            return failed(Errc::kNotFound,
                          from + ": " + std::strerror(errno) + "; it is on the daemon's host");
        }
        const Status copied = copy(in);
        ::close(in);
        if (!copied) return copied;
        filled_ = true;
        ::unlink(from.c_str());
        return {};
    }

private:
    Status copy(int in) const {
        char block[65536];
        for (;;) {
            const ssize_t n = again([&] { return ::read(in, block, sizeof block); });
            if (n == 0) return {};
            for (ssize_t at = 0; n > 0 && at < n;) {
                const ssize_t m = again(
                    [&] { return ::write(fd_, block + at, static_cast<std::size_t>(n - at)); });
                if (m <= 0) return failed(Errc::kNotFound, path_ + ": " + std::strerror(errno));
                at += m;
            }
            if (n < 0) return failed(Errc::kNotFound, path_ + ": " + std::strerror(errno));
        }
    }
    std::string path_;
    int fd_ = -1;
    bool filled_ = false;
};

// A message's line as it goes to a terminal or a script. False: nobody reads any more.
bool print(const rpc::Value& line, bool json) {
    std::string text;
    if (json) {
        rpc::append_json(text, line, {.pretty = false});
        text.push_back('\n');
    } else {
        text = trace_text(line);
    }
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
           std::fflush(stdout) == 0;
}

class Session {
public:
    Session(rpc::Client& client, const TraceOptions& options)
        : client_(client), options_(options) {}

    Result<rpc::Reply> run(const std::string& file) {
        auto reply = client_.call(kMethod, trace_words(options_, file));
        if (!reply || reply->fault || reply->values.empty()) return reply;
        id_ = static_cast<std::int32_t>(number_of(reply->values[0], "ID"));
        for (;;) {
            reply = read();
            if (!reply || reply->fault || reply->values.empty()) return reply;
            const rpc::Value& all = reply->values[0];
            const std::size_t shown = members_of(all, "LINES").size();
            if (!show(all) || interrupted != 0) return finish();
            if (shown != 0) continue;
            if (text_of(all, "STATE") != "running") return reply;
            const timespec pause{0, kPollNs};
            nanosleep(&pause, nullptr);
        }
    }

private:
    Result<rpc::Reply> read() {
        return client_.call(kMethod, {"read", id_, static_cast<std::int32_t>(seen_)});
    }

    // Ctrl-C: what passed until then is still shown.
    Result<rpc::Reply> finish() {
        auto stopped = client_.call(kMethod, {"stop", id_});
        if (!stopped || stopped->fault) return stopped;
        for (;;) {
            auto reply = read();
            if (!reply || reply->fault || reply->values.empty()) return reply;
            if (members_of(reply->values[0], "LINES").empty() || !show(reply->values[0]))
                return reply;
        }
    }

    bool show(const rpc::Value& all) {
        for (const rpc::Member& member : members_of(all, "LINES")) {
            const auto number = static_cast<std::int64_t>(number_of(member.value, "NUMBER"));
            if (number > seen_ + 1) {
                std::fprintf(stderr, "siplanectl: %lld messages went by too fast to be shown\n",
                             static_cast<long long>(number - seen_ - 1));
            }
            seen_ = number;
            if (!print(member.value, options_.json)) return false;
        }
        return true;
    }

    rpc::Client& client_;
    const TraceOptions& options_;
    std::int32_t id_ = 0;
    std::int64_t seen_ = 0;
};

}  // namespace

std::vector<rpc::Value> trace_words(const TraceOptions& options, const std::string& file) {
    std::vector<rpc::Value> words{"start"};
    const auto add = [&words](const char* key, const std::string& value) {
        if (!value.empty()) words.emplace_back(key + value);
    };
    add("callid=", options.call_id);
    add("src=", options.source);
    add("dst=", options.destination);
    if (options.all) words.emplace_back("all");
    add("seconds=", std::to_string(options.seconds));
    add("count=", std::to_string(options.count));
    add("file=", file);
    return words;
}

std::string trace_text(const rpc::Value& line) {
    constexpr std::size_t kDate = sizeof "2026-11-22T" - 1, kTime = sizeof "16:38:53.123456" - 1;
    std::string time = text_of(line, "TIME");
    if (time.size() > kDate + kTime) time = time.substr(kDate, kTime);
    const auto what = [&line](const rpc::Value& of) {
        const std::string message = text_of(of, "MESSAGE");
        if (message.empty()) return std::string("(no SIP)");
        const bool reply = message[0] >= '0' && message[0] <= '9';
        return reply ? message + " (" + text_of(line, "CSEQ") + ")" : message;
    };
    const auto way = [](const rpc::Value& of) {
        return text_of(of, "SOURCE") + " -> " + text_of(of, "TARGET");
    };
    const std::string call_id = "  " + text_of(line, "CALLID");
    std::string out = time + " in  " + text_of(line, "PORT") + "  " + what(line) + "  " +
                      way(line) + call_id + "  " + text_of(line, "DECISION") + "\n";
    if (const rpc::Value* sent = line.find("SENT")) {
        out += time + " out " + text_of(*sent, "PORT") + "  " + what(*sent) + "  " + way(*sent) +
               call_id + "\n";
    }
    return out;
}

Result<rpc::Reply> run_trace(rpc::Client& client, const TraceOptions& options) {
    Output output(options.output);
    std::string file;
    if (!options.output.empty()) {
        if (Status made = output.make(); !made) return failed(std::move(made).error());
        file = "siplanectl-" + std::to_string(::getpid()) + "-" + std::to_string(::time(nullptr)) +
               ".pcapng";
    }
    hear_signals();
    Result<rpc::Reply> last = Session(client, options).run(file);
    if (!last || last->fault || last->values.empty()) return last;
    const rpc::Value& status = last->values[0];
    if (!file.empty()) {
        if (Status taken = output.take(text_of(status, "FILE")); !taken)
            return failed(std::move(taken).error());
    }
    std::fprintf(stderr, "siplanectl: %s messages, %s lost; ended: %s\n",
                 text_of(status, "MESSAGES").c_str(), text_of(status, "LOST").c_str(),
                 text_of(status, "WHY").c_str());
    return last;
}

}  // namespace lb::cli
