#include "dp/io/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace lb::io {

namespace {

Error tap_error(const std::string& name, const std::string& what) {
    const int error = errno;
    return {Errc::kUnavailable, "tap " + name + ": " + what + ": " + std::strerror(error)};
}

ifreq request_for(const std::string& name) {
    ifreq request{};
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    return request;
}

// A socket to ask the kernel through, for the length of a call.
class ControlSocket {
public:
    ControlSocket() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
    ~ControlSocket() {
        if (fd_ >= 0) ::close(fd_);
    }
    ControlSocket(const ControlSocket&) = delete;
    ControlSocket& operator=(const ControlSocket&) = delete;
    bool ask(unsigned long what, ifreq& request) const { return ::ioctl(fd_, what, &request) == 0; }

private:
    int fd_;
};

}  // namespace

Result<Tap> Tap::create(const std::string& name, const MacAddress& mac, std::uint16_t mtu) {
    if (name.empty() || name.size() >= IFNAMSIZ) {
        return failed(Errc::kInvalid, "tap \"" + name + "\": a device name has 1 to 15 characters");
    }
    const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return failed(tap_error(name, "/dev/net/tun"));
    Tap tap(name, fd);
    ifreq request = request_for(name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (::ioctl(fd, TUNSETIFF, &request) != 0) return failed(tap_error(name, "cannot be made"));
    if (Status status = tap.set_up(mac, mtu); !status) return failed(std::move(status).error());
    return tap;
}

Status Tap::set_up(const MacAddress& mac, std::uint16_t mtu) {
    const ControlSocket control;
    ifreq request = request_for(name_);
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(request.ifr_hwaddr.sa_data, mac.bytes.data(), mac.bytes.size());
    if (!control.ask(SIOCSIFHWADDR, request)) return failed(tap_error(name_, "MAC address"));

    request = request_for(name_);
    request.ifr_mtu = mtu;
    if (!control.ask(SIOCSIFMTU, request)) return failed(tap_error(name_, "MTU"));

    request = request_for(name_);
    if (!control.ask(SIOCGIFFLAGS, request)) return failed(tap_error(name_, "flags"));
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (!control.ask(SIOCSIFFLAGS, request)) return failed(tap_error(name_, "cannot be set up"));

    request = request_for(name_);
    if (!control.ask(SIOCGIFINDEX, request)) return failed(tap_error(name_, "index"));
    kernel_index_ = static_cast<unsigned>(request.ifr_ifindex);
    return {};
}

Tap::Tap(Tap&& other) noexcept
    : name_(std::move(other.name_)),
      fd_(std::exchange(other.fd_, -1)),
      kernel_index_(other.kernel_index_) {}

Tap::~Tap() {
    if (fd_ >= 0) ::close(fd_);
}

bool Tap::write(ConstBytes frame) const noexcept {
    return ::write(fd_, frame.data(), frame.size()) == static_cast<ssize_t>(frame.size());
}

bool Tap::write(ConstBytes head, ConstBytes tail) const noexcept {
    // writev() does not write through the pointers; iovec has no const form.
    iovec pieces[] = {{const_cast<std::uint8_t*>(head.data()), head.size()},
                      {const_cast<std::uint8_t*>(tail.data()), tail.size()}};
    return ::writev(fd_, pieces, 2) == static_cast<ssize_t>(head.size() + tail.size());
}

std::size_t Tap::read(Bytes room) const noexcept {
    const ssize_t n = ::read(fd_, room.data(), room.size());
    return n > 0 ? static_cast<std::size_t>(n) : 0;
}

}  // namespace lb::io
