#include "cp/rpc/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>

namespace lb::rpc {
namespace {

std::string shown(const SocketName& name) {
    return name.is_path() ? name.path : name.host + ":" + std::to_string(name.port);
}

tl::unexpected<Error> system_failure(const SocketName& name, const char* what) {
    return failed(Errc::kUnavailable, std::string(name.transport()) + " socket " + shown(name) +
                                          ": " + what + ": " + std::strerror(errno));
}

bool parse_number(std::string_view text, std::uint32_t& out) noexcept {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

// "host", "host:port", "[address]", "[address]:port".
bool split_host(std::string_view text, SocketName& name) {
    std::string_view rest;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return false;
        name.host = text.substr(1, close - 1);
        rest = text.substr(close + 1);
    } else {
        const std::size_t colon = text.find(':');
        name.host = text.substr(0, colon);
        rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
    }
    if (name.host.empty()) return false;
    if (rest.empty()) return true;
    std::uint32_t port = 0;
    if (rest[0] != ':' || !parse_number(rest.substr(1), port) || port == 0 || port > 65535) {
        return false;
    }
    name.port = static_cast<std::uint16_t>(port);
    return true;
}

Result<SystemAddress> unix_address(const SocketName& name) {
    SystemAddress out;
    sockaddr_un address{};
    if (name.path.empty() || name.path.size() >= sizeof address.sun_path) {
        return failed(Errc::kInvalid, "socket path '" + name.path + "' is empty or longer than " +
                                          std::to_string(sizeof address.sun_path - 1) +
                                          " characters");
    }
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.path.data(), name.path.size());
    std::memcpy(&out.storage, &address, sizeof address);
    out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.path.size() + 1);
    return out;
}

int socket_type(const SocketName& name) noexcept {
    return name.is_stream() ? SOCK_STREAM : SOCK_DGRAM;
}

// The file at the socket's path is a socket that nobody serves any more.
bool is_stale(const SocketName& name, const SystemAddress& address) {
    struct stat file {};
    if (lstat(name.path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
    const Fd probe(::socket(AF_UNIX, socket_type(name) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    return probe && ::connect(probe.get(), address.get(), address.size) != 0 &&
           errno == ECONNREFUSED;
}

template <class Entry, class Lookup>
bool lookup_id(const std::string& text, std::uint32_t& id, Lookup lookup) {
    if (parse_number(text, id)) return true;
    std::array<char, 16384> buffer;
    Entry entry{};
    Entry* found = nullptr;
    if (lookup(text.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found) {
        return false;
    }
    if constexpr (std::is_same_v<Entry, passwd>) {
        id = entry.pw_uid;
    } else {
        id = entry.gr_gid;
    }
    return true;
}

Status set_rights(const std::string& path, const FileRights& rights) {
    constexpr std::uint32_t kUnchanged = ~0u;
    std::uint32_t user = kUnchanged;
    std::uint32_t group = kUnchanged;
    if (!rights.owner.empty() && !lookup_id<passwd>(rights.owner, user, getpwnam_r)) {
        return failed(Errc::kInvalid, path + ": no user '" + rights.owner + "'");
    }
    if (!rights.group.empty() && !lookup_id<::group>(rights.group, group, getgrnam_r)) {
        return failed(Errc::kInvalid, path + ": no group '" + rights.group + "'");
    }
    if (::lchown(path.c_str(), user, group) != 0 || ::chmod(path.c_str(), rights.mode) != 0) {
        return failed(Errc::kUnavailable,
                      path + ": cannot set owner and mode: " + std::strerror(errno));
    }
    return {};
}

// No moment in which the file is open to more than `mode`.
template <class Create>
int create_with_mode(std::uint32_t mode, Create create) {
    const mode_t before = ::umask(static_cast<mode_t>(0777 & ~mode));
    const int result = create();
    ::umask(before);
    return result;
}

// The mode of a folder for a socket of `mode`: who may write to the socket gets to it. The group
// may make files there, as in the folder that Kamailio's unit has (RuntimeDirectoryMode=0770):
// kamcli puts the socket for its replies there.
std::uint32_t folder_mode(std::uint32_t mode) noexcept {
    const std::uint32_t group = (mode & S_IWGRP) != 0 ? S_IRWXG : 0;
    const std::uint32_t others = (mode & S_IWOTH) != 0 ? S_IROTH | S_IXOTH : 0;
    return S_IRWXU | group | others;
}

// The folder of Kamailio's sockets is gone while Kamailio is stopped.
Status make_folder(const SocketName& name, const FileRights& rights) {
    const std::string folder = std::filesystem::path(name.path).parent_path();
    if (folder.empty()) return {};
    const std::uint32_t mode = folder_mode(rights.mode);
    const int made = create_with_mode(mode, [&] { return ::mkdir(folder.c_str(), mode); });
    if (made == 0) return set_rights(folder, {mode, rights.owner, rights.group});
    if (errno == EEXIST) return {};
    return system_failure(name, ("no folder " + folder + ", and none can be made").c_str());
}

Status bind_path(const Fd& socket, const SocketName& name, const SystemAddress& address,
                 const FileRights& rights) {
    if (Status folder = make_folder(name, rights); !folder) return folder;
    if (is_stale(name, address)) ::unlink(name.path.c_str());
    const int bound = create_with_mode(
        rights.mode, [&] { return ::bind(socket.get(), address.get(), address.size); });
    if (bound != 0) return system_failure(name, "bind");
    return set_rights(name.path, rights);
}

Status bind_port(const Fd& socket, const SocketName& name, const SystemAddress& address) {
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), address.get(), address.size) != 0) {
        return system_failure(name, "bind");
    }
    return {};
}

Status bind_own_name(const Fd& socket, std::string& own_path) {
    std::random_device random;
    SocketName own;
    own.kind = SocketName::Kind::kUnixDatagram;
    own.path = "/tmp/siplanectl_" + std::to_string(::getpid()) + "_" + std::to_string(random());
    const Result<SystemAddress> address = unix_address(own);
    if (!address) return failed(address.error());
    const int bound =
        create_with_mode(0600, [&] { return ::bind(socket.get(), address->get(), address->size); });
    if (bound != 0) return system_failure(own, "bind");
    own_path = own.path;
    return {};
}

}  // namespace

void Fd::reset(int fd) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

std::string_view SocketName::transport() const noexcept {
    switch (kind) {
        case Kind::kUnixStream:
            return "unix_stream";
        case Kind::kUnixDatagram:
            return "unix_dgram";
        case Kind::kTcp:
            return "tcp";
        case Kind::kUdp:
            return "udp";
        case Kind::kFifo:
            return "fifo";
    }
    return "unknown";
}

Result<SocketName> parse_socket_name(std::string_view text) {
    struct Prefix {
        std::string_view text;
        SocketName::Kind kind;
    };
    static constexpr Prefix kPrefixes[] = {{"unix:", SocketName::Kind::kUnixStream},
                                           {"unixs:", SocketName::Kind::kUnixStream},
                                           {"unixd:", SocketName::Kind::kUnixDatagram},
                                           {"fifo:", SocketName::Kind::kFifo},
                                           {"tcp:", SocketName::Kind::kTcp},
                                           {"udp:", SocketName::Kind::kUdp}};
    SocketName name;
    std::string_view rest = text;
    bool prefixed = false;
    for (const Prefix& prefix : kPrefixes) {
        if (!text.starts_with(prefix.text)) continue;
        name.kind = prefix.kind;
        rest = text.substr(prefix.text.size());
        prefixed = true;
    }
    if (!prefixed && text.find('/') == std::string_view::npos &&
        text.find(':') != std::string_view::npos) {
        name.kind = SocketName::Kind::kUdp;
    }
    if (name.is_path()) {
        name.path = rest;
        if (!rest.empty()) return name;
    } else if (split_host(rest, name)) {
        return name;
    }
    std::string sentence(1, '\'');
    sentence.append(text).append(
        "' is no control socket: use unix:PATH, unixd:PATH, tcp:HOST[:PORT] or udp:HOST[:PORT]");
    return failed(Errc::kInvalid, std::move(sentence));
}

bool SystemAddress::is_loopback() const noexcept {
    if (storage.ss_family == AF_INET) {
        const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(&storage);
        return (ntohl(ipv4->sin_addr.s_addr) >> 24) == 127;
    }
    if (storage.ss_family == AF_INET6) {
        return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr);
    }
    return false;
}

std::pair<std::string, std::string> SystemAddress::texts() const {
    if (storage.ss_family == AF_UNIX) {
        const auto* address = reinterpret_cast<const sockaddr_un*>(&storage);
        constexpr std::size_t kPath = offsetof(sockaddr_un, sun_path);
        if (size <= kPath || address->sun_path[0] == '\0') return {"<anonymous unix socket>", ""};
        return {std::string(address->sun_path, strnlen(address->sun_path, size - kPath)), ""};
    }
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    if (::getnameinfo(get(), size, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return {"unknown", ""};
    }
    return {host, port};
}

Result<SystemAddress> resolve(const SocketName& name) {
    if (name.is_path()) return unix_address(name);
    addrinfo hints{};
    hints.ai_socktype = socket_type(name);
    addrinfo* found = nullptr;
    const int error =
        ::getaddrinfo(name.host.c_str(), std::to_string(name.port).c_str(), &hints, &found);
    if (error != 0) {
        return failed(Errc::kUnavailable, shown(name) + ": " + gai_strerror(error));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    SystemAddress out;
    std::memcpy(&out.storage, found->ai_addr, found->ai_addrlen);
    out.size = found->ai_addrlen;
    return out;
}

Result<Fd> open_server(const SocketName& name, const FileRights& rights) {
    const Result<SystemAddress> address = resolve(name);
    if (!address) return failed(address.error());
    Fd socket(
        ::socket(address->storage.ss_family, socket_type(name) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return system_failure(name, "socket");
    const Status bound = name.is_path() ? bind_path(socket, name, *address, rights)
                                        : bind_port(socket, name, *address);
    if (!bound) return failed(bound.error());
    constexpr int kBacklog = 128;
    if (name.is_stream() && ::listen(socket.get(), kBacklog) != 0) {
        return system_failure(name, "listen");
    }
    return socket;
}

Result<Fd> open_fifo(const std::string& path, const FileRights& rights) {
    SocketName name;
    name.kind = SocketName::Kind::kFifo;
    name.path = path;
    if (Status folder = make_folder(name, rights); !folder) return failed(folder.error());
    const int made =
        create_with_mode(rights.mode, [&] { return ::mkfifo(path.c_str(), rights.mode); });
    if (made != 0 && errno != EEXIST) return system_failure(name, "mkfifo");
    Fd fifo(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!fifo) return system_failure(name, "open");
    struct stat file {};
    if (::fstat(fifo.get(), &file) != 0 || !S_ISFIFO(file.st_mode)) {
        return failed(Errc::kInvalid, path + " exists and is not a FIFO");
    }
    const Status allowed = set_rights(path, rights);
    if (!allowed) return failed(allowed.error());
    return fifo;
}

Result<Fd> connect_to(const SocketName& name, int timeout_seconds, std::string& own_path) {
    const Result<SystemAddress> address = resolve(name);
    if (!address) return failed(address.error());
    Fd socket(::socket(address->storage.ss_family, socket_type(name) | SOCK_CLOEXEC, 0));
    if (!socket) return system_failure(name, "socket");
    const timeval limit{.tv_sec = timeout_seconds, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (name.kind == SocketName::Kind::kUnixDatagram) {
        const Status bound = bind_own_name(socket, own_path);
        if (!bound) return failed(bound.error());
    }
    if (::connect(socket.get(), address->get(), address->size) != 0) {
        return system_failure(name, "connect");
    }
    return socket;
}

}  // namespace lb::rpc
