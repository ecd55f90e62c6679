#include "cp/rpc/long_list.h"

#include <limits>

#include "cp/rpc/binrpc.h"

namespace lb::rpc {

std::unique_ptr<LongList> LongList::begin(const cp::Dispatcher& dispatcher, std::string_view method,
                                          const Params& params, std::uint32_t cookie) {
    if (method != "dispatcher.list" || dispatcher.size() < kLongListFrom) return nullptr;
    return std::unique_ptr<LongList>(new LongList(list_mode(params), cookie));
}

bool LongList::step(const cp::Dispatcher& dispatcher, std::string& packet) {
    if (version_ != dispatcher.table_version()) restart(dispatcher);
    const bool patient = starts_ <= kLongListRestarts;
    write(dispatcher, patient ? kLongListStep : std::numeric_limits<std::size_t>::max());
    if (set_ < dispatcher.sets().size()) return false;
    if (dispatcher.sets().empty()) {  // a reload emptied the table meanwhile
        packet += write_reply(cookie_, Reply::failed(500, "No Destination Sets"));
        return true;
    }
    close_struct(body_);  // RECORDS
    close_struct(body_);
    packet += write_packet(PacketType::kReply, cookie_, body_);
    return true;
}

void LongList::restart(const cp::Dispatcher& dispatcher) {
    version_ = dispatcher.table_version();
    ++starts_;
    set_ = member_ = 0;
    body_.clear();
    open_struct(body_);
    append_name(body_, "NRSETS");
    append_value(body_, static_cast<std::int32_t>(dispatcher.sets().size()));
    append_name(body_, "RECORDS");
    open_struct(body_);
}

void LongList::write(const cp::Dispatcher& dispatcher, std::size_t room) {
    while (set_ < dispatcher.sets().size() && room != 0) {
        const cp::DestinationSet& set = dispatcher.sets()[set_];
        if (member_ == 0) {
            append_name(body_, "SET");
            open_struct(body_);
            append_name(body_, "ID");
            append_value(body_, set.id);
            append_name(body_, "TARGETS");
            open_struct(body_);
        }
        for (; member_ < set.members.size() && room != 0; ++member_, --room) {
            append_name(body_, "DEST");
            append_value(
                body_, listed_destination(set.members[member_], static_cast<std::int32_t>(member_),
                                          mode_, dispatcher.options()));
        }
        if (member_ < set.members.size()) return;
        close_struct(body_);  // TARGETS
        close_struct(body_);  // SET
        ++set_;
        member_ = 0;
    }
}

}  // namespace lb::rpc
