#pragma once

// What Network and Dispatch say together about nearly every message, found once when a generation
// is built: where it comes in, and how to get to a member. To say nothing is always right: then
// those two are asked.
//
// Bounds:  8 bytes for each member of a set that a service dispatches to by the Call-ID alone.
//          Points into both, which must outlive it. 2 KB a listener, or 64 KB.
// Threads: immutable after construction; any thread reads.
// Cost:    construction is linear in the listeners and in the members of those sets, but for what
//          is shared; door_for() is O(1).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dp/base/address.h"
#include "dp/table/dispatch.h"
#include "dp/table/network.h"

namespace lb::table {

class Dispatch;

inline constexpr std::uint16_t kNoDevice = 0xffff;  // no frame comes in by it

// How frames for one listener come in: by the interface that has its address. And how its messages
// get to the members of its Entrance.
struct alignas(64) Door {
    // By member; a null one says nothing about it. Null: nothing about any.
    const Hop* const* hops = nullptr;
    Endpoint endpoint;  // the listener's
    InterfaceIndex interface = kNoInterface;
    ListenerIndex listener = kNoListener;
    std::uint16_t device = kNoDevice;
    std::uint16_t vlan = net::kNoVlan;
    MacAddress mac;
};

class Shortcuts {
public:
    Shortcuts() = default;  // says nothing
    // `before`: the shortcuts of a generation with the same network, or null. That generation must
    // still be there: what did not change is told by its address.
    Shortcuts(const Network& network, const Dispatch& dispatch, const Shortcuts* before = nullptr);
    Shortcuts(const Shortcuts&) = delete;
    Shortcuts& operator=(const Shortcuts&) = delete;

    // The door for frames to that endpoint if there is one, else any other: the caller compares.
    const Door& door_for(const Endpoint& target) const noexcept {
        return doors_[hash_of(target) & door_mask_];
    }

    // Shared or not.
    std::size_t memory_bytes() const noexcept;

private:
    struct SetHops {
        const Member* members = nullptr;
        std::vector<const Hop*> hops;
    };

    Door make_door(const Network& network, const Dispatch& dispatch, ListenerIndex listener,
                   const Shortcuts* before);
    void place_doors(const std::vector<Door>& doors);
    const Hop* const* hops_of(const Network& network, const Set& set, const Shortcuts* before);
    std::shared_ptr<const SetHops> find_hops(const Set& set) const noexcept;

    std::uint64_t door_mask_ = 0;
    std::vector<Door> doors_ = std::vector<Door>(1);  // each where its hash says
    std::vector<std::shared_ptr<const SetHops>> hops_;
};

}  // namespace lb::table
