#include "cp/rpc/client.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "cp/rpc/binrpc.h"

namespace lb::rpc {

Client::Client(Fd socket, std::string own_path, std::string address)
    : socket_(std::move(socket)),
      own_path_(std::move(own_path)),
      address_(std::move(address)),
      cookie_(static_cast<std::uint32_t>(std::random_device{}())) {}

Client::~Client() {
    if (socket_ && !own_path_.empty()) ::unlink(own_path_.c_str());
}

Result<Client> Client::connect(std::string_view address, int timeout_seconds) {
    const Result<SocketName> name = parse_socket_name(address);
    if (!name) return failed(name.error());
    if (name->kind == SocketName::Kind::kFifo) {
        return failed(Errc::kInvalid, std::string(address) + ": a FIFO does not speak BINRPC");
    }
    std::string own_path;
    Result<Fd> socket = connect_to(*name, timeout_seconds, own_path);
    if (!socket) {
        if (!own_path.empty()) ::unlink(own_path.c_str());
        return failed(std::move(socket).error());
    }
    return Client(std::move(*socket), std::move(own_path), std::string(address));
}

Error Client::failure(const char* what) const {
    const bool late = errno == EAGAIN || errno == EWOULDBLOCK;
    return {Errc::kUnavailable,
            address_ + ": " + what + ": " + (late ? "no answer in time" : std::strerror(errno))};
}

Result<std::string> Client::read_packet() {
    std::string packet;
    std::string buffer(256 * 1024, '\0');  // a datagram must fit whole
    Header header;
    for (;;) {
        const Defect defect = parse_header(as_bytes(packet), header);
        if (defect == Defect::kCorrupted || (defect == Defect::kNone && header.body > kReplyMax)) {
            return failed(Errc::kInvalid, address_ + ": the answer is not BINRPC");
        }
        if (defect == Defect::kNone && packet.size() >= header.size + header.body) {
            return packet;
        }
        const ssize_t got = ::read(socket_.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failed(failure("read"));
        if (got == 0) {
            return failed(Errc::kUnavailable, address_ + ": connection closed before the reply");
        }
        packet.append(buffer, 0, static_cast<std::size_t>(got));
    }
}

Result<Reply> Client::call(std::string_view method, const std::vector<Value>& params) {
    const std::string request = write_request(++cookie_, method, params);
    std::size_t sent = 0;
    while (sent < request.size()) {
        const ssize_t done =
            ::send(socket_.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return failed(failure("write"));
        sent += static_cast<std::size_t>(done);
    }
    const Result<std::string> packet = read_packet();
    if (!packet) return failed(packet.error());
    Header header;
    (void)parse_header(as_bytes(*packet), header);
    if (header.cookie != cookie_) {
        return failed(Errc::kInvalid, address_ + ": an answer to another question");
    }
    const ConstBytes body = as_bytes(*packet).subspan(header.size, header.body);
    Reply reply;
    if (header.type == PacketType::kFault) {
        Result<Fault> fault = parse_fault(body);
        if (!fault) return failed(std::move(fault).error());
        reply.fault = std::move(*fault);
        return reply;
    }
    Result<std::vector<Value>> values = parse_values(body);
    if (!values) return failed(std::move(values).error());
    reply.values = std::move(*values);
    return reply;
}

}  // namespace lb::rpc
