#pragma once

// BINRPC, the wire format of Kamailio's control sockets: packets and records, written and read.
//
// Bounds:  a reader never looks beyond the bytes it was given; nesting ends at kDepthMax.
// Threads: any; nothing is shared.
// Errors:  a Defect whose text() is what the protocol calls it.
// Source:  spec/binrpc.md 2, 3, 6.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cp/rpc/params.h"
#include "cp/rpc/value.h"
#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace lb::rpc {

inline constexpr std::size_t kHeaderMax = 10;
inline constexpr std::size_t kRequestMax = 65535;  // whole packet, as Kamailio's ctl takes it
inline constexpr std::size_t kDepthMax = 64;       // structs in structs that a reader follows
inline constexpr std::size_t kParamsMax = 4096;    // parameters looked at in one request

enum class PacketType : std::uint8_t { kRequest = 0, kReply = 1, kFault = 3 };

enum class Defect : std::uint8_t {
    kNone,
    kCorrupted,  // no BINRPC packet, or not a request
    kMoreData,   // a record is longer than the body
    kEnd,        // no more records
    kWrongType,
};
std::string_view text(Defect defect) noexcept;

struct Header {
    PacketType type = PacketType::kRequest;
    std::uint32_t cookie = 0;
    std::uint32_t body = 0;  // bytes that follow the header
    std::size_t size = 0;    // of the header itself
};

// kNone: `header` is filled in. kMoreData: the header is not complete. kCorrupted: it never will
// be.
Defect parse_header(ConstBytes packet, Header& header) noexcept;

// A request's body. On a defect (kEnd, kWrongType, kMoreData: of the method's name) the rest is
// left as it was. A broken parameter ends the parameters and is marked, for the method to judge.
Defect parse_request(ConstBytes body, std::string& method, Params& params);

// The values of a reply's body. Errors name the offset.
Result<std::vector<Value>> parse_values(ConstBytes body);
// A fault's body: code and text, and our third record, the detail, if it is there.
Result<Fault> parse_fault(ConstBytes body);

// A whole packet, its length and cookie in their shortest form.
std::string write_request(std::uint32_t cookie, std::string_view method,
                          const std::vector<Value>& params);
std::string write_reply(std::uint32_t cookie, const Reply& reply);

std::string write_packet(PacketType type, std::uint32_t cookie, std::string_view body);

// One value as records, appended. A text with a NUL goes as bytes.
void append_value(std::string& out, const Value& value);
// A struct that is written member by member: open, then a name and a value each, then close.
void open_struct(std::string& out);
void append_name(std::string& out, std::string_view name);
void close_struct(std::string& out);

}  // namespace lb::rpc
