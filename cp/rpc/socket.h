#pragma once

// Names of control sockets as kamcmd takes them, and the sockets themselves.
//
// Errors: sentences that name the socket and what the system said.
// Source: spec/binrpc.md 1.

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "dp/base/result.h"

namespace lb::rpc {

// Owns one file descriptor.
class Fd {
public:
    Fd() noexcept = default;
    explicit Fd(int fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept {
        reset(other.release());
        return *this;
    }
    ~Fd() { reset(-1); }

    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }
    explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    void reset(int fd) noexcept;
    int fd_ = -1;
};

inline constexpr std::uint16_t kDefaultPort = 2049;

struct SocketName {
    enum class Kind : std::uint8_t { kUnixStream, kUnixDatagram, kTcp, kUdp, kFifo };
    Kind kind = Kind::kUnixStream;
    std::string path;  // unix, FIFO
    std::string host;  // TCP, UDP: address or name, without brackets
    std::uint16_t port = kDefaultPort;

    bool is_path() const noexcept { return kind != Kind::kTcp && kind != Kind::kUdp; }
    bool is_stream() const noexcept { return kind == Kind::kUnixStream || kind == Kind::kTcp; }
    std::string_view transport() const noexcept;  // as ctl.listen calls it
};

// "unix:PATH", "unixs:PATH", "unixd:PATH", "tcp:HOST[:PORT]", "udp:HOST[:PORT]", "fifo:PATH", a
// bare path (unix stream), HOST:PORT (UDP).
Result<SocketName> parse_socket_name(std::string_view text);

// A socket address of any family, as the system calls want it.
struct SystemAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
    bool is_loopback() const noexcept;  // false for other families than IPv4 and IPv6
    // Address and port as text; unix: path and nothing, or "<anonymous unix socket>".
    std::pair<std::string, std::string> texts() const;
};

Result<SystemAddress> resolve(const SocketName& name);

// Who may use a socket or FIFO in the file system.
struct FileRights {
    std::uint32_t mode = 0600;
    std::string owner, group;  // name or number; empty: unchanged
};

// Bound (and listening, for streams), non-blocking. A socket file that nobody listens on any more
// is replaced; one that answers is an error. The folder is made where it is missing (not those
// above it), with the owner and group of `rights` and open to those who may use the socket.
Result<Fd> open_server(const SocketName& name, const FileRights& rights);
// Creates the FIFO if it is missing and opens it for reading and writing, non-blocking. Its folder:
// as open_server().
Result<Fd> open_fifo(const std::string& path, const FileRights& rights);
// Connected. Blocking, with the given limit on each later read and write. A unix datagram socket is
// bound to a name of its own first, put into `own_path`, for the caller to remove.
Result<Fd> connect_to(const SocketName& name, int timeout_seconds, std::string& own_path);

}  // namespace lb::rpc
