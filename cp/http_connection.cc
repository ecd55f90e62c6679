#include "cp/http_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lb::cp {
namespace {

constexpr std::chrono::milliseconds kLingerLimit{300};
constexpr int kLingerReads = 16;  // of a buffer each

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
    if (this == &other) return *this;
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
    return *this;
}

FileDescriptor::~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
}

int FileDescriptor::release() noexcept { return std::exchange(fd_, -1); }

HttpConnection::HttpConnection(FileDescriptor socket, int stop_fd) noexcept
    : socket_(std::move(socket)), stop_fd_(stop_fd), deadline_(Clock::now() + kReadLimit) {}

HttpConnection::~HttpConnection() {
    ::shutdown(fd(), SHUT_WR);
    deadline_ = std::min(deadline_, Clock::now() + kLingerLimit);
    for (int i = 0; i < kLingerReads && wait_for(POLLIN); ++i) {
        if (::recv(fd(), buffer_.data(), buffer_.size(), 0) <= 0) break;
    }
}

long HttpConnection::read(char* out, std::size_t size) noexcept {
    if (begin_ == end_) {
        const long got = fill();
        if (got <= 0) return got;
    }
    const std::size_t some = std::min(size, end_ - begin_);
    std::memcpy(out, buffer_.data() + begin_, some);
    begin_ += some;
    return static_cast<long>(some);
}

long HttpConnection::fill() noexcept {
    while (!broken_ && received_ < kRequestBytesMax && wait_for(POLLIN)) {
        const ssize_t got = ::recv(fd(), buffer_.data(), buffer_.size(), 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got == 0) return 0;
        if (got < 0) break;
        received_ += static_cast<std::size_t>(got);
        begin_ = 0;
        end_ = static_cast<std::size_t>(got);
        return static_cast<long>(got);
    }
    broken_ = true;
    return -1;
}

long HttpConnection::write(const char* data, std::size_t size) noexcept {
    if (!std::exchange(writing_, true)) deadline_ = Clock::now() + kWriteLimit;
    std::size_t sent = 0;
    while (sent < size) {
        const ssize_t some = ::send(fd(), data + sent, size - sent, MSG_NOSIGNAL);
        if (some > 0) sent += static_cast<std::size_t>(some);
        if (some > 0 || (some < 0 && errno == EINTR)) continue;
        const bool full = some < 0 && errno == EAGAIN;
        if (!full || !wait_for(POLLOUT)) return -1;
    }
    return static_cast<long>(sent);
}

bool HttpConnection::wait_for(short events) noexcept {
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
        if (left.count() <= 0) return false;
        std::array<pollfd, 2> wait{{{fd(), events, 0}, {stop_fd_, POLLIN, 0}}};
        const int ready = ::poll(wait.data(), wait.size(), static_cast<int>(left.count()));
        if (ready < 0 && errno == EINTR) continue;
        return ready > 0 && wait[1].revents == 0;
    }
}

Endpoint endpoint_of(const void* sockaddr) noexcept {
    sa_family_t family{};
    std::memcpy(&family, static_cast<const char*>(sockaddr) + offsetof(::sockaddr, sa_family),
                sizeof(family));
    if (family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, sockaddr, sizeof(in));
        return {IpAddress::from_ipv4(reinterpret_cast<const std::uint8_t*>(&in.sin_addr)),
                ntohs(in.sin_port)};
    }
    if (family != AF_INET6) return {};
    sockaddr_in6 in6{};
    std::memcpy(&in6, sockaddr, sizeof(in6));
    return {IpAddress::from_ipv6(reinterpret_cast<const std::uint8_t*>(&in6.sin6_addr)),
            ntohs(in6.sin6_port)};
}

Endpoint HttpConnection::peer() const noexcept {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    if (::getpeername(fd(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    return endpoint_of(&storage);
}

Endpoint HttpConnection::local() const noexcept {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    if (::getsockname(fd(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    return endpoint_of(&storage);
}

}  // namespace lb::cp
