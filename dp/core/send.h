#pragma once

// The last step of a packet that leaves: Ethernet, IP and UDP headers in front of a finished SIP
// message.

#include "dp/core/context.h"
#include "dp/core/verdict.h"

namespace lb::core {

// Payload bytes that a packet's buffer can hold behind the largest headers.
std::size_t room_for_payload(const net::Packet& packet) noexcept;

// A place for `size` payload bytes in the packet's buffer with room for headers in front of it.
// REQUIRES: size <= room_for_payload(packet).
std::uint8_t* place_payload(const net::Packet& packet, std::size_t size) noexcept;

// Makes the frame that carries [payload, payload + size) from `source` to `target` and points the
// packet at it. kForward with the interface to leave by; kSlowPath if the neighbour's MAC is not
// known; kDrop(no_route) if there is no route. REQUIRES: the payload lies in the packet's buffer
// with net::kHeadersMax bytes in front.
Verdict send(Context& context, const Endpoint& source, const Endpoint& target,
             const table::Hop& hop, std::uint8_t* payload, std::size_t size) noexcept;

// The same for a reply to the frame that came in: by the routes if they know the way, else to the
// MAC it came from. `received` is the view of the incoming frame.
Verdict send_back(Context& context, const net::FrameView& received, const Endpoint& target,
                  std::uint8_t* payload, std::size_t size) noexcept;

}  // namespace lb::core
