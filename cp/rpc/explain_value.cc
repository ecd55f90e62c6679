#include "cp/rpc/explain_value.h"

#include <fmt/format.h>

namespace lb::rpc {
namespace {

Struct value_of(const cp::ExplainedMember& member) {
    return Struct{{"INDEX", static_cast<std::int32_t>(member.index)}, {"URI", member.uri}};
}

List value_of(const cp::ExplainedList& list) {
    List out;
    for (const cp::ExplainedMember& member : list.members) out.add("DEST", value_of(member));
    return out;
}

void add_if_any(Struct& out, std::string_view name, const cp::ExplainedList& list) {
    if (list.count == 0) return;
    out.add(fmt::format("{}_COUNT", name), static_cast<std::int32_t>(list.count))
        .add(std::string(name), value_of(list));
}

void add_choice(Struct& out, const cp::Explanation& explanation) {
    const core::Trace& trace = explanation.trace;
    out.add("SET", explanation.set)
        .add("ALGORITHM", static_cast<std::int32_t>(explanation.algorithm))
        .add("ALGORITHM_NAME", table::algorithm_name(explanation.algorithm));
    if (!explanation.set_exists) return;
    out.add("METHOD", trace.method);
    if (trace.has_hash) {
        out.add("HASHED", trace.hashed)
            .add("HASH", fmt::format("{}", trace.hash))  // 64 bits do not fit BINRPC's numbers
            .add("SLOT", static_cast<std::int32_t>(trace.slot))
            .add("SLOTS", static_cast<std::int32_t>(trace.members));
    }
    out.add("CANDIDATE_COUNT", static_cast<std::int32_t>(explanation.candidates.count))
        .add("CANDIDATES", value_of(explanation.candidates))
        .add("PASSED_OVER", value_of(explanation.passed_over))
        .add("FAILOVER", value_of(explanation.failover));
    add_if_any(out, "NOT_UDP", explanation.not_udp);
    add_if_any(out, "UNRESOLVED", explanation.unresolved);
    if (!explanation.chosen) return;
    out.add("CHOICE", Struct{{"INDEX", static_cast<std::int32_t>(explanation.chosen->index)},
                             {"URI", explanation.chosen->uri},
                             {"ADDRESS", explanation.chosen_address},
                             {"REMEMBERED", explanation.remembered ? 1 : 0}});
}

// ---- text -------------------------------------------------------------------------------------

std::string text_at(const Value& value, std::string_view name) {
    const Value* const found = value.find(name);
    if (found == nullptr) return {};
    if (const auto* text = found->get_if<std::string>()) return *text;
    if (const auto* number = found->get_if<std::int32_t>()) return std::to_string(*number);
    return {};
}

// Nothing that a terminal would obey.
void append_clean(std::string& out, char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\t' || (byte >= 0x20 && byte != 0x7f)) {
        out += c;
    } else {
        out += fmt::format("\\x{:02x}", byte);
    }
}

// A message as it is on the wire, but each line indented.
std::string shown(std::string_view message) {
    std::string out = "  ";
    for (std::size_t i = 0; i < message.size(); ++i) {
        if (message.substr(i, 2) == "\r\n") continue;
        if (message[i] != '\n') {
            append_clean(out, message[i]);
        } else if (i + 1 < message.size()) {
            out += "\n  ";
        }
    }
    return out + "\n";
}

void line(std::string& out, std::string_view name, const std::string& text) {
    if (text.empty()) return;
    out += fmt::format("{:<12} ", name);
    for (const char c : text) append_clean(out, c);
    out += '\n';
}

std::string listed(const Value& value, std::string_view name) {
    const Value* const list = value.find(name);
    std::string out;
    if (list == nullptr || list->members() == nullptr) return out;
    for (const Member& member : *list->members()) {
        out += fmt::format("{}[{}] {}", out.empty() ? "" : ", ", text_at(member.value, "INDEX"),
                           text_at(member.value, "URI"));
    }
    return out;
}

void unaddressed_line(std::string& out, const Value& value, std::string_view name,
                      std::string_view why) {
    const std::string count = text_at(value, fmt::format("{}_COUNT", name));
    if (count.empty()) return;
    line(out, "no address", fmt::format("{} {}: {}", count, why, listed(value, name)));
}

std::string chosen_line(const Value& value) {
    const Value* const choice = value.find("CHOICE");
    if (choice == nullptr) return value.find("SET") != nullptr ? "none" : "";
    return fmt::format("[{}] {} ({}){}", text_at(*choice, "INDEX"), text_at(*choice, "URI"),
                       text_at(*choice, "ADDRESS"),
                       text_at(*choice, "REMEMBERED") == "1" ? ", as before" : "");
}

}  // namespace

Struct value_of(const cp::Explanation& explanation) {
    Struct out{{"VERDICT", explanation.verdict},
               {"REASON", explanation.reason},
               {"SOURCE", explanation.source.text()},
               {"TARGET", explanation.target.text()},
               {"SERVICE", explanation.service}};
    if (explanation.request) out.add("CALL_ID", explanation.call_id);
    if (!explanation.rule.empty()) out.add("RULE", explanation.rule);
    if (!explanation.followed.empty()) out.add("FOLLOWED", explanation.followed);
    if (explanation.dispatched) add_choice(out, explanation);
    if (!explanation.sent.empty()) {
        out.add("FROM", explanation.sent_from.text())
            .add("TO", explanation.sent_to.text())
            .add("MESSAGE", explanation.sent);
    }
    return out;
}

std::string explanation_text(const Value& value) {
    std::string out;
    line(out, "verdict", text_at(value, "VERDICT") + ": " + text_at(value, "REASON"));
    line(out, "received", text_at(value, "SOURCE") + " -> " + text_at(value, "TARGET"));
    line(out, "service", text_at(value, "SERVICE"));
    line(out, "rule", text_at(value, "RULE"));
    line(out, "follows", text_at(value, "FOLLOWED"));
    line(out, "set", text_at(value, "SET"));
    if (const std::string number = text_at(value, "ALGORITHM"); !number.empty()) {
        line(out, "algorithm", number + " " + text_at(value, "ALGORITHM_NAME"));
    }
    line(out, "method", text_at(value, "METHOD"));
    line(out, "hashed", text_at(value, "HASHED"));
    if (const std::string hash = text_at(value, "HASH"); !hash.empty()) {
        line(out, "hash", hash);
        if (text_at(value, "SLOTS") != "0") {
            line(out, "slot", text_at(value, "SLOT") + " of " + text_at(value, "SLOTS"));
        }
    }
    if (const std::string count = text_at(value, "CANDIDATE_COUNT"); !count.empty()) {
        line(out, "candidates", count + " usable: " + listed(value, "CANDIDATES"));
    }
    line(out, "passed over", listed(value, "PASSED_OVER"));
    unaddressed_line(out, value, "NOT_UDP", "not selectable, as only UDP is spoken");
    unaddressed_line(out, value, "UNRESOLVED", "not selectable, as the name does not resolve");
    line(out, "choice", chosen_line(value));
    line(out, "failover", listed(value, "FAILOVER"));
    if (const std::string sent = text_at(value, "MESSAGE"); !sent.empty()) {
        line(out, "sent", text_at(value, "FROM") + " -> " + text_at(value, "TO"));
        out += '\n';
        out += shown(sent);
    }
    return out;
}

}  // namespace lb::rpc
