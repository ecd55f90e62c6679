#pragma once

// Where a worker sleeps when nothing comes: an epoll over its devices' descriptors, the TAP twins
// and its own bell.
//
// Threads: sleep() on the worker; ring() from any thread.

#include <cstdint>
#include <vector>

#include "dp/base/result.h"

namespace lb::io {

class Sleeper {
public:
    static Result<Sleeper> create();
    ~Sleeper();
    Sleeper(Sleeper&& other) noexcept;
    Sleeper& operator=(Sleeper&&) = delete;

    Status watch(int fd);
    // Until a descriptor is readable, the bell rings or the time is over.
    void sleep(std::int64_t us) noexcept;
    void ring() noexcept;

private:
    Sleeper(int epoll, int bell) noexcept : epoll_(epoll), bell_(bell) {}

    int epoll_;
    int bell_;
};

}  // namespace lb::io
