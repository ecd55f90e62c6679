#include "dp/io/idle.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace lb::io {

namespace {

Error idle_error(const char* what) {
    return {Errc::kUnavailable,
            std::string("worker's epoll: ") + what + ": " + std::strerror(errno)};
}

// A socket's pending error (its link went down) keeps it ready until someone reads it.
void clear_error(int fd) noexcept {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
}

}  // namespace

Result<Sleeper> Sleeper::create() {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return failed(idle_error("create"));
    Sleeper sleeper(epoll, ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (sleeper.bell_ < 0) return failed(idle_error("bell"));
    if (Status status = sleeper.watch(sleeper.bell_); !status) {
        return failed(std::move(status).error());
    }
    return sleeper;
}

Sleeper::Sleeper(Sleeper&& other) noexcept
    : epoll_(std::exchange(other.epoll_, -1)), bell_(std::exchange(other.bell_, -1)) {}

Sleeper::~Sleeper() {
    if (epoll_ >= 0) ::close(epoll_);
    if (bell_ >= 0) ::close(bell_);
}

Status Sleeper::watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return failed(idle_error("watch"));
    return {};
}

void Sleeper::sleep(std::int64_t us) noexcept {
    std::array<epoll_event, 16> events;
    const timespec limit{us / 1'000'000, us % 1'000'000 * 1000};
    const int n = ::epoll_pwait2(epoll_, events.data(), events.size(), &limit, nullptr);
    for (int i = 0; i < n; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) clear_error(event.data.fd);
        std::uint64_t count = 0;
        if (event.data.fd == bell_ && ::read(bell_, &count, sizeof count) < 0) continue;
    }
}

void Sleeper::ring() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(bell_, &one, sizeof one);  // full means rung
}

}  // namespace lb::io
