#pragma once

// A network namespace for one test process: real devices, nobody else's.

#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace lb::test {

// Moves the calling thread into a new network namespace with lo up. False where that is not
// allowed.
inline bool enter_own_netns() {
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) return false;
    return std::system("ip link set lo up") == 0;
}

inline bool shell(const std::string& command) { return std::system(command.c_str()) == 0; }

}  // namespace lb::test
