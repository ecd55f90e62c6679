#include "tests/cp/rpc/compare.h"

#include <algorithm>

#include "cp/rpc/json_text.h"

namespace lb::test {
namespace {

struct Packet {
    bool good = false;
    rpc::Header header;
    std::string body;
    std::vector<rpc::Value> values;
};

Packet read(const std::string& bytes) {
    Packet packet;
    if (rpc::parse_header(as_bytes(bytes), packet.header) != rpc::Defect::kNone) return packet;
    packet.body = bytes.substr(packet.header.size);
    auto values = rpc::parse_values(as_bytes(packet.body));
    packet.good = values.has_value();
    if (values) packet.values = std::move(*values);
    return packet;
}

std::string shown(const std::vector<rpc::Value>& values) {
    std::string out;
    rpc::append_json_array(out, values, rpc::JsonStyle{false});
    return out;
}

std::string text_at(const Packet& packet, std::size_t at) {
    if (at >= packet.values.size()) return "(nothing)";
    const std::string* text = packet.values[at].get_if<std::string>();
    return text != nullptr ? *text : "(no string)";
}

bool same_shape(const rpc::Value& a, const rpc::Value& b) {
    if (a.data.index() != b.data.index()) return false;
    const auto* left = a.members();
    const auto* right = b.members();
    if (left == nullptr) return true;
    return left->size() == right->size() &&
           std::equal(left->begin(), left->end(), right->begin(), [](const auto& m, const auto& n) {
               return m.name == n.name && same_shape(m.value, n.value);
           });
}

// Threads differ in number: each record must look like some recorded one, and they must be there.
bool same_shapes(const Packet& recorded, const Packet& actual) {
    if (actual.values.empty() || recorded.values.empty()) return false;
    return std::all_of(actual.values.begin(), actual.values.end(), [&](const rpc::Value& value) {
        return std::any_of(recorded.values.begin(), recorded.values.end(),
                           [&](const rpc::Value& other) { return same_shape(value, other); });
    });
}

bool has_our_methods(const Packet& recorded, const Packet& actual) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < actual.values.size(); ++i) names.push_back(text_at(actual, i));
    if (!std::is_sorted(names.begin(), names.end())) return false;
    for (std::size_t i = 0; i < recorded.values.size(); ++i) {
        const std::string name = text_at(recorded, i);
        const bool ours = name.starts_with("dispatcher.") || name.starts_with("ctl.") ||
                          name.starts_with("system.");
        const auto found = std::count(names.begin(), names.end(), name);
        if (ours && found != 1) return false;
    }
    return std::count(names.begin(), names.end(), "siplane.stats") == 1;
}

// Addresses and ports may differ, in their places; everything else is equal.
bool same_but_addresses(const Packet& recorded, const Packet& actual) {
    if (recorded.values.size() != actual.values.size()) return false;
    for (std::size_t i = 0; i < actual.values.size(); ++i) {
        const std::string was = text_at(recorded, i);
        const std::string is = text_at(actual, i);
        const auto numeric = [](const std::string& text) {
            return !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos;
        };
        if (was != is && !(numeric(was) && numeric(is))) return false;
    }
    return true;
}

bool is_unknown_method(const std::string& method, const Packet& actual) {
    const std::string text = "command " + method + " not found";
    return actual.header.type == rpc::PacketType::kFault && actual.values.size() == 2 &&
           actual.values[0] == rpc::Value(500) && text_at(actual, 1) == text.substr(0, 255);
}

bool has_detail(const Packet& recorded, const Packet& actual) {
    return recorded.header.type == rpc::PacketType::kFault &&
           actual.header.type == rpc::PacketType::kFault && actual.values.size() == 3 &&
           actual.values[0] == recorded.values[0] && actual.values[1] == recorded.values[1] &&
           !text_at(actual, 2).empty();
}

bool ends_at_terminator(const Transcript& transcript, const Packet& actual) {
    if (transcript.name.starts_with("036")) {
        return actual.values == std::vector<rpc::Value>{"abc", "next"};
    }
    return actual.values == std::vector<rpc::Value>{"", "b"};
}

}  // namespace

const AcceptedDifference* find_accepted(const Transcript& transcript, const std::string& method) {
    for (const AcceptedDifference& row : kAccepted) {
        const bool session = row.session.empty() || row.session == transcript.session;
        const bool step = transcript.name.starts_with(row.step);
        const bool name = row.method.empty() || row.method == method ||
                          (row.method.ends_with('.') && method.starts_with(row.method));
        if (session && step && name) return &row;
    }
    return nullptr;
}

rpc::Value without_order(const rpc::Value& list) {
    rpc::Value out = list;
    auto* record = std::get_if<rpc::Struct>(&out.data);
    if (record == nullptr) return out;
    for (rpc::Member& member : record->members) member.value = without_order(member.value);
    const bool sortable =
        std::all_of(record->members.begin(), record->members.end(),
                    [](const rpc::Member& m) { return m.name == "SET" || m.name == "DEST"; });
    if (!sortable) return out;
    const auto text = [](const rpc::Member& member) {
        std::string key;
        rpc::append_json(key, member.value, rpc::JsonStyle{false});
        return key;
    };
    std::sort(record->members.begin(), record->members.end(),
              [&](const rpc::Member& a, const rpc::Member& b) { return text(a) < text(b); });
    return out;
}

rpc::Value without_uri(const rpc::Value& list, const std::string& uri) {
    rpc::Value out = list;
    auto* record = std::get_if<rpc::Struct>(&out.data);
    if (record == nullptr) return out;
    std::erase_if(record->members, [&](const rpc::Member& member) {
        const rpc::Value* its = member.name == "DEST" ? member.value.find("URI") : nullptr;
        return its != nullptr && *its == rpc::Value(uri);
    });
    for (rpc::Member& member : record->members) member.value = without_uri(member.value, uri);
    return out;
}

std::string ReplyJudge::judge(const Transcript& transcript, const std::string& method,
                              const std::string& recorded, const std::string& actual) {
    const Packet is = read(actual);
    const std::string last_list = last_list_;
    if (method == "dispatcher.list" && is.good) last_list_ = is.body;
    if (recorded == actual) return {};
    const Packet was = read(recorded);
    const AcceptedDifference* row = find_accepted(transcript, method);
    const auto wrong = [&](const char* what) {
        return std::string(what) + ": " + method + "\nrecorded: " + shown(was.values) +
               "\nactual:   " + shown(is.values);
    };
    if (row == nullptr) return wrong("differs");
    if (!is.good || (!recorded.empty() && is.header.cookie != was.header.cookie)) {
        return wrong("no packet, or wrong cookie");
    }
    used_.insert(row);
    bool right = false;
    switch (row->difference) {
        case Difference::kProduct:
            right = is.values.size() == 1 && is.header.type == rpc::PacketType::kReply &&
                    text_at(is, 0) == "siplane " SIPLANE_VERSION " (x86_64/linux) ";
            break;
        case Difference::kShape:
            right = same_shapes(was, is);
            break;
        case Difference::kMethods:
            right = has_our_methods(was, is);
            break;
        case Difference::kAddress:
            right = same_but_addresses(was, is);
            break;
        case Difference::kUnknown:
            right = is_unknown_method(method, is);
            break;
        case Difference::kDetail:
            right = has_detail(was, is);
            break;
        case Difference::kOldTable:
            right = is.body == last_list;
            break;
        case Difference::kOrder:
            right = was.values.size() == 1 && is.values.size() == 1 &&
                    without_order(was.values[0]) == without_order(is.values[0]);
            break;
        case Difference::kIpv6:
            right = was.values.size() == 1 && is.values.size() == 1 &&
                    was.values[0] == without_uri(is.values[0], "sip:[::1]:5060");
            break;
        case Difference::kNoLimit:
            right = text_at(is, 0) == std::string(33000, 'z');
            break;
        case Difference::kTerminator:
            right = ends_at_terminator(transcript, is);
            break;
    }
    return right ? std::string() : wrong("differs, and not as accepted");
}

}  // namespace lb::test
