#pragma once

// Services, sets and destinations as the workers read them: built whole by the control plane
// (build_dispatch), then never changed. What does change per packet (cursors) belongs to a worker.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/limits.h"
#include "dp/table/algorithm.h"

namespace lb::table {

// State bits of a destination, as in the table's `flags` column (spec/dispatcher.md 3.1).
enum StateBits : std::uint32_t {
    kInactive = 1,
    kTrying = 2,
    kDisabled = 4,
    kProbing = 8,
    kNoDns = 16,
    kNoPing = 32,
    // Ours (siplane.drain), not of the table's column: no new calls, known ones go on.
    kDraining = 1U << 16,
    kSkipped = kInactive | kDisabled | kDraining,  // not selected
};

// Means the same destination in every generation; an index in a set does not.
enum class DestinationId : std::uint32_t {};

using ListenerIndex = std::uint16_t;
inline constexpr ListenerIndex kNoListener = 0xffff;

// What is put on top of a request: Record-Route, perhaps, and Via, with room for numbers of 16 hex
// digits.
struct TopText {
    std::string text;
    std::size_t cookie = 0;  // where the dialog cookie belongs, if there is a Record-Route
    std::size_t branch = 0;  // where the two numbers of the Via branch belong, the last but "\r\n"

    std::size_t size() const noexcept { return text.size(); }
    // Writes [from, to) of it to its place in the text at `at`, by whole blocks, and so perhaps
    // something up to kLongSpoil bytes behind. REQUIRES: a number follows at `to`.
    void write(char* at, std::size_t from, std::size_t to) const noexcept {
        copy_long(at + from, text.data() + from, to - from);
    }
};

// One address:port that we answer on, with the texts that go into messages sent from it.
struct Listener {
    Endpoint endpoint;
    std::string name;           // sockname
    std::uint32_t service = 0;  // index in Dispatch::services
    std::uint64_t mark = 0;     // listener_mark(), set by Dispatch::build()
    std::string via;            // "Via: SIP/2.0/UDP 10.77.0.1:5061;branch=", port left out if 5060
    std::string
        record_route_uri;  // "<sip:10.77.0.1:5061" : what opens our Record-Route and Path value

    // Composed from those by Dispatch::build(): "Record-Route: <sip:10.77.0.1:5061;lr;sl=", to be
    // followed by the dialog cookie. By whether it is one of two (";r2=on"), and by
    // Service::enable_full_lr (";lr=on").
    std::array<std::array<std::string, 2>, 2> record_route;
    // By Service::enable_full_lr, and by whether there is a Record-Route, one and not two.
    std::array<std::array<TopText, 2>, 2> tops;
    void compose_texts();
};
// What says in a branch of ours which listener the request came to. The same on every node and in
// every version, since branches outlive both; no secret. Never 0, which says nothing.
std::uint64_t listener_mark(const Endpoint& endpoint) noexcept;
inline constexpr std::string_view kBranchBegin = "z9hG4bKsl";
inline constexpr std::string_view kRecordRoute = "Record-Route: ";
inline constexpr std::string_view kRecordRouteCookie = ";sl=";

struct Member {
    DestinationId id{};
    std::uint32_t flags = 0;  // StateBits
    std::int32_t priority = 0;
    ListenerIndex listener = kNoListener;  // attr socket/sockname; kNoListener: by family
    std::uint16_t weight = 0;              // 0..100
    std::uint16_t rweight = 0;             // 0..100
    std::uint32_t maxload = 0;
    float latency_estimate = 0;  // milliseconds
    float latency_average = 0;
    bool congestion_control = false;
    Endpoint endpoint;       // first resolved address; none: not resolved, treated as skipped
    std::uint32_t text = 0;  // index of its uri, attrs and duid in Set::texts
    std::uint32_t slot = kNoTrafficSlot;  // of its counters; the same as long as its id

    friend bool operator==(const Member&, const Member&) noexcept = default;

    bool skipped() const noexcept { return (flags & kSkipped) != 0 || endpoint.address.is_none(); }
    // Skipped for new calls, but not down: what belongs to a call of its own still goes there.
    bool draining() const noexcept {
        return (flags & kSkipped) == kDraining && !endpoint.address.is_none();
    }
};

// The texts of one member. Views: valid as long as the SetTexts they come from.
struct MemberText {
    std::string_view uri;  // as stored
    std::string_view attrs;
    std::string_view duid;
    std::string_view host_port;  // destination text after its scheme, for set_host
};

// The texts of a set's members in one piece of memory. Copies share it: generations that differ in
// states have the same texts, and so has the control plane's model.
//
// Bounds:  kTextMax bytes each, 4 GB together. A duid that stands in its attrs, and a host_port
//          that ends its uri, take no room of their own. 24 bytes a member besides.
// Threads: written by one before others read; a copy that is written to becomes its own.
class SetTexts {
public:
    static constexpr std::size_t kTextMax = 65535;

    std::size_t size() const noexcept { return block_ ? block_->parts.size() : 0; }
    bool empty() const noexcept { return size() == 0; }
    // REQUIRES: index < size().
    MemberText operator[](std::size_t index) const noexcept {
        const Parts& parts = block_->parts[index];
        return {view(parts, kUri), view(parts, kAttrs), view(parts, kDuid), view(parts, kHostPort)};
    }

    void reserve(std::size_t members, std::size_t bytes);
    // REQUIRES: no text is longer than kTextMax.
    void push_back(const MemberText& text);

    // In two steps: characters first, then views into them as the texts of one more member. The
    // views hold as long as the characters stay within what reserve() was told.
    std::string_view append(std::string_view text);
    void push_placed(const MemberText& views);
    std::size_t characters() const noexcept { return block_ ? block_->text.size() : 0; }
    void cut(std::size_t characters) { own().text.resize(characters); }  // takes the last ones back

    // The same object, or the same texts.
    friend bool operator==(const SetTexts& a, const SetTexts& b) noexcept;
    std::size_t memory_bytes() const noexcept;

private:
    enum Kind : unsigned { kUri, kAttrs, kDuid, kHostPort, kKinds };
    struct Parts {
        std::array<std::uint32_t, kKinds> at{};
        std::array<std::uint16_t, kKinds> length{};
    };
    struct Block {
        std::string text;
        std::vector<Parts> parts;
    };

    std::string_view view(const Parts& parts, Kind kind) const noexcept {
        return {block_->text.data() + parts.at[kind], parts.length[kind]};
    }
    Block& own();
    void set(Parts& parts, Kind kind, std::string_view placed) const noexcept;

    std::shared_ptr<Block> block_;
};

struct Set {
    std::int32_t id = 0;
    std::uint32_t index = 0;      // in its Dispatch, which sets it
    std::vector<Member> members;  // index order (spec 3.4)
    SetTexts texts;
};

// A rule of a service, first match wins. Empty condition: matches all.
struct Rule {
    std::string name;
    std::vector<std::string> methods;
    std::vector<Prefix> sources;
    std::vector<Endpoint> listen;
    std::string ruri_user_prefix;
    std::string ruri_host;
    std::string header;  // present

    enum class Action : std::uint8_t { kDispatch, kReply, kDrop } action = Action::kDispatch;
    std::int32_t set = 0;
    Algorithm algorithm = Algorithm::kCallId;
    std::uint16_t code = 0;
    std::string reason;
};

enum class Nat : std::uint8_t { kOff, kAuto, kAlways };

struct Service {
    std::string name;
    std::vector<ListenerIndex> listeners;
    std::int32_t set = 0;
    Algorithm algorithm = Algorithm::kCallId;
    std::vector<Rule> rules;
    std::uint16_t no_destination_code = 404;
    std::string no_destination_reason = "No destination";
    bool record_route = true;
    bool enable_full_lr = false;
    bool path = false;      // Path on REGISTER (RFC 3327)
    bool set_host = false;  // ds_select_domain: rewrite the host of the R-URI
    Nat nat = Nat::kAuto;
    std::string server_header;  // of local replies; empty: none
};

// Options of the dispatcher module that selection reads.
struct SelectOptions {
    std::uint32_t flags = 0;  // 1: user part only; 2: failover list
    bool use_default = false;
    std::string hash_pvar;
};

}  // namespace lb::table
