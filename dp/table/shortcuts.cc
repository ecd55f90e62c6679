#include "dp/table/shortcuts.h"

#include <algorithm>
#include <bit>

#include "dp/table/tables.h"

namespace lb::table {
namespace {

// Of the table of doors: 64 KB, or 2 KB a door as they are powers of two.
constexpr std::size_t kSlotsMax = 1024, kSlotsPerDoorMax = 16;

// To one other host, by what lasts as long as the network. Null: that is not so simple.
const Hop* find_hop(const Network& network, const Endpoint& target) noexcept {
    if (target.port == 0 || !is_plain_host(target.address) || network.owns(target.address))
        return nullptr;
    Hop room;
    const Hop& hop = network.resolve(target.address, room);
    return &hop == &room ? nullptr : &hop;
}

// The first interface that has the address; kNoInterface if none.
InterfaceIndex find_owner(const Network& network, const IpAddress& address) noexcept {
    const std::vector<Interface>& interfaces = network.interfaces();
    for (std::size_t i = 0; i < interfaces.size(); ++i) {
        for (const Prefix& prefix : interfaces[i].addresses) {
            if (prefix.address == address) return static_cast<InterfaceIndex>(i);
        }
    }
    return kNoInterface;
}

}  // namespace

Shortcuts::Shortcuts(const Network& network, const Dispatch& dispatch, const Shortcuts* before) {
    std::vector<Door> doors;
    for (std::size_t i = 0; i < dispatch.listeners().size(); ++i)
        doors.push_back(make_door(network, dispatch, static_cast<ListenerIndex>(i), before));
    place_doors(doors);
}

Door Shortcuts::make_door(const Network& network, const Dispatch& dispatch, ListenerIndex index,
                          const Shortcuts* before) {
    const Listener& listener = dispatch.listeners()[index];
    const InterfaceIndex owner = find_owner(network, listener.endpoint.address);
    if (owner == kNoInterface) return {};
    const Interface& interface = network.interface(owner);
    const Port& port = network.find_port(interface.device, interface.vlan);
    if (port.interface != owner) return {};  // another one takes these frames
    Door door;
    door.endpoint = listener.endpoint;
    door.interface = owner;
    door.listener = index;
    door.device = interface.device;
    door.vlan = interface.vlan;
    door.mac = port.mac;
    if (dispatch.entrance(index).call_id_plan != nullptr)
        door.hops = hops_of(network, *dispatch.set_of_service(listener.service), before);
    return door;
}

// In as many slots as it takes for each to have its own. When there may be no more, one whose slot
// is taken is left out: its messages go the long way.
void Shortcuts::place_doors(const std::vector<Door>& doors) {
    const std::size_t slots_max = std::max(kSlotsMax, doors.size() * kSlotsPerDoorMax);
    std::size_t slots = std::bit_ceil(std::max<std::size_t>(1, doors.size() * 4));
    for (bool crowded = true; crowded; slots *= 2) {
        crowded = false;
        door_mask_ = slots - 1;
        doors_.assign(slots, Door{});
        for (const Door& door : doors) {
            if (door.listener == kNoListener) continue;
            Door& slot = doors_[hash_of(door.endpoint) & door_mask_];
            if (slot.listener == kNoListener) {
                slot = door;
            } else if (!(slot.endpoint == door.endpoint)) {
                crowded = slots < slots_max;
            }
        }
    }
}

std::shared_ptr<const Shortcuts::SetHops> Shortcuts::find_hops(const Set& set) const noexcept {
    for (const auto& made : hops_) {
        if (made->members == set.members.data()) return made;
    }
    return nullptr;
}

// Listeners whose services have the same set share them.
const Hop* const* Shortcuts::hops_of(const Network& network, const Set& set,
                                     const Shortcuts* before) {
    if (const auto shared = find_hops(set)) return shared->hops.data();
    if (const auto shared = before != nullptr ? before->find_hops(set) : nullptr) {
        hops_.push_back(shared);
        return shared->hops.data();
    }
    const auto made = std::make_shared<SetHops>();
    made->members = set.members.data();
    made->hops.reserve(set.members.size());
    for (const Member& member : set.members)
        made->hops.push_back(find_hop(network, member.endpoint));
    hops_.push_back(made);
    return made->hops.data();
}

std::size_t Shortcuts::memory_bytes() const noexcept {
    std::size_t bytes =
        sizeof *this + doors_.capacity() * sizeof(Door) + hops_.capacity() * sizeof(hops_[0]);
    for (const auto& of : hops_) bytes += sizeof *of + of->hops.capacity() * sizeof(const Hop*);
    return bytes;
}

}  // namespace lb::table
