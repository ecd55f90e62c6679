#include "cp/event_hook.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <asio/io_context.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace lb::cp {
namespace {

using std::chrono::milliseconds;

struct EventHookTest : ::testing::Test {
    std::filesystem::path folder;
    asio::io_context io;

    EventHookTest() {
        std::string pattern = std::filesystem::temp_directory_path() / "siplane-probe-hook-XXXXXX";
        folder = ::mkdtemp(pattern.data());
    }
    ~EventHookTest() override { std::filesystem::remove_all(folder); }

    std::string script(const std::string& body) {
        const std::filesystem::path path = folder / "hook";
        std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
        ::chmod(path.c_str(), 0755);
        return path;
    }
    std::string file(const char* name) {
        std::ifstream in(folder / name);
        std::ostringstream text;
        text << in.rdbuf();
        return text.str();
    }
};

TEST_F(EventHookTest, GivesTheEventAsArguments) {
    EventHook hook(io, script("printf '%s|' \"$#\" \"$@\" >> \"$(dirname \"$0\")/out\""));
    hook.run({true, 2, "sip:10.0.0.7:5060;x=$(touch evil) 'y'", "TP", "IP"});
    io.run_for(milliseconds(2000));
    EXPECT_EQ(file("out"), "5|down|2|sip:10.0.0.7:5060;x=$(touch evil) 'y'|TP|IP|");
    hook.run({false, 2, "sip:10.0.0.7:5060", "IP", "AP"});
    io.restart();
    io.run_for(milliseconds(2000));
    EXPECT_TRUE(file("out").ends_with("5|up|2|sip:10.0.0.7:5060|IP|AP|"));
    EXPECT_EQ(hook.stats().started, 2U);
    EXPECT_EQ(hook.stats().bad_exit, 0U);
}

TEST_F(EventHookTest, NeverBlocksAndRunsFewAtATime) {
    EventHook hook(io, script("echo x >> \"$(dirname \"$0\")/started\"; sleep 1"));
    const auto before = std::chrono::steady_clock::now();
    for (int count = 0; count < 2000; ++count) hook.run({true, 1, "sip:a", "AP", "IP"});
    EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(500));
    EXPECT_EQ(hook.stats().started, EventHook::kRunningMax);
    EXPECT_EQ(hook.stats().dropped, 2000 - EventHook::kQueueMax - EventHook::kRunningMax);
    io.run_for(milliseconds(600));
    EXPECT_EQ(hook.stats().started, EventHook::kRunningMax) << "all still asleep";
    io.run_for(milliseconds(1500));
    EXPECT_GT(hook.stats().started, EventHook::kRunningMax);
    EXPECT_LE(hook.stats().started, 3 * EventHook::kRunningMax);
}

TEST_F(EventHookTest, StartsSoManyASecond) {
    EventHook hook(io, script("exit 3"));
    for (int count = 0; count < 200; ++count) hook.run({true, 1, "sip:a", "AP", "IP"});
    io.run_for(milliseconds(2500));
    EXPECT_LE(hook.stats().started, 3U * EventHook::kStartsPerSecond);
    EXPECT_GE(hook.stats().started, 2U * EventHook::kRunningMax);
    EXPECT_GT(hook.stats().bad_exit, 0U);
}

TEST_F(EventHookTest, CountsWhatCannotBeStarted) {
    EventHook hook(io, folder / "nothing-here");
    hook.run({true, 1, "sip:a", "AP", "IP"});
    EXPECT_EQ(hook.stats().failed, 1U);
    EXPECT_EQ(hook.stats().started, 0U);
    io.run_for(milliseconds(100));
}

TEST_F(EventHookTest, TellsWhatFailed) {
    struct Row {
        const char* body;  // null: no program at all
        const char* reason;
    };
    constexpr Row kRows[] = {
        {"exit 0", ""},
        {"exit 3", "exit status 3"},
        {"kill -TERM $$", "signal 15"},
        {nullptr, "No such file or directory"},
    };
    for (const Row& row : kRows) {
        const std::string command =
            row.body != nullptr ? script(row.body) : std::string(folder / "nothing-here");
        EventHook hook(io, command);
        std::vector<std::string> told;
        hook.on_failure([&](const EventFailure& failure) {
            EXPECT_EQ(failure.command, command);
            EXPECT_EQ(failure.event.uri, "sip:a");
            told.push_back(failure.reason);
        });
        hook.run({true, 1, "sip:a", "AP", "IP"});
        hook.set_command("another");
        io.restart();
        io.run_for(milliseconds(2000));
        if (*row.reason == '\0') {
            EXPECT_TRUE(told.empty());
        } else {
            EXPECT_EQ(told, std::vector<std::string>{row.reason});
        }
    }
}

TEST_F(EventHookTest, KillsWhatRunsTooLong) {
    EventHook hook(io, script("exec sleep 60"), 1);
    std::vector<std::string> told;
    hook.on_failure([&](const EventFailure& failure) { told.push_back(failure.reason); });
    const auto start = std::chrono::steady_clock::now();
    hook.run({true, 1, "sip:a", "AP", "IP"});
    for (int turn = 0; turn < 1000 && told.empty(); ++turn) io.run_for(milliseconds(20));
    EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(1000));
    EXPECT_EQ(told, std::vector<std::string>{"killed after 1 s"});
    EXPECT_EQ(hook.stats().bad_exit, 1U);
}

TEST_F(EventHookTest, WhatWaitsGoesWithTheCommand) {
    EventHook hook(io, script("sleep 0.2"));
    for (int count = 0; count < 30; ++count) hook.run({true, 1, "sip:a", "AP", "IP"});
    hook.set_command("");
    io.run_for(milliseconds(1200));
    EXPECT_EQ(hook.stats().started, EventHook::kRunningMax);
    EXPECT_EQ(hook.stats().failed + hook.stats().bad_exit, 0U);
}

// As a program expects it that somebody starts by hand: no signal blocked or ignored, no input.
TEST_F(EventHookTest, StartsAfresh) {
    EventHook hook(io, script("readlink /proc/$$/fd/0 > \"$(dirname \"$0\")/out\"\n"
                              "grep -E '^Sig(Blk|Ign)' /proc/$$/status | tr -d '[:space:]'"
                              " >> \"$(dirname \"$0\")/out\""));
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const int input = ::dup(STDIN_FILENO);
    ::dup2(pipe[0], STDIN_FILENO);
    sigset_t blocked, before;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const auto handler = std::signal(SIGUSR2, SIG_IGN);
    hook.run({true, 1, "sip:a", "AP", "IP"});
    std::signal(SIGUSR2, handler);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::dup2(input, STDIN_FILENO);
    for (const int fd : {input, pipe[0], pipe[1]}) ::close(fd);
    for (int turn = 0; turn < 1000 && file("out").find("SigIgn") == std::string::npos; ++turn)
        io.run_for(milliseconds(20));
    const std::string out = file("out");
    constexpr std::string_view kStart = "/dev/null\nSigBlk:0000000000000000SigIgn:";
    ASSERT_TRUE(out.starts_with(kStart)) << out;
    // libc keeps two signals of its own above these.
    EXPECT_EQ(std::stoull(out.substr(kStart.size()), nullptr, 16) & 0x7fffffff, 0U) << out;
}

TEST_F(EventHookTest, WithoutACommandDoesNothing) {
    EventHook hook(io, "");
    hook.run({true, 1, "sip:a", "AP", "IP"});
    EXPECT_EQ(hook.stats().started + hook.stats().failed + hook.stats().dropped, 0U);
    EXPECT_EQ(io.run(), 0U);
}

}  // namespace
}  // namespace lb::cp
