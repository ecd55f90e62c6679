#include "cp/rpc/jsonrpc_server.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <vector>

#include "cp/rpc/jsonrpc.h"

namespace lb::rpc {
namespace {

using Descriptor = asio::posix::stream_descriptor;
constexpr int kPerTurn = 16;
constexpr auto kReplyPause = std::chrono::milliseconds(80);
constexpr int kSendBuffer = 4 * 1024 * 1024;  // one reply is one datagram

struct Source {
    Source(asio::io_context& io, SocketName source_name, Fd fd)
        : name(std::move(source_name)), descriptor(io, fd.release()), impatience(io) {}
    SocketName name;
    Descriptor descriptor;
    asio::steady_timer impatience;  // FIFO: a request has begun and not ended
    std::string input;
};

// One reply on its way into a client's FIFO.
struct FifoReply {
    FifoReply(asio::io_context& io, std::string reply_path, std::string reply_text)
        : path(std::move(reply_path)), text(std::move(reply_text)), descriptor(io), timer(io) {}
    std::string path;
    std::string text;
    std::size_t sent = 0;
    int tries = 0;
    Descriptor descriptor;
    asio::steady_timer timer;
};

// A plain file name in the reply directory, or the client could make us write elsewhere.
bool is_safe_name(const std::string& name) noexcept {
    return !name.empty() && name.size() <= 255 && name.find_first_of("./\\") == std::string::npos &&
           name.find('\0') == std::string::npos;
}

// A FIFO and nothing else: no link of either kind.
bool is_plain_fifo(int fd) noexcept {
    struct stat file {};
    return ::fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode) && file.st_nlink == 1;
}

}  // namespace

struct JsonrpcServer::Impl : std::enable_shared_from_this<Impl> {
    using SourcePtr = std::shared_ptr<Source>;
    using ReplyPtr = std::shared_ptr<FifoReply>;

    Impl(asio::io_context& context, cp::Control& the_control, const SocketDirectory& directory,
         std::string replies_in, JsonStyle json_style)
        : io(context),
          control(the_control),
          sockets(directory),
          reply_dir(std::move(replies_in)),
          style(json_style) {}

    void wait(const SourcePtr& source) {
        source->descriptor.async_wait(Descriptor::wait_read,
                                      [self = shared_from_this(), source](std::error_code error) {
                                          if (error || self->stopped) return;
                                          if (source->name.kind == SocketName::Kind::kFifo) {
                                              self->read_fifo(source);
                                          } else {
                                              self->receive(*source);
                                          }
                                          self->wait(source);
                                      });
    }

    void receive(Source& source) {
        for (int i = 0; i < kPerTurn; ++i) {
            SystemAddress peer;
            peer.size = sizeof peer.storage;
            const ssize_t got = ::recvfrom(source.descriptor.native_handle(), scratch.data(),
                                           kJsonDatagramMax, 0, peer.get(), &peer.size);
            if (got < 0) return;
            const auto request =
                parse_json_request({scratch.data(), static_cast<std::size_t>(got)});
            if (!request) continue;
            Context context{control, sockets};
            const std::string reply = answer_json(context, *request, style);
            const ssize_t sent =
                ::sendto(source.descriptor.native_handle(), reply.data(), reply.size(),
                         MSG_NOSIGNAL | MSG_DONTWAIT, peer.get(), peer.size);
            (void)sent;  // gone, not reading, or too small a buffer: as datagrams are
        }
    }

    void read_fifo(const SourcePtr& source) {
        const ssize_t got =
            ::read(source->descriptor.native_handle(), scratch.data(), scratch.size());
        if (got <= 0) return;
        std::string& input = source->input;
        input.append(scratch.data(), static_cast<std::size_t>(got));
        for (;;) {
            const std::size_t blank = std::min(input.find_first_not_of(" \t\r\n"), input.size());
            input.erase(0, blank);
            const std::size_t length = first_document(input);
            if (length == 0) break;
            if (length <= kFifoRequestMax) answer_fifo(std::string_view(input).substr(0, length));
            input.erase(0, length);
        }
        if (input.size() > kFifoRequestMax) input.clear();
        watch_part(source);
    }

    void watch_part(const SourcePtr& source) {
        source->impatience.cancel();
        if (source->input.empty()) return;
        source->impatience.expires_after(std::chrono::seconds(kPartSeconds));
        source->impatience.async_wait([source](std::error_code error) {
            if (!error) source->input.clear();
        });
    }

    void answer_fifo(std::string_view document) {
        const auto request = parse_json_request(document);
        if (!request) return;
        Context context{control, sockets};
        std::string text = answer_json(context, *request, style);
        if (!request->reply_name || !is_safe_name(*request->reply_name)) return;
        if (replies.size() >= kRepliesMax) return;
        auto reply = std::make_shared<FifoReply>(io, reply_dir + "/" + *request->reply_name,
                                                 std::move(text));
        replies.push_back(reply);
        open_reply(reply);
    }

    // The client opens its end in its own time: try again while nobody reads.
    void open_reply(const ReplyPtr& reply) {
        Fd fd(::open(reply->path.c_str(), O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
        if (fd) {
            if (!is_plain_fifo(fd.get())) return finish(reply);
            reply->descriptor.assign(fd.release());
            limit_time(reply);
            return write_reply(reply);
        }
        if (++reply->tries >= kReplyTries) return finish(reply);
        reply->timer.expires_after(kReplyPause);
        reply->timer.async_wait([self = shared_from_this(), reply](std::error_code error) {
            if (!error && !self->stopped) self->open_reply(reply);
        });
    }

    void limit_time(const ReplyPtr& reply) {
        reply->timer.expires_after(std::chrono::seconds(kReplySeconds));
        reply->timer.async_wait([self = shared_from_this(), reply](std::error_code error) {
            if (!error && !self->stopped) self->finish(reply);
        });
    }

    void write_reply(const ReplyPtr& reply) {
        while (reply->sent < reply->text.size()) {
            const ssize_t wrote =
                ::write(reply->descriptor.native_handle(), reply->text.data() + reply->sent,
                        reply->text.size() - reply->sent);
            if (wrote < 0 && errno == EAGAIN) return wait_writable(reply);
            if (wrote < 0) break;
            reply->sent += static_cast<std::size_t>(wrote);
        }
        finish(reply);
    }

    void wait_writable(const ReplyPtr& reply) {
        reply->descriptor.async_wait(Descriptor::wait_write,
                                     [self = shared_from_this(), reply](std::error_code error) {
                                         if (!error && !self->stopped) self->write_reply(reply);
                                     });
    }

    void finish(const ReplyPtr& reply) {
        std::error_code ignored;
        reply->timer.cancel();
        if (reply->descriptor.is_open()) reply->descriptor.close(ignored);
        std::erase(replies, ReplyPtr(reply));
    }

    void stop() {
        stopped = true;
        std::error_code ignored;
        for (const SourcePtr& source : sources) {
            source->descriptor.close(ignored);
            source->impatience.cancel();
            ::unlink(source->name.path.c_str());
        }
        const std::vector<ReplyPtr> all = replies;
        for (const ReplyPtr& reply : all) finish(reply);
    }

    asio::io_context& io;
    cp::Control& control;
    const SocketDirectory& sockets;
    const std::string reply_dir;
    const JsonStyle style;
    bool stopped = false;
    std::vector<SourcePtr> sources;
    std::vector<ReplyPtr> replies;
    std::array<char, kJsonDatagramMax> scratch{};
};

JsonrpcServer::JsonrpcServer(asio::io_context& io, cp::Control& control,
                             const SocketDirectory& sockets, std::string reply_dir, JsonStyle style)
    : impl_(std::make_shared<Impl>(io, control, sockets, std::move(reply_dir), style)) {}

JsonrpcServer::~JsonrpcServer() { impl_->stop(); }

Status JsonrpcServer::listen(const SocketName& name, const FileRights& rights) {
    const bool fifo = name.kind == SocketName::Kind::kFifo;
    if (!fifo && name.kind != SocketName::Kind::kUnixDatagram) {
        return failed(Errc::kInvalid, "JSON-RPC listens on fifo:PATH and unixd:PATH only");
    }
    Result<Fd> fd = fifo ? open_fifo(name.path, rights) : open_server(name, rights);
    if (!fd) return failed(std::move(fd).error());
    if (!fifo) {
        ::setsockopt(fd->get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
        ::setsockopt(fd->get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer);
    }
    auto source = std::make_shared<Source>(impl_->io, name, std::move(*fd));
    impl_->sources.push_back(source);
    impl_->wait(source);
    return {};
}

}  // namespace lb::rpc
