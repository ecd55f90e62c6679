#pragma once

// The RPC servers in this process, with a real Dispatcher behind a small Control: the table is an
// SQLite file that the test changes with sqlite3, time for reload_delta is what the test says.
//
// The servers run on a thread of their own; the test is their client.

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "cp/control.h"
#include "cp/dispatcher.h"
#include "cp/rpc/socket.h"

namespace lb::test {

// A folder that is gone when the test is.
class ScratchFolder {
public:
    explicit ScratchFolder(const std::string& name);
    ~ScratchFolder();
    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

struct LabOptions {
    cp::DispatcherOptions dispatcher;
    std::int64_t reload_delta = 0;

    // The module parameters of a recorded session.
    static LabOptions from_modparams(const std::filesystem::path& file);
};

class RpcLab {
public:
    // `rows`: a file of insert statements; may be missing.
    RpcLab(const LabOptions& options, const std::filesystem::path& rows,
           const std::string& extra_sql = {}, const std::string& replies_in = {});
    ~RpcLab();

    void sql(const std::string& statements);  // on the table's file
    void advance(double seconds);             // the clock of reload_delta
    // What a transcript did before a command: "sleep 6.1; sql UPDATE ...".
    void prepare(std::string before);

    // Names of the sockets: all four BINRPC transports and both of JSON-RPC.
    std::string unix_path() const;
    std::string unixd_path() const;
    std::uint16_t tcp_port() const noexcept;
    std::uint16_t udp_port() const noexcept;
    std::string json_path() const;
    std::string fifo_path() const;
    std::string reply_dir() const;
    const std::filesystem::path& folder() const noexcept;

    // Counters that siplane.stats shows.
    void set_stats(cp::Stats stats);

    // A second set of JSON sockets with the compact form.
    std::string compact_json_path() const;
    std::string compact_fifo_path() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Reads what a descriptor gives within the time; "" if nothing came.
std::string read_for(int fd, int milliseconds);
// One whole BINRPC packet of a stream or of datagrams.
std::string read_packet(int fd, int milliseconds);

}  // namespace lb::test
