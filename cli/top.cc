#include "cli/top.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>

#include "cli/print.h"

namespace lb::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;
extern "C" void lb_interrupt(int) { interrupted = 1; }

Result<rpc::Value> ask(rpc::Client& client, const char* method,
                       const std::vector<rpc::Value>& params) {
    Result<rpc::Reply> reply = client.call(method, params);
    if (!reply) return failed(std::move(reply).error());
    if (reply->fault || reply->values.empty()) {
        const std::string why = reply->fault ? reply->fault->text : "an empty answer";
        return failed(Errc::kInvalid, std::string(method) + ": " + why);
    }
    return std::move(reply->values[0]);
}

Result<TopSample> take_sample(rpc::Client& client, int rows) {
    auto stats = ask(client, "siplane.stats", {});
    if (!stats) return failed(std::move(stats).error());
    auto traffic = ask(client, "siplane.traffic", {rpc::Value(static_cast<std::int32_t>(rows))});
    if (!traffic) return failed(std::move(traffic).error());
    const std::chrono::duration<double> now = std::chrono::steady_clock::now().time_since_epoch();
    return TopSample{now.count(), std::move(*stats), std::move(*traffic)};
}

// The other screen without a cursor, keys as they are pressed; all of it undone at the end.
class Screen {
public:
    Screen() {
        struct sigaction action {};
        action.sa_handler = lb_interrupt;  // no SA_RESTART: it shall end the wait
        sigaction(SIGINT, &action, nullptr);
        sigaction(SIGTERM, &action, nullptr);
        if (tcgetattr(STDIN_FILENO, &before_) == 0) {
            termios keys = before_;
            keys.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO));
            keyboard_ = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
        }
        write("\033[?1049h\033[?25l");
    }
    ~Screen() {
        write("\033[?25h\033[?1049l");
        if (keyboard_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    // As much of the text as there is room for; each line over the one before, so nothing flickers.
    void show(const std::string& text) const {
        winsize size{};
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) {
            size.ws_row = 24;
            size.ws_col = 80;
        }
        std::string out = "\033[H";
        std::size_t at = 0;
        for (unsigned row = 1; row < size.ws_row && at < text.size(); ++row) {
            const std::size_t end = std::min(text.find('\n', at), text.size());
            out += text.substr(at, std::min<std::size_t>(end - at, size.ws_col)) + "\033[K\r\n";
            at = end + 1;
        }
        write(out + "\033[J");
    }

    // False when the user has had enough.
    bool wait(int seconds) const {
        pollfd key{STDIN_FILENO, POLLIN, 0};
        if (::poll(&key, keyboard_ ? 1 : 0, seconds * 1000) > 0) {
            char pressed = 0;
            if (read(STDIN_FILENO, &pressed, 1) != 1 || pressed == 'q') return false;
        }
        return interrupted == 0;
    }

private:
    static void write(const std::string& text) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
    }
    termios before_{};
    bool keyboard_ = false;
};

Status show_once(rpc::Client& client, const TopOptions& options) {
    auto before = take_sample(client, options.rows);
    if (!before) return failed(std::move(before).error());
    sleep(static_cast<unsigned>(options.interval_seconds));
    auto now = take_sample(client, options.rows);
    if (!now) return failed(std::move(now).error());
    const rpc::Value report = top_report(*before, *now);
    const std::string text = options.json ? as_json(rpc::Reply::of(report)) : top_view(report);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return {};
}

}  // namespace

Status run_top(rpc::Client& client, const TopOptions& options) {
    if (options.once || options.json) return show_once(client, options);
    if (isatty(STDOUT_FILENO) == 0) {
        return failed(Errc::kInvalid, "top needs a terminal; scripts use --once or --json");
    }
    auto before = take_sample(client, options.rows);
    if (!before) return failed(std::move(before).error());
    const Screen screen;
    screen.show("measuring ... (q ends)\n");
    while (screen.wait(options.interval_seconds)) {
        auto now = take_sample(client, options.rows);
        if (!now) return failed(std::move(now).error());
        screen.show(top_view(top_report(*before, *now)));
        before = std::move(now);
    }
    return {};
}

}  // namespace lb::cli
