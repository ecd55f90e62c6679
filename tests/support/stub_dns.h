#pragma once

// A DNS server on a loopback port with the records a test gives it, and a count of what was asked.

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace lb::test {

class StubDns {
public:
    static constexpr std::uint16_t kA = 1, kAaaa = 28, kSrv = 33, kNaptr = 35;

    // Port 0: a free one.
    explicit StubDns(const char* address = "127.0.0.1", std::uint16_t port = 0) {
        socket_ = ::socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(port);
        ::inet_pton(AF_INET, address, &at.sin_addr);
        ::bind(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at);
        socklen_t size = sizeof at;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&at), &size);
        port_ = ntohs(at.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~StubDns() {
        stop_ = true;
        thread_.join();
        ::close(socket_);
    }
    StubDns(const StubDns&) = delete;
    StubDns& operator=(const StubDns&) = delete;

    std::uint16_t port() const { return port_; }
    unsigned asked() const { return asked_; }
    void be_silent(bool silent) { silent_ = silent; }

    void a(const std::string& name, const std::string& address, std::uint32_t ttl = 60) {
        std::string data(4, '\0');
        ::inet_pton(AF_INET, address.c_str(), data.data());
        add(name, kA, ttl, data);
    }
    void aaaa(const std::string& name, const std::string& address, std::uint32_t ttl = 60) {
        std::string data(16, '\0');
        ::inet_pton(AF_INET6, address.c_str(), data.data());
        add(name, kAaaa, ttl, data);
    }
    void srv(const std::string& name, std::uint16_t priority, std::uint16_t weight,
             std::uint16_t port, const std::string& target, std::uint32_t ttl = 60) {
        add(name, kSrv, ttl, be16(priority) + be16(weight) + be16(port) + labels(target));
    }
    void naptr(const std::string& name, std::uint16_t order, std::uint16_t preference,
               const std::string& flags, const std::string& service, const std::string& replacement,
               std::uint32_t ttl = 60) {
        add(name, kNaptr, ttl,
            be16(order) + be16(preference) + counted(flags) + counted(service) + counted("") +
                labels(replacement));
    }
    void clear() {
        const std::lock_guard lock(mutex_);
        records_.clear();
    }

private:
    struct Record {
        std::uint32_t ttl;
        std::string data;
    };

    static std::string be16(unsigned n) {
        return {static_cast<char>(n >> 8), static_cast<char>(n & 0xff)};
    }
    static std::string be32(std::uint32_t n) { return be16(n >> 16) + be16(n & 0xffff); }
    static std::string counted(const std::string& text) {
        std::string out(1, static_cast<char>(text.size()));
        out += text;
        return out;
    }
    static std::string labels(const std::string& name) {
        std::string out;
        for (std::size_t at = 0; at < name.size();) {
            const std::size_t dot = std::min(name.find('.', at), name.size());
            out += counted(name.substr(at, dot - at));
            at = dot + 1;
        }
        return out + '\0';
    }
    void add(const std::string& name, std::uint16_t type, std::uint32_t ttl, std::string data) {
        const std::lock_guard lock(mutex_);
        records_[{labels(name), type}].push_back({ttl, std::move(data)});
    }

    void serve() {
        while (!stop_) {
            pollfd wait{socket_, POLLIN, 0};
            if (::poll(&wait, 1, 20) <= 0) continue;
            std::array<char, 1500> query;
            sockaddr_in from{};
            socklen_t size = sizeof from;
            const ssize_t length = ::recvfrom(socket_, query.data(), query.size(), 0,
                                              reinterpret_cast<sockaddr*>(&from), &size);
            if (length < 17) continue;
            ++asked_;
            if (silent_) continue;
            const std::string reply =
                answer(std::string(query.data(), static_cast<std::size_t>(length)));
            ::sendto(socket_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from),
                     size);
        }
    }
    // REQUIRES: one question, as resolvers send.
    std::string answer(const std::string& query) {
        const std::size_t name_end = query.find('\0', 12) + 1;
        std::string name = query.substr(12, name_end - 12);
        for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        const auto type =
            static_cast<std::uint16_t>((static_cast<unsigned char>(query[name_end]) << 8) |
                                       static_cast<unsigned char>(query[name_end + 1]));
        const std::lock_guard lock(mutex_);
        const auto found = records_.find({name, type});
        bool exists = found != records_.end();
        for (const auto& [key, records] : records_) exists |= key.first == name;
        const std::size_t count = found == records_.end() ? 0 : found->second.size();
        std::string reply = query.substr(0, 2) + "\x81" + static_cast<char>(exists ? 0x80 : 0x83) +
                            be16(1) + be16(static_cast<unsigned>(count)) + be32(0) +
                            query.substr(12, name_end + 4 - 12);
        for (std::size_t i = 0; i < count; ++i) {
            const Record& record = found->second[i];
            reply += std::string("\xc0\x0c") + be16(type) + be16(1) + be32(record.ttl) +
                     be16(static_cast<unsigned>(record.data.size())) + record.data;
        }
        return reply;
    }

    int socket_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> stop_{false}, silent_{false};
    std::atomic<unsigned> asked_{0};
    std::mutex mutex_;
    std::map<std::pair<std::string, std::uint16_t>, std::vector<Record>> records_;
    std::thread thread_;
};

}  // namespace lb::test
