#pragma once

// Runs a shell command with a text as its input.

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace lb::test {

struct Outcome {
    int status = -1;
    std::string output;  // stdout and stderr
};

inline bool have_program(const std::string& name) {
    return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;
}

inline Outcome run_program(const std::string& command, const std::string& input) {
    std::array<char, 32> path{"/tmp/siplane-http-XXXXXX"};
    const int fd = ::mkstemp(path.data());
    if (fd < 0) return {};
    Outcome out;
    const bool written =
        ::write(fd, input.data(), input.size()) == static_cast<ssize_t>(input.size());
    ::close(fd);
    if (FILE* pipe =
            written ? ::popen((command + " <" + path.data() + " 2>&1").c_str(), "r") : nullptr) {
        std::array<char, 4096> buffer;
        while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
            out.output.append(buffer.data(), got);
        }
        const int status = ::pclose(pipe);
        out.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    ::unlink(path.data());
    return out;
}

}  // namespace lb::test
