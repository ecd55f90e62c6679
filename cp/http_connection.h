#pragma once

// One accepted TCP connection, read and written against a deadline: whatever the peer does or does
// not do, the thread that serves it is free again in bounded time.
//
// Bounds:  kRequestBytesMax read in all; kReadLimit from the first look to the end of the request;
//          kWriteLimit for the whole answer.
// Threads: one. Errors: read() and write() answer -1, for good.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "dp/base/address.h"

namespace lb::cp {

// Owns a file descriptor.
class FileDescriptor {
public:
    FileDescriptor() noexcept = default;
    explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    ~FileDescriptor();
    int get() const noexcept { return fd_; }
    int release() noexcept;
    explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    int fd_ = -1;
};

class HttpConnection {
public:
    static constexpr std::size_t kBodyBytesMax = 256 * 1024;
    static constexpr std::size_t kRequestBytesMax = kBodyBytesMax + 16 * 1024;  // with its head
    static constexpr std::chrono::seconds kReadLimit{3};
    static constexpr std::chrono::seconds kWriteLimit{10};

    // `socket` is non-blocking. As soon as `stop_fd` is readable everything fails.
    HttpConnection(FileDescriptor socket, int stop_fd) noexcept;
    // Ends the answer, and reads a little more: closing over unread bytes would reset the
    // connection before the peer has read the answer.
    ~HttpConnection();
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;

    // Bytes read; 0: the peer has ended; -1: error, too late or too much.
    long read(char* out, std::size_t size) noexcept;
    // All of it, or -1.
    long write(const char* data, std::size_t size) noexcept;

    int fd() const noexcept { return socket_.get(); }
    Endpoint peer() const noexcept;
    Endpoint local() const noexcept;

private:
    using Clock = std::chrono::steady_clock;
    bool wait_for(short events) noexcept;
    long fill() noexcept;

    FileDescriptor socket_;
    int stop_fd_;
    Clock::time_point deadline_;
    bool writing_ = false;
    bool broken_ = false;
    std::size_t received_ = 0;
    std::size_t begin_ = 0, end_ = 0;  // of what is buffered
    std::array<char, 4096> buffer_;
};

// What getsockname() and getpeername() give.
Endpoint endpoint_of(const void* sockaddr) noexcept;

}  // namespace lb::cp
