#include "cp/event_hook.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <system_error>
#include <utility>
#include <vector>

namespace lb::cp {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kLook = std::chrono::milliseconds(50);  // how often children are looked after

// What posix_spawn() should do besides: input from nowhere, signals as a fresh program expects
// them.
class SpawnSettings {
public:
    SpawnSettings() {
        posix_spawn_file_actions_init(&files_);
        posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawnattr_init(&attributes_);
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    ~SpawnSettings() {
        posix_spawn_file_actions_destroy(&files_);
        posix_spawnattr_destroy(&attributes_);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;

    const posix_spawn_file_actions_t* files() const { return &files_; }
    const posix_spawnattr_t* attributes() const { return &attributes_; }

private:
    posix_spawn_file_actions_t files_;
    posix_spawnattr_t attributes_;
};

// The error of posix_spawn(), which is that of exec, too; 0: `pid` runs.
int spawn(const std::string& command, const DestinationEvent& event, pid_t& pid) {
    const SpawnSettings settings;
    std::array<std::string, 6> words{command,
                                     event.down ? "down" : "up",
                                     std::to_string(event.setid),
                                     event.uri,
                                     event.old_state,
                                     event.new_state};
    std::array<char*, 7> arguments{};
    std::transform(words.begin(), words.end(), arguments.begin(),
                   [](std::string& word) { return word.data(); });
    return posix_spawn(&pid, command.c_str(), settings.files(), settings.attributes(),
                       arguments.data(), environ);
}

// What is wrong with how a child ended; empty: nothing.
std::string bad_end(int status) {
    if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
    if (WEXITSTATUS(status) == 0) return {};
    return "exit status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

struct EventHook::Impl : std::enable_shared_from_this<EventHook::Impl> {
    struct Child {
        pid_t pid = 0;
        std::string command;
        DestinationEvent event;
        Clock::time_point kill_at;
        bool killed = false;
    };

    Impl(asio::io_context& io, std::string given, int run_max_seconds)
        : command(std::move(given)), run_max(run_max_seconds), timer(io) {}

    void start_waiting() {
        const Clock::time_point now = Clock::now();
        if (now - second >= std::chrono::seconds(1)) {
            second = now;
            starts = 0;
        }
        for (; !waiting.empty() && running.size() < kRunningMax && starts < kStartsPerSecond;
             ++starts) {
            Child child{0, command, std::move(waiting.front()), now + run_max};
            waiting.pop_front();
            const int error = spawn(command, child.event, child.pid);
            ++(error == 0 ? stats.started : stats.failed);
            if (error == 0) {
                running.push_back(std::move(child));
            } else {
                tell_failure(child, std::generic_category().message(error));
            }
        }
    }

    void tell_failure(const Child& child, std::string reason) const {
        if (tell) tell({child.command, child.event, std::move(reason)});
    }

    // Only our own children, each by its number: others in the process have theirs.
    void look_after_children() {
        const Clock::time_point now = Clock::now();
        std::erase_if(running, [&](Child& child) {
            int status = 0;
            const pid_t ended = waitpid(child.pid, &status, WNOHANG);
            if (ended == 0 && now >= child.kill_at) {
                child.killed = true;
                kill(child.pid, SIGKILL);
            }
            if (ended != child.pid) return ended != 0;
            std::string reason = child.killed
                                     ? "killed after " + std::to_string(run_max.count()) + " s"
                                     : bad_end(status);
            if (!reason.empty()) {
                ++stats.bad_exit;
                tell_failure(child, std::move(reason));
            }
            return true;
        });
    }

    void arm() {
        if (armed || (running.empty() && waiting.empty())) return;
        armed = true;
        timer.expires_after(kLook);
        timer.async_wait([weak = weak_from_this()](std::error_code error) {
            const std::shared_ptr<Impl> self = weak.lock();
            if (!self || error) return;
            self->armed = false;
            self->look_after_children();
            self->start_waiting();
            self->arm();
        });
    }

    std::string command;
    const std::chrono::seconds run_max;
    asio::steady_timer timer;
    bool armed = false;
    std::deque<DestinationEvent> waiting;
    std::vector<Child> running;
    Clock::time_point second{};
    int starts = 0;  // since `second`
    EventHookStats stats;
    std::function<void(const EventFailure&)> tell;
};

EventHook::EventHook(asio::io_context& io, std::string command, int run_max_seconds)
    : impl_(std::make_shared<Impl>(io, std::move(command), run_max_seconds)) {}

EventHook::~EventHook() { impl_->timer.cancel(); }

void EventHook::set_command(std::string command) {
    if (command.empty()) impl_->waiting.clear();
    impl_->command = std::move(command);
}

void EventHook::on_failure(std::function<void(const EventFailure&)> tell) {
    impl_->tell = std::move(tell);
}

void EventHook::run(DestinationEvent event) {
    if (impl_->command.empty()) return;
    if (impl_->waiting.size() >= kQueueMax) {
        ++impl_->stats.dropped;
        return;
    }
    impl_->waiting.push_back(std::move(event));
    impl_->start_waiting();
    impl_->arm();
}

const EventHookStats& EventHook::stats() const noexcept { return impl_->stats; }

}  // namespace lb::cp
