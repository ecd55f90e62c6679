#include "cp/explain_lines.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "cp/explain_tables.h"
#include "dp/core/checks.h"
#include "dp/sip/parser.h"
#include "dp/table/random.h"

namespace lb::cp {
namespace {

using nlohmann::json;
using ordered = nlohmann::ordered_json;

constexpr std::int32_t kSet = 1;

// For lines that only say how many requests there are.
constexpr std::string_view kPlainMessage =
    "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    "From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
    "Content-Length: 0\r\n\r\n";

// What makes two lines the same table.
std::string key_of(const json& line) {
    json key;
    for (const char* name : {"set", "alg", "flags", "hash_pvar", "use_default", "set_state"}) {
        if (line.contains(name)) key[name] = line.at(name);
    }
    return key.dump();
}

std::string text_of(const json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::int64_t number_of(const json& line, const char* name, std::int64_t otherwise) {
    if (!line.contains(name)) return otherwise;
    const json& value = line.at(name);
    return value.is_boolean() ? std::int64_t{value.get<bool>()} : value.get<std::int64_t>();
}

Result<std::vector<DestinationRow>> rows_of(const json& set) {
    std::vector<DestinationRow> rows;
    for (const json& item : set) {
        DestinationRow row;
        row.setid = kSet;
        row.origin = fmt::format("destination {} of the set", rows.size() + 1);
        row.destination = item.at("uri").get<std::string>();
        row.flags = number_of(item, "flags", 0);
        row.priority = number_of(item, "priority", 0);
        row.attrs = item.value("attrs", "");
        rows.push_back(std::move(row));
    }
    return rows;
}

// As route() would refuse it, or empty.
std::string defect(std::string_view text, sip::Message& message) {
    if (const sip::Error error = sip::parse(text, message); error != sip::Error::kNone) {
        return std::string(sip::error_text(error));
    }
    if (message.is_reply()) return "a reply is not dispatched";
    return core::read_addresses(message) ? "" : "From or To does not parse";
}

ordered failure(const std::string& why) {
    ordered out;
    out["selected"] = nullptr;
    out["error"] = why;
    return out;
}

// The set of the lines so far, and where selection stands in it.
class LineTable {
public:
    static Result<LineTable> create(const json& line) {
        OfflineSource source;
        source.list_file = "none";  // the rows are in the line
        source.set = kSet;
        source.algorithm = line.contains("alg") ? text_of(line.at("alg")) : "0";
        source.flags = static_cast<std::uint32_t>(number_of(line, "flags", 0));
        source.hash_pvar = line.value("hash_pvar", "");
        source.use_default = number_of(line, "use_default", 0) != 0;
        auto config = offline_config(source);
        if (!config) return failed(config.error());
        auto rows = rows_of(line.at("set"));
        if (!rows) return failed(rows.error());
        auto tables = offline_tables(*config, *rows);
        if (!tables) return failed(tables.error());
        LineTable out;
        out.algorithm_ = config->services.at(0).algorithm;
        out.warnings_ = std::move(tables->warnings);
        out.tables_ = std::move(tables->tables);
        if (line.contains("set_state")) out.set_states(line.at("set_state"));
        return out;
    }

    const table::Set* set() const { return dispatch().find_set(kSet); }
    std::string_view uri(std::uint32_t index) const {
        return set()->texts[set()->members[index].text].uri;
    }
    const std::vector<std::string>& warnings() const noexcept { return warnings_; }
    const table::Dispatch& dispatch() const { return *tables_.dispatch; }

    // The next request in this set.
    core::Choice choose(const sip::Message& message, core::Trace& trace, core::Detail detail) {
        if (set() == nullptr) return {};
        const Endpoint source = Endpoint::parse("192.0.2.1:5060").value();
        const core::Question question{message, source, 0, dispatch(), *set(), algorithm_};
        const core::Choice choice = core::explain(question, *state_, cursors_, trace, detail);
        table::next_random(state_->random);
        return choice;
    }

private:
    // dispatcher.set_state: a new generation with other states, pointers as they are.
    void set_states(const json& commands) {
        table::Dispatch::Input input;
        input.listeners = dispatch().listeners();
        input.services = dispatch().services();
        input.sets = dispatch().sets().copy();
        input.select = dispatch().select_options();
        input.previous = &dispatch();
        for (const json& command : commands) {
            const Result<std::uint32_t> bits = parse_state(command.at(0).get<std::string>());
            for (table::Set& changed : input.sets) {
                for (table::Member& member : changed.members) {
                    if (bits &&
                        changed.texts[member.text].uri == command.at(1).get<std::string_view>())
                        member.flags = *bits;
                }
            }
        }
        tables_.dispatch = table::Dispatch::build(std::move(input));
    }

    table::Tables tables_;
    table::Algorithm algorithm_ = table::Algorithm::kCallId;
    std::vector<std::string> warnings_;
    table::Cursors cursors_;
    std::unique_ptr<core::WorkerState> state_ = std::make_unique<core::WorkerState>();
};

void add_trace(const LineTable& table, const core::Choice& choice, const core::Trace& trace,
               ordered& out) {
    out["method"] = trace.method;
    if (trace.has_hash) {
        out["hashed"] = trace.hashed;
        out["hash"] = trace.hash;
        if (trace.members != 0) out["slot"] = trace.slot;
    }
    if (!choice) return;
    out["index"] = choice.index;
    if ((table.dispatch().select_options().flags & 2) == 0) return;
    ordered failover = ordered::array();
    for (const std::uint32_t index : trace.failover) failover.push_back(table.uri(index));
    out["failover"] = std::move(failover);
}

}  // namespace

struct LineExplainer::Impl {
    AskTables ask;
    std::string key;
    std::optional<LineTable> table;

    ordered answer_set(const json& line);
    ordered answer_tables(const json& line);
    ordered answer(const json& line);
};

ordered LineExplainer::Impl::answer_set(const json& line) {
    if (std::string wanted = key_of(line); wanted != key || !table) {
        table.reset();
        Result<LineTable> made = LineTable::create(line);
        if (!made) return failure(made.error().message);
        table = std::move(*made);
        key = std::move(wanted);
    }
    const std::string text = line.value("msg", std::string(kPlainMessage));
    sip::Message message;
    if (const std::string why = defect(text, message); !why.empty()) return failure(why);

    const std::int64_t calls = number_of(line, "calls", 1);
    if (calls < 1 || calls > static_cast<std::int64_t>(kCallsMax))
        return failure("calls: 1 to 1000000");
    ordered out;
    out["selected"] = nullptr;
    std::map<std::string, std::int64_t> counts;
    for (std::int64_t i = 0; i < calls; ++i) {
        core::Trace trace;
        const core::Choice choice = table->choose(
            message, trace, calls == 1 ? core::Detail::kLists : core::Detail::kChoice);
        const std::string selected(choice ? table->uri(choice.index) : "none");
        if (calls > 1) ++counts[selected];
        if (choice) out["selected"] = selected;
        if (calls == 1) add_trace(*table, choice, trace, out);
    }
    if (calls > 1) out["counts"] = counts;
    if (!table->warnings().empty()) out["warnings"] = table->warnings();
    return out;
}

ordered LineExplainer::Impl::answer_tables(const json& line) {
    if (!ask) return failure("a line without a set, and no table to ask");
    const LineQuestion question{line.at("msg"), line.value("source", ""),
                                line.value("service", "")};
    const Result<LineAnswer> answered = ask(question);
    if (!answered) return failure(answered.error().message);
    ordered out;
    out["selected"] = nullptr;
    if (!answered->selected.empty()) out["selected"] = answered->selected;
    out["verdict"] = answered->verdict;
    out["reason"] = answered->reason;
    return out;
}

ordered LineExplainer::Impl::answer(const json& line) {
    if (!line.is_object()) return failure("not a JSON object");
    if (line.contains("set")) return answer_set(line);
    if (line.contains("msg")) return answer_tables(line);
    return failure("neither \"set\" nor \"msg\"");
}

LineExplainer::LineExplainer(AskTables ask) : impl_(std::make_unique<Impl>()) {
    impl_->ask = std::move(ask);
}

LineExplainer::~LineExplainer() = default;

std::string LineExplainer::answer(std::string_view line) {
    ordered out;
    try {
        out = impl_->answer(json::parse(line));
    } catch (const json::exception& error) {
        out = failure(error.what());
    }
    return out.dump(-1, ' ', false, ordered::error_handler_t::replace);
}

}  // namespace lb::cp
