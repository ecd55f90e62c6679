#pragma once

// Runs a program with words and standard input, and collects what it says. For tests of commands.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace lb::test {

struct Ran {
    int status = -1;  // exit status, or 128 + signal
    std::string out, err;
};

// A folder that is gone when the test is.
class RunFolder {
public:
    RunFolder() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "siplane-runXXXXXX").string();
        path_ = ::mkdtemp(pattern.data()) == nullptr ? "." : pattern;
    }
    ~RunFolder() {
        std::error_code ignored;
        if (path_ != ".") std::filesystem::remove_all(path_, ignored);
    }
    RunFolder(const RunFolder&) = delete;
    RunFolder& operator=(const RunFolder&) = delete;

    std::string file(const std::string& name) const { return (path_ / name).string(); }
    std::string write(const std::string& name, std::string_view text) const {
        std::ofstream(file(name), std::ios::binary) << text;
        return file(name);
    }
    std::string read(const std::string& name) const {
        std::ifstream in(file(name), std::ios::binary);
        std::stringstream text;
        text << in.rdbuf();
        return text.str();
    }

private:
    std::filesystem::path path_;
};

inline Ran run_program(const std::string& program, std::vector<std::string> words,
                       std::string_view input = {}) {
    const RunFolder folder;
    const std::string in = folder.write("in", input);
    const pid_t child = ::fork();
    if (child == 0) {
        const bool ready = std::freopen(in.c_str(), "r", stdin) != nullptr &&
                           std::freopen(folder.file("out").c_str(), "w", stdout) != nullptr &&
                           std::freopen(folder.file("err").c_str(), "w", stderr) != nullptr;
        std::vector<char*> argv{const_cast<char*>(program.c_str())};
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        if (ready) ::execv(program.c_str(), argv.data());
        ::_exit(127);
    }
    Ran ran;
    int status = 0;
    if (child > 0 && ::waitpid(child, &status, 0) == child) {
        ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    ran.out = folder.read("out");
    ran.err = folder.read("err");
    return ran;
}

}  // namespace lb::test
