#include "cp/rpc/binrpc_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <tuple>

#include "cp/rpc/binrpc.h"
#include "cp/rpc/long_list.h"

namespace lb::rpc {
namespace {

using Clock = std::chrono::steady_clock;
using Descriptor = asio::posix::stream_descriptor;

constexpr int kRequestsPerTurn = 8;
constexpr int kDatagramsPerTurn = 16;
constexpr int kAcceptsPerTurn = 16;
constexpr std::size_t kDatagramMax = 65536;
constexpr std::size_t kReplyPiece = 32 * 1024;  // kamcmd joins the datagrams of one reply
constexpr auto kSweepEvery = std::chrono::seconds(5);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

bool would_block() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK; }

std::string fault_packet(std::uint32_t cookie, std::string_view prefix, Defect defect) {
    return write_reply(cookie, Reply::failed(400, std::string(prefix).append(text(defect))));
}

// One packet taken from the front of some bytes.
struct Answer {
    std::size_t consumed = 0;  // 0: the packet is not complete
    std::string reply;
    bool close = false;              // after the reply: the stream cannot be followed any further
    std::unique_ptr<LongList> list;  // the reply is still to be written
};

// `may_wait`: a long list may be left to be written later.
Answer answer_packet(Context& context, ConstBytes bytes, bool may_wait) {
    Answer out;
    Header header;
    const Defect defect = parse_header(bytes, header);
    if (defect == Defect::kMoreData) return out;
    if (defect != Defect::kNone || header.type != PacketType::kRequest) {
        const std::uint32_t cookie = defect == Defect::kNone ? header.cookie : 0;
        out.reply = fault_packet(cookie, "bad request: ", Defect::kCorrupted);
        out.consumed = bytes.size();
        out.close = true;
        return out;
    }
    if (bytes.size() - header.size < header.body) return out;
    out.consumed = header.size + header.body;
    std::string method;
    Params params;
    const Defect name = parse_request(bytes.subspan(header.size, header.body), method, params);
    if (name != Defect::kNone) {
        out.reply = fault_packet(header.cookie, "bad request method: ", name);
        out.close = true;
        return out;
    }
    if (may_wait) {
        out.list = LongList::begin(context.control.dispatcher(), method, params, header.cookie);
        if (out.list) return out;
    }
    out.reply = write_reply(header.cookie, call(context, method, params));
    return out;
}

// Datagram socket, or one that accepts streams.
struct Listener {
    Listener(asio::io_context& io, SocketName socket_name, Fd fd)
        : name(std::move(socket_name)), descriptor(io, fd.release()), pause(io) {}
    SocketName name;
    SocketInfo info;
    Descriptor descriptor;
    asio::steady_timer pause;
};

struct Connection {
    Connection(asio::io_context& io, Fd fd, SocketInfo socket_info)
        : descriptor(io, fd.release()), info(std::move(socket_info)) {
        accepted = served = progress = Clock::now();
    }
    std::size_t pending() const noexcept { return output.size() - sent; }
    ConstBytes waiting() const noexcept { return as_bytes(input).subspan(taken); }

    Descriptor descriptor;
    SocketInfo info;
    std::string input;
    std::size_t taken = 0;  // of input, by requests already answered
    std::string output;
    std::size_t sent = 0;
    bool ended = false;    // the client sends no more
    bool closing = false;  // nothing more is answered; closed once output is sent
    bool closed = false;
    std::unique_ptr<LongList> list;  // being written; nothing else is answered until it is sent
    Clock::time_point accepted, served, progress;
};

}  // namespace

struct BinrpcServer::Impl : std::enable_shared_from_this<Impl> {
    using ConnectionPtr = std::shared_ptr<Connection>;
    using ListenerPtr = std::shared_ptr<Listener>;

    Impl(asio::io_context& context, cp::Control& the_control, const SocketDirectory& directory)
        : io(context), control(the_control), sweeper(context), sockets(directory) {}

    // Listeners: one pending wait each.
    void wait(const ListenerPtr& listener) {
        listener->descriptor.async_wait(
            Descriptor::wait_read, [self = shared_from_this(), listener](std::error_code error) {
                if (error || self->stopped) return;
                const bool again =
                    listener->name.is_stream() ? self->accept(*listener) : self->receive(*listener);
                again ? self->wait(listener) : self->wait_later(listener);
            });
    }

    // The process is out of descriptors: waiting for readability would spin.
    void wait_later(const ListenerPtr& listener) {
        listener->pause.expires_after(kAcceptPause);
        listener->pause.async_wait([self = shared_from_this(), listener](std::error_code error) {
            if (!error && !self->stopped) self->wait(listener);
        });
    }

    bool accept(Listener& listener) {
        for (int i = 0; i < kAcceptsPerTurn; ++i) {
            SystemAddress peer;
            peer.size = sizeof peer.storage;
            Fd fd(::accept4(listener.descriptor.native_handle(), peer.get(), &peer.size,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (!fd) {
                const bool exhausted =
                    errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
                if (exhausted) evict();
                return !exhausted;
            }
            if (connections.size() >= kConnectionsMax) evict();
            SocketInfo info = listener.info;
            std::tie(info.peer, info.peer_port) = peer.texts();
            auto connection = std::make_shared<Connection>(io, std::move(fd), std::move(info));
            connections.push_back(connection);
            wait_readable(connection);
        }
        return true;
    }

    // The least useful connection: its last whole request is longest ago.
    void evict() {
        const auto oldest = std::min_element(
            connections.begin(), connections.end(),
            [](const ConnectionPtr& a, const ConnectionPtr& b) { return a->served < b->served; });
        if (oldest != connections.end()) close(ConnectionPtr(*oldest));
    }

    bool receive(Listener& listener) {
        for (int i = 0; i < kDatagramsPerTurn; ++i) {
            SystemAddress peer;
            peer.size = sizeof peer.storage;
            const ssize_t got = ::recvfrom(listener.descriptor.native_handle(), scratch.data(),
                                           scratch.size(), 0, peer.get(), &peer.size);
            if (got < 0) return true;
            Context context{control, sockets};
            const Answer answer =
                answer_packet(context, {scratch.data(), static_cast<std::size_t>(got)}, false);
            send_pieces(listener, peer, answer.reply);
        }
        return true;
    }

    // What does not fit the receiver's queue is lost, as datagrams are.
    static void send_pieces(Listener& listener, const SystemAddress& peer, std::string_view reply) {
        while (!reply.empty()) {
            const std::string_view piece = reply.substr(0, kReplyPiece);
            const ssize_t sent =
                ::sendto(listener.descriptor.native_handle(), piece.data(), piece.size(),
                         MSG_NOSIGNAL | MSG_DONTWAIT, peer.get(), peer.size);
            if (sent < 0) return;
            reply.remove_prefix(piece.size());
        }
    }

    // Connections: either reading or writing, never both, so each has one pending wait.
    void wait_readable(const ConnectionPtr& connection) {
        connection->descriptor.async_wait(
            Descriptor::wait_read, [self = shared_from_this(), connection](std::error_code error) {
                if (error || connection->closed || self->stopped) return;
                if (!self->read_some(*connection)) return self->close(connection);
                self->turn(connection);
            });
    }

    void wait_writable(const ConnectionPtr& connection) {
        connection->descriptor.async_wait(
            Descriptor::wait_write, [self = shared_from_this(), connection](std::error_code error) {
                if (error || connection->closed || self->stopped) return;
                self->turn(connection);
            });
    }

    // False: the connection is broken, or the client asks for more than a request may be.
    bool read_some(Connection& connection) {
        connection.input.erase(0, connection.taken);
        connection.taken = 0;
        const std::size_t room = kRequestMax - connection.input.size();
        if (room == 0) return false;
        const ssize_t got = ::recv(connection.descriptor.native_handle(), scratch.data(),
                                   std::min(room, scratch.size()), 0);
        if (got < 0) return would_block() || errno == EINTR;
        if (got == 0) connection.ended = true;
        connection.input.append(reinterpret_cast<const char*>(scratch.data()),
                                static_cast<std::size_t>(got));
        return true;
    }

    // Answers what is there, sends what can be sent, and waits for what is missing.
    void turn(const ConnectionPtr& connection) {
        if (!flush(*connection)) return close(connection);
        const bool busy = connection->pending() > 0;
        const bool more = !busy && answer_some(*connection);
        if (!busy && !flush(*connection)) return close(connection);
        if (connection->pending() > 0) {
            limit_pending(connection);
            if (!connection->closed) wait_writable(connection);
        } else if (more) {
            // Other clients first. A socket that can be written to comes back at once.
            wait_writable(connection);
        } else if (connection->ended || connection->closing) {
            drain(*connection);
            close(connection);
        } else {
            wait_readable(connection);
        }
    }

    // True: requests are left over for the next turn.
    bool answer_some(Connection& connection) {
        Context context{control, sockets};
        for (int i = 0; i < kRequestsPerTurn && !connection.closing; ++i) {
            if (connection.list && !write_list(connection)) return true;
            if (connection.output.size() > kBacklogMax) return true;
            Answer answer = answer_packet(context, connection.waiting(), true);
            if (answer.consumed == 0) return false;
            connection.taken += answer.consumed;
            connection.served = connection.progress = Clock::now();
            connection.closing = answer.close;
            connection.output += answer.reply;
            connection.list = std::move(answer.list);
        }
        if (connection.list) return true;
        return !connection.closing && !connection.waiting().empty();
    }

    // A piece of a long list; true when it is complete. One list at a time, as each takes memory.
    bool write_list(Connection& connection) {
        // Whoever does not read what came before keeps nobody else from his list.
        if (lister == nullptr && connection.pending() == 0) lister = &connection;
        if (lister != &connection) return false;
        if (!connection.list->step(control.dispatcher(), connection.output)) return false;
        connection.list.reset();
        connection.served = connection.progress = Clock::now();
        lister = nullptr;
        return true;
    }

    bool flush(Connection& connection) {
        while (connection.pending() > 0) {
            const ssize_t sent = ::send(connection.descriptor.native_handle(),
                                        connection.output.data() + connection.sent,
                                        connection.pending(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0) return would_block();
            connection.sent += static_cast<std::size_t>(sent);
            connection.progress = Clock::now();
        }
        connection.output = std::string();  // gives the memory of a long list back
        connection.sent = 0;
        return true;
    }

    // Takes what the client sent meanwhile, so that closing does not tear the last reply away.
    void drain(Connection& connection) {
        const ssize_t dropped = ::recv(connection.descriptor.native_handle(), scratch.data(),
                                       scratch.size(), MSG_DONTWAIT);
        (void)dropped;
    }

    // Replies for all clients together stay below kPendingMax: the slowest reader goes first.
    void limit_pending(const ConnectionPtr& newest) {
        std::size_t total = 0;
        ConnectionPtr slowest = newest;
        for (const ConnectionPtr& connection : connections) {
            total += connection->pending();
            if (connection->pending() > 0 && connection->progress < slowest->progress) {
                slowest = connection;
            }
        }
        if (total > kPendingMax) close(slowest);
    }

    void sweep() {
        sweeper.expires_after(kSweepEvery);
        sweeper.async_wait([self = shared_from_this()](std::error_code error) {
            if (error || self->stopped) return;
            const Clock::time_point limit = Clock::now() - std::chrono::seconds(kStallSeconds);
            const std::vector<ConnectionPtr> all = self->connections;
            for (const ConnectionPtr& connection : all) {
                if (connection->pending() > 0 && connection->progress < limit) {
                    self->close(connection);
                }
            }
            self->sweep();
        });
    }

    void close(const ConnectionPtr& connection) {
        if (connection->closed) return;
        connection->closed = true;
        if (lister == connection.get()) lister = nullptr;
        std::error_code ignored;
        connection->descriptor.close(ignored);
        std::erase(connections, connection);
    }

    void stop() {
        stopped = true;
        std::error_code ignored;
        for (const ListenerPtr& listener : listeners) {
            listener->descriptor.close(ignored);
            listener->pause.cancel();
            if (listener->name.is_path()) ::unlink(listener->name.path.c_str());
        }
        const std::vector<ConnectionPtr> all = connections;
        for (const ConnectionPtr& connection : all) close(connection);
        sweeper.cancel();
    }

    asio::io_context& io;
    cp::Control& control;
    asio::steady_timer sweeper;
    const SocketDirectory& sockets;
    bool stopped = false;
    const Connection* lister = nullptr;  // whose long list is being written
    std::vector<ListenerPtr> listeners;
    std::vector<ConnectionPtr> connections;
    std::array<std::uint8_t, kDatagramMax> scratch{};  // read from a socket, used at once
};

BinrpcServer::BinrpcServer(asio::io_context& io, cp::Control& control)
    : impl_(std::make_shared<Impl>(io, control, *this)) {
    impl_->sweep();
}

BinrpcServer::~BinrpcServer() { impl_->stop(); }

Status BinrpcServer::listen(const SocketName& name, const FileRights& rights) {
    Result<Fd> socket = open_server(name, rights);
    if (!socket) return failed(std::move(socket).error());
    SystemAddress local;
    local.size = sizeof local.storage;
    ::getsockname(socket->get(), local.get(), &local.size);  // port 0 has become a port
    auto listener = std::make_shared<Listener>(impl_->io, name, std::move(*socket));
    listener->info.transport = name.transport();
    std::tie(listener->info.local, listener->info.local_port) = local.texts();
    impl_->listeners.push_back(listener);
    impl_->wait(listener);
    return {};
}

std::vector<SocketInfo> BinrpcServer::listeners() const {
    std::vector<SocketInfo> out;
    for (const auto& listener : impl_->listeners) out.push_back(listener->info);
    return out;
}

std::vector<SocketInfo> BinrpcServer::connections() const {
    std::vector<SocketInfo> out;
    for (const auto& connection : impl_->connections) out.push_back(connection->info);
    return out;
}

}  // namespace lb::rpc
