#pragma once

// Kernel UDP sockets on the addresses and ports of our services: the slow path and the prober send
// from them, and what the workers punt to the kernel (replies to probes) arrives here.
//
// Bounds:  one socket per listen address; kDatagramsPerTurn datagrams read per turn of the loop.
// Threads: the control thread only.
// Notes:   IP_FREEBIND: an address may come up after us. Nothing is bound to a device; each
// datagram names
//          the twin it leaves by (IP_PKTINFO), and what came in by a device that is no twin is not
//          ours. The kernel fragments what is larger than the MTU (no path MTU discovery).

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace asio {
class io_context;
}

namespace lb::cp {

struct ServiceDatagram {
    Endpoint source, target;  // target: the listen address it was sent to
    unsigned device = 0;      // kernel index of the device it came in by
    ConstBytes payload;       // until the handler returns
};

class ServiceSockets {
public:
    static constexpr unsigned kDatagramsPerTurn = 64;

    explicit ServiceSockets(asio::io_context& io);
    ~ServiceSockets();
    ServiceSockets(const ServiceSockets&) = delete;
    ServiceSockets& operator=(const ServiceSockets&) = delete;

    // Opens sockets for exactly these; others are closed, those already open stay. On failure (the
    // port belongs to another program) nothing has changed.
    Status listen(const std::vector<Endpoint>& endpoints);

    // Each datagram received. The handler must not destroy or reconfigure this object.
    using Handler = std::function<void(const ServiceDatagram&)>;
    void on_datagram(Handler handler);

    // ICMP errors that say a datagram of ours did not arrive, with what they quote of its payload.
    // Off until a handler is given; null turns it off again.
    using Unreachable = std::function<void(ConstBytes quoted)>;
    void on_unreachable(Unreachable handler);

    struct Send {
        Endpoint source;  // one of listen()
        Endpoint target;
        unsigned device = 0;    // kernel index of the way out; 0: by the routing table
        std::uint8_t dscp = 0;  // the whole DS/ECN byte
        ConstBytes payload;
    };
    // False: no such socket, or the kernel would not take it (buffer full, no route).
    bool send(const Send& datagram);

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace lb::cp
