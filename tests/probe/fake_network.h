#pragma once

// Destinations, clock and wire for tests of the prober: nothing here is real, everything is written
// down.

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "probe/scheduler.h"

namespace lb::test {

using probe::Micros;

struct FakeTarget {
    std::uint32_t flags = 0;
    Endpoint local, remote;
    std::string uri, from;
    bool wait = false;
};

struct FakeTargets final : probe::Targets {
    std::map<probe::TargetId, FakeTarget> all;

    bool find(probe::TargetId id, probe::Target& target) override {
        const auto found = all.find(id);
        if (found == all.end()) return false;
        const FakeTarget& fake = found->second;
        target = {fake.flags, fake.local, fake.remote, fake.wait, fake.uri, fake.from};
        return true;
    }
};

struct SentPing {
    Micros at = 0;
    Endpoint local, remote;
    std::string message;
};

struct FakeWire final : probe::Output {
    Micros now = 0;
    bool refuse = false;
    std::vector<SentPing> sent;
    std::vector<std::pair<Micros, probe::Verdict>> verdicts;
    std::function<void(const SentPing&)> on_sent;
    std::function<void(const probe::Verdict&)> on_verdict;

    bool send(const Endpoint& local, const Endpoint& remote, std::string_view message) override {
        if (refuse) return false;
        sent.push_back({now, local, remote, std::string(message)});
        if (on_sent) on_sent(sent.back());
        return true;
    }
    void verdict(const probe::Verdict& verdict) override {
        verdicts.emplace_back(now, verdict);
        if (on_verdict) on_verdict(verdict);
    }
};

// The first line that begins with `name`, without it and its line end.
inline std::string line_of(const std::string& message, const std::string& name) {
    const std::size_t at = message.find("\r\n" + name);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + 2 + name.size();
    return message.substr(begin, message.find("\r\n", begin) - begin);
}

// A user agent's reply to a ping.
inline std::string reply_to(const std::string& ping, const std::string& status) {
    return "SIP/2.0 " + status + "\r\nVia: " + line_of(ping, "Via: ") +
           "\r\nFrom: " + line_of(ping, "From: ") + "\r\nTo: " + line_of(ping, "To: ") +
           ";tag=ua\r\nCall-ID: " + line_of(ping, "Call-ID: ") +
           "\r\nCSeq: " + line_of(ping, "CSeq: ") + "\r\nContent-Length: 0\r\n\r\n";
}

}  // namespace lb::test
