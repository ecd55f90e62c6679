#pragma once

// Asks the daemon over a control socket.
//
// Errors: a sentence that names the socket; kUnavailable: nobody answers, kInvalid: not a BINRPC
// reply.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cp/rpc/socket.h"
#include "cp/rpc/value.h"
#include "dp/base/result.h"

namespace lb::rpc {

inline constexpr const char* kDefaultSocket = "unix:/run/siplane/ctl";
inline constexpr int kDefaultTimeoutSeconds = 30;
inline constexpr std::size_t kReplyMax = 1u << 30;

// Several calls over one connection. Not to be shared by threads.
class Client {
public:
    static Result<Client> connect(std::string_view address, int timeout_seconds);
    Client(Client&&) noexcept = default;
    Client& operator=(Client&&) noexcept = default;
    ~Client();

    // A fault is a Reply, too: only a failure to get one is an error.
    Result<Reply> call(std::string_view method, const std::vector<Value>& params);

private:
    Client(Fd socket, std::string own_path, std::string address);
    Result<std::string> read_packet();
    Error failure(const char* what) const;

    Fd socket_;
    std::string own_path_;  // of a datagram socket, removed at the end
    std::string address_;
    std::uint32_t cookie_;
};

}  // namespace lb::rpc
