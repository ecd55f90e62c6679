#pragma once

// Every bound of the data path in one place, with the sum that gives it.

#include <cstddef>
#include <cstdint>

namespace lb {

// One SIP datagram. RFC 3261 18.1.1 asks for 65,535 including headers; an mbuf's data room is a
// 16-bit number that also holds the headroom, so a little less than that fits in one piece.
inline constexpr std::size_t kHeadroom = 1024;  // what our edits may add at the front, see below
inline constexpr std::size_t kDatagramMax = 62 * 1024;
static_assert(kHeadroom + kDatagramMax + 128 <= 65535, "must fit one mbuf's data room");

// Growth at the front of one message: a Via (<= 160), two Record-Route (<= 200 each), Path (<=
// 200), Max-Forwards (18), received and rport (<= 70), a new request line's growth (<= 256).
inline constexpr std::size_t kEditGrowthMax = 960;
static_assert(kEditGrowthMax <= kHeadroom - 14 - 4, "a VLAN tag must fit beside the edits");

inline constexpr std::size_t kBurst = 32;  // frames per receive burst
inline constexpr std::size_t kWorkersMax = 64;
inline constexpr std::size_t kInterfacesMax = 256;  // [[port]] entries
inline constexpr std::size_t kServicesMax = 1024;

inline constexpr std::size_t kTrafficSlotsMax = std::size_t{1} << 17;  // destinations with counters
// "No counters": beyond every slot, and not what an index says when it finds nothing.
inline constexpr std::uint32_t kNoTrafficSlot = 0xfffffffe;

// Transactions whose destination each worker remembers (dp/core/transaction_table.h), 16 bytes
// each: 4 MB, room for 870 INVITEs a second, each of which is remembered for five minutes.
inline constexpr std::size_t kTransactionsDefault = std::size_t{1} << 18;
inline constexpr std::size_t kTransactionsMin = 8;
inline constexpr std::size_t kTransactionsMax = std::size_t{1} << 26;

// SIP parser.
inline constexpr std::size_t kHeaderLinesMax = 256;  // header lines in one message
inline constexpr std::size_t kRoutesMax = 32;        // Route header lines remembered
inline constexpr std::size_t kViaHopsMax = 70;       // Via values looked through for loops

// Reassembly, per worker. Sum: 1024 entries of some 850 bytes, 2048 blocks of 2 KB, 1024 source
// records and 2048 + 1024 hash heads: 5.1 MB, allocated once.
inline constexpr std::size_t kReassembliesMax = 1024;      // half datagrams
inline constexpr std::size_t kReassemblyBlock = 2048;      // bytes; a 3 KB INVITE takes two
inline constexpr std::size_t kReassemblyBlocksMax = 2048;  // 4 MB: 33 datagrams of kDatagramMax
inline constexpr std::size_t kFragmentsMax =
    64;  // of one datagram: kDatagramMax at MTU 1280 has 52
inline constexpr std::size_t kFragmentHeaderMax =
    120;  // Ethernet and IP headers of the first fragment
inline constexpr std::size_t kFragmentsOutMax =
    128;  // one frame of ours may become: MTU 576 needs 115
// A SIP sender repeats after 0.5, 1, 2 ... seconds, so waiting the 15 to 60 s of RFC 791 and 8200
// would only serve a flood.
inline constexpr std::uint64_t kReassemblyTimeoutMs = 5000;
inline constexpr std::size_t kReassemblyExpireMax = 64;  // datagrams looked at per expire()
// What a source holds weighs one per half datagram and one per block. None may hold more than a
// quarter of all; when memory is short, who holds more than two of the largest datagrams gives
// first.
inline constexpr std::size_t kReassemblyWeightMax = (kReassembliesMax + kReassemblyBlocksMax) / 4;
inline constexpr std::size_t kReassemblyFairWeight =
    2 * (1 + (kDatagramMax + kReassemblyBlock) / kReassemblyBlock);
static_assert(kFragmentHeaderMax + 8 <= 128,
              "headers of a whole datagram fit the mbuf beside kDatagramMax");
static_assert(kReassemblyFairWeight < kReassemblyWeightMax);

}  // namespace lb
