// The prober with many destinations on the real clock and real sockets of the loopback interface,
// half of them dead: how evenly it sends, how far starts drift, what it costs in CPU and memory.
//
//   prober_bench [DESTINATIONS [INTERVAL_SECONDS [RUN_SECONDS]]]      default 20000 30 95
//
// The living are one socket on 127.0.0.1 that answers 200; the dead one that reads and says
// nothing.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "probe/scheduler.h"

namespace {

using namespace lb;
using namespace lb::probe;

Micros now_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

class Socket {
public:
    Socket() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
        const int size = 8 << 20;
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof(address);
        if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) != 0) std::abort();
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
        port_ = ntohs(address.sin_port);
    }
    ~Socket() { ::close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    Endpoint local() const { return {*IpAddress::parse("127.0.0.1"), port_}; }
    bool send(std::uint16_t port, std::string_view payload) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return ::sendto(fd_, payload.data(), payload.size(), 0, reinterpret_cast<sockaddr*>(&to),
                        sizeof(to)) >= 0;
    }
    bool receive(std::string& payload) {
        char bytes[4096];
        const ssize_t got = ::recv(fd_, bytes, sizeof(bytes), 0);
        if (got < 0) return false;
        payload.assign(bytes, static_cast<std::size_t>(got));
        return true;
    }

private:
    int fd_;
    std::uint16_t port_ = 0;
};

// A 200 by the headers' order of our own pings.
std::string reply_to(const std::string& ping) {
    const std::size_t via = ping.find("\r\n"), rest = ping.find("Max-Forwards");
    return "SIP/2.0 200 OK" + ping.substr(via, rest - via) + "Content-Length: 0\r\n\r\n";
}

struct Bench final : Targets, Output {
    Socket ours, alive, dead;
    std::vector<std::string> uris;
    std::vector<Micros> started;
    std::map<Micros, int> sends;  // by tenth of a second
    Micros interval = 0, now = 0, begin = 0, worst_drift = 0;
    std::uint64_t verdicts[2] = {0, 0};

    bool find(TargetId id, Target& target) override {
        target.remote = (id % 2 != 0 ? alive : dead).local();
        target.local = ours.local();
        target.uri = uris[id];
        return true;
    }
    bool send(const Endpoint&, const Endpoint& remote, std::string_view message) override {
        ++sends[(now - begin) / (100 * kMillisecond)];
        // "OPTIONS sip:NUMBER@..."
        const auto id = static_cast<std::size_t>(std::strtoul(message.data() + 12, nullptr, 10));
        if (remote.port == alive.local().port) {  // never resent on a loopback that loses nothing
            if (started[id] != 0) {
                worst_drift = std::max(worst_drift, std::abs(now - started[id] - interval));
            }
            started[id] = now;
        }
        return ours.send(remote.port, message);
    }
    void verdict(const Verdict& verdict) override {
        ++verdicts[verdict.outcome == ProbeOutcome::kSuccess ? 1 : 0];
    }
};

long number(int count, char** words, int index, long otherwise) {
    return count > index ? std::strtol(words[index], nullptr, 10) : otherwise;
}

}  // namespace

int main(int count, char** words) {
    const long destinations = std::clamp(number(count, words, 1, 20000), 1L, 1000000L);
    const long seconds = std::clamp(number(count, words, 3, 95), 1L, 600L);
    Bench bench;
    bench.interval = std::clamp(number(count, words, 2, 30), 1L, 600L) * kSecond;
    std::vector<TargetId> ids;
    for (long id = 0; id < destinations; ++id) {
        ids.push_back(static_cast<TargetId>(id));
        bench.uris.push_back("sip:" + std::to_string(id) + "@127.0.0.1");
    }
    bench.started.resize(ids.size());
    SchedulerOptions options;
    options.interval = bench.interval;
    options.mode = Mode::kAll;
    bench.begin = now_us();
    Scheduler scheduler(options, Secret::derive(as_bytes("a secret of the bench")), 1, bench.begin);
    scheduler.set_targets(ids, bench.begin);

    std::string payload;
    while ((bench.now = now_us()) < bench.begin + seconds * kSecond) {
        scheduler.on_time(bench.now, bench, bench);
        while (bench.dead.receive(payload)) continue;
        while (bench.alive.receive(payload))
            bench.ours.send(bench.ours.local().port, reply_to(payload));
        while (bench.ours.receive(payload)) {
            scheduler.on_datagram(bench.alive.local(), payload, now_us(), bench);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }

    int most = 0;
    for (const auto& [slice, sent] : bench.sends) most = std::max(most, sent);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto cpu = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    const SchedulerStats& stats = scheduler.stats();
    std::printf("destinations %ld, half dead, interval %ld s, run %ld s\n", destinations,
                static_cast<long>(bench.interval / kSecond), seconds);
    std::printf("started %lu, resent %lu, accepted %lu, timed out %lu, not sent %lu, late %lu\n",
                stats.started, stats.resent, stats.accepted, stats.timed_out, stats.not_sent,
                stats.late);
    std::printf("most sends in 100 ms %d, worst start off its interval %.1f ms\n", most,
                static_cast<double>(bench.worst_drift) / 1000);
    std::printf("in flight %zu, prober memory %.1f MB, CPU %.1f %% of one core (%.1f %% user)\n",
                scheduler.in_flight(), static_cast<double>(scheduler.memory_bytes()) / 1e6,
                100 * (cpu(usage.ru_utime) + cpu(usage.ru_stime)) / static_cast<double>(seconds),
                100 * cpu(usage.ru_utime) / static_cast<double>(seconds));
    return stats.accepted > 0 && stats.not_sent == 0 ? 0 : 1;
}
