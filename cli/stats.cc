#include "cli/stats.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/figures.h"
#include "cli/print.h"

namespace lb::cli {
namespace {

struct Parts {
    const rpc::Value* total = nullptr;
    const rpc::Value* drops = nullptr;
    const rpc::Value* workers = nullptr;
    const rpc::Value* ports = nullptr;
};

Result<Parts> parts_of(const rpc::Reply& reply) {
    Parts parts;
    if (!reply.values.empty()) {
        const rpc::Value& all = reply.values[0];
        parts = {all.find("TOTAL"), all.find("DROPS"), all.find("WORKERS"), all.find("PORTS")};
    }
    for (const rpc::Value* part : {parts.total, parts.drops, parts.workers, parts.ports}) {
        if (part == nullptr || part->members() == nullptr) {
            return failed(Errc::kInvalid, "the answer to siplane.stats is not one of siplane's");
        }
    }
    return parts;
}

void append_members(std::string& out, const std::string& prefix, const rpc::Value& record) {
    for (const rpc::Member& member : *record.members()) {
        out += prefix + "\t" + member.name + "\t" + plain_text(member.value) + "\n";
    }
}

}  // namespace

Result<std::string> stats_for_people(const rpc::Reply& reply, bool all) {
    const Result<Parts> parts = parts_of(reply);
    if (!parts) return failed(parts.error());
    Rows totals;
    for (const rpc::Member& member : *parts->total->members()) {
        totals.push_back({member.name, plain_text(member.value)});
    }
    Rows drops{{"dropped for", "frames", "what to check"}};
    for (const rpc::Member& member : *parts->drops->members()) {
        const std::string count = text_of(member.value, "count");
        if (!all && count == "0") continue;
        drops.push_back({text_of(member.value, "reason"), count, text_of(member.value, "help")});
    }
    Rows ports{{"port", "link", "rx", "missed", "errors", "tx", "errors", "device"}};
    for (const rpc::Member& member : *parts->ports->members()) {
        const auto text = [&](const char* name) { return text_of(member.value, name); };
        ports.push_back({text("name"), text("link"), text("rx_packets"), text("rx_missed"),
                         text("rx_errors"), text("tx_packets"), text("tx_errors"), text("device")});
    }
    std::string out = in_columns(totals, {1});
    if (drops.size() > 1) out.append("\n").append(in_columns(drops, {1}));
    if (ports.size() > 1) out.append("\n").append(in_columns(ports, {1}));
    return out;
}

Result<std::string> stats_for_scripts(const rpc::Reply& reply) {
    const Result<Parts> parts = parts_of(reply);
    if (!parts) return failed(parts.error());
    std::string out;
    append_members(out, "total", *parts->total);
    for (const rpc::Member& member : *parts->drops->members()) {
        out += "drop\t" + text_of(member.value, "reason") + "\t" + text_of(member.value, "count") +
               "\n";
    }
    std::size_t index = 0;
    for (const rpc::Member& member : *parts->workers->members()) {
        if (member.value.members() == nullptr) continue;
        std::string prefix = "worker\t";
        prefix.append(std::to_string(index++));
        append_members(out, prefix, member.value);
    }
    for (const rpc::Member& member : *parts->ports->members()) {
        if (member.value.members() == nullptr) continue;
        append_members(out, "port\t" + text_of(member.value, "name"), member.value);
    }
    return out;
}

}  // namespace lb::cli
