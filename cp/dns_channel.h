#pragma once

// A c-ares channel on an Asio loop: watches its sockets and its clock. Internal to cp/dns.
//
// Threads: the io_context's.

#include <ares.h>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>

#include "cp/dns.h"

namespace lb::cp {

class DnsChannel {
public:
    // Reads the name servers of the system now, and never again.
    DnsChannel(asio::io_context& io, const DnsOptions& options);
    ~DnsChannel();  // every question under way is answered ARES_EDESTRUCTION
    DnsChannel(const DnsChannel&) = delete;
    DnsChannel& operator=(const DnsChannel&) = delete;

    ares_channel get() const noexcept { return channel_; }  // null: could not be made
    // After questions were asked: sets the clock.
    void arm();
    // Serves only this channel until `done` holds or `deadline` has passed.
    template <class Done>
    void run_until(Done done, std::chrono::steady_clock::time_point deadline) {
        while (!done() && std::chrono::steady_clock::now() < deadline) poll_once(deadline);
    }

private:
    struct Watch {
        asio::posix::stream_descriptor descriptor;
        bool read = false, write = false;       // wanted
        bool reading = false, writing = false;  // waited for
    };

    static void on_socket(void* self, ares_socket_t socket, int read, int write);
    void watch(ares_socket_t socket, bool read, bool write);
    void wait(ares_socket_t socket);
    void poll_once(std::chrono::steady_clock::time_point deadline);
    void process(ares_socket_t read, ares_socket_t write);

    asio::io_context& io_;
    asio::steady_timer timer_;
    std::shared_ptr<char> life_ = std::make_shared<char>();
    std::map<ares_socket_t, std::shared_ptr<Watch>> watches_;
    ares_channel channel_ = nullptr;
};

}  // namespace lb::cp
