#pragma once

// Every bound of the data path in one place, with the sum that gives it.

#include <cstddef>
#include <cstdint>

namespace lb {

// One SIP datagram. RFC 3261 18.1.1 asks for 65,535 including headers; an mbuf's data room is a 16-bit
// number that also holds the headroom, so a little less than that fits in one piece.
inline constexpr std::size_t kHeadroom = 1024;  // what our edits may add at the front, see below
inline constexpr std::size_t kDatagramMax = 62 * 1024;
static_assert(kHeadroom + kDatagramMax + 128 <= 65535, "must fit one mbuf's data room");

// Growth at the front of one message: a Via (<= 160), two Record-Route (<= 200 each), Path (<= 200),
// Max-Forwards (18), received and rport (<= 70), a new request line's growth (<= 256).
inline constexpr std::size_t kEditGrowthMax = 960;
static_assert(kEditGrowthMax <= kHeadroom - 14 - 4, "a VLAN tag must fit beside the edits");

inline constexpr std::size_t kBurst = 32;           // frames per receive burst
inline constexpr std::size_t kWorkersMax = 64;
inline constexpr std::size_t kInterfacesMax = 256;  // [[port]] entries
inline constexpr std::size_t kServicesMax = 1024;

// SIP parser.
inline constexpr std::size_t kHeaderLinesMax = 256;  // header lines in one message
inline constexpr std::size_t kRoutesMax = 32;        // Route header lines remembered
inline constexpr std::size_t kViaHopsMax = 70;       // Via values looked through for loops

}  // namespace lb
