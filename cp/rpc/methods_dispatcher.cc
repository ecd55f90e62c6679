// dispatcher.*: what scripts and operators know from Kamailio, member by member in its order.

#include <algorithm>
#include <cctype>

#include "cp/rpc/long_list.h"
#include "cp/rpc/methods.h"
#include "dp/table/hash.h"

namespace lb::rpc {
namespace {

Reply invalid_parameters() { return Reply::failed(500, "Invalid Parameters"); }

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) ==
               std::tolower(static_cast<unsigned char>(y));
    });
}

Value text_or_null(std::string_view text) { return text.empty() ? Value(Null{}) : Value(text); }

// An IPv6 address stands in brackets, as in a URI.
std::string in_brackets(std::string_view address) {
    if (address.find(':') == std::string_view::npos) return std::string(address);
    return '[' + std::string(address) + ']';
}

void add_full(Struct& out, const cp::Destination& destination, bool newer) {
    const cp::EndpointList& endpoints = destination.endpoints;
    out.add("HOST", in_brackets(destination.host()))
        .add("IPADDR",
             endpoints.empty() ? std::string() : in_brackets(endpoints.front().address.text()))
        .add("PORT", static_cast<std::int32_t>(destination.port))
        .add("PROTOID", static_cast<std::int32_t>(destination.protocol))
        // When the name was last resolved anew: Kamailio leaves it at 0 unless ds_dns_ttl is set.
        .add("DNSTIME_SEC", 0.0)
        .add("DNSTIME_USEC", 0.0);
    if (!newer) return;
    out.add("OCRATE", destination.attrs.ocrate)
        .add("OCIDX", 0)
        .add("OCSEQ", 0)
        .add("OCTIME_SEC", 0.0)
        .add("OCTIME_USEC", 0.0);
}

Struct attrs_of(const cp::Destination& destination, bool newer) {
    const cp::Attributes& attrs = destination.attrs;
    Struct out;
    out.add("BODY", attrs.body).add("DUID", text_or_null(attrs.duid()));
    if (newer) out.add("PROBING_COUNT", static_cast<std::int32_t>(destination.probing_count));
    out.add("MAXLOAD", attrs.maxload)
        .add("WEIGHT", attrs.weight)
        .add("RWEIGHT", attrs.rweight)
        .add("SOCKET", text_or_null(attrs.socket()))
        .add("SOCKNAME", text_or_null(attrs.sockname()));
    if (newer) out.add("PING_SOCKET", text_or_null(attrs.ping_socket()));
    out.add("OBPROXY", text_or_null(attrs.obproxy()));
    if (newer) out.add("OCMIN", attrs.ocmin).add("OCMAX", attrs.ocmax);
    return out;
}

Struct latency_of(const cp::Latency& latency) {
    return Struct{{"AVG", static_cast<double>(latency.average)},
                  {"STD", static_cast<double>(latency.stdev)},
                  {"EST", static_cast<double>(latency.estimate)},
                  {"MAX", latency.max},
                  {"TIMEOUT", static_cast<std::int32_t>(latency.timeout)}};
}

Struct set_of(const cp::DestinationSet& set, ListMode mode, const cp::DispatcherOptions& options) {
    List targets;
    targets.members.reserve(set.members.size());
    std::int32_t index = 0;
    for (const cp::Destination& member : set.members) {
        targets.add("DEST", listed_destination(member, index++, mode, options));
    }
    return Struct{{"ID", set.id}, {"TARGETS", std::move(targets)}};
}

using SetState = Status (cp::Dispatcher::*)(std::int32_t, std::string_view, std::uint32_t);

Reply change_state(Context& context, const Params& params, SetState set_state) {
    const std::optional<std::string> state = params.text_or_integer(0);
    const std::optional<std::int32_t> group = params.integer(1);
    const std::optional<std::string> target = params.text(2);
    if (!state || !group || !target) return invalid_parameters();
    if (state->empty()) return Reply::failed(500, "Invalid State Parameter");
    const Result<std::uint32_t> bits = cp::parse_state(*state);
    if (!bits) return Reply::failed(500, "Unknown State Value");
    const Status done = (context.control.dispatcher().*set_state)(*group, *target, *bits);
    if (!done) return Reply::failed(500, "State Update Failed");
    context.control.dispatcher_changed();
    return Reply::of("Ok. Dispatcher state updated.");
}

// Optional trailing parameter: absent is fine, of another type is not.
bool read_optional(const Params& params, std::size_t at, std::int64_t& out) {
    if (params.size() <= at) return true;
    const std::optional<std::int32_t> value = params.integer(at);
    if (value) out = *value;
    return value.has_value();
}

bool read_optional(const Params& params, std::size_t at, std::string& out) {
    if (params.size() <= at) return true;
    const std::optional<std::string> value = params.text(at);
    if (value) out = *value;
    return value.has_value();
}

// With ds_load_mode = 0 Kamailio answers Ok to a destination that it refuses (golden/kamcmd
// s07/017).
bool passes_silently(Context& context, const Error& error) {
    const bool refused = error.code == Errc::kInvalid || error.code == Errc::kNotFound ||
                         error.code == Errc::kUnavailable;  // a host that does not resolve
    return refused && !context.control.dispatcher().options().load_mode_strict;
}

}  // namespace

ListMode list_mode(const Params& params) {
    const std::string text = params.text(0).value_or("");
    if (equals_ignoring_case(text, "short")) return ListMode::kShort;
    return equals_ignoring_case(text, "full") ? ListMode::kFull : ListMode::kNormal;
}

Struct listed_destination(const cp::Destination& destination, std::int32_t index, ListMode mode,
                          const cp::DispatcherOptions& options) {
    const bool newer = options.newer_output;
    Struct out;
    if (newer) out.add("IDX", index);
    out.add("URI", destination.uri)
        .add("FLAGS", cp::state_letters(destination.flags, newer))
        .add("PRIORITY", destination.priority);
    if (newer) out.add("IUID", std::to_string(static_cast<std::uint32_t>(destination.id)));
    if (mode == ListMode::kFull) add_full(out, destination, newer);
    const bool attrs = mode != ListMode::kShort && destination.attrs.given;
    if (attrs || (newer && mode == ListMode::kFull)) out.add("ATTRS", attrs_of(destination, newer));
    if (options.latency_stats) out.add("LATENCY", latency_of(destination.latency));
    if (options.call_load) {
        const std::uint32_t load = options.load_of ? options.load_of(destination.id) : 0;
        out.add("RUNTIME", Struct{{"DLGLOAD", static_cast<std::int32_t>(load)}});
    }
    return out;
}

Reply dispatcher_list(Context& context, const Params& params) {
    const cp::Dispatcher& dispatcher = context.control.dispatcher();
    const ListMode mode = list_mode(params);
    if (dispatcher.sets().empty()) return Reply::failed(500, "No Destination Sets");
    List records;
    for (const cp::DestinationSet& set : dispatcher.sets()) {
        records.add("SET", set_of(set, mode, dispatcher.options()));
    }
    return Reply::of(Struct{{"NRSETS", static_cast<std::int32_t>(dispatcher.sets().size())},
                            {"RECORDS", std::move(records)}});
}

Reply dispatcher_oclist(Context& context, const Params& params) {
    const std::optional<std::int32_t> group = params.integer(0);
    if (!group) return invalid_parameters();
    const cp::DestinationSet* set = context.control.dispatcher().find_set(*group);
    if (set == nullptr) return Reply::failed(404, "Destination Group Not Found");
    Reply reply;
    for (const cp::Destination& member : set->members) {
        reply.values.emplace_back(Struct{{"group", set->id},
                                         {"uri", member.uri},
                                         {"flags", cp::state_letters(member.flags, true)},
                                         {"priority", member.priority},
                                         {"ocrate", member.attrs.ocrate},
                                         {"ocidx", 0},
                                         {"ocseq", 0},
                                         {"octime_sec", 0.0},
                                         {"octime_usec", 0.0},
                                         {"ocmin", member.attrs.ocmin},
                                         {"ocmax", member.attrs.ocmax}});
    }
    return reply;
}

Reply dispatcher_reload(Context& context, const Params&) {
    if (!context.control.try_start_reload()) return Reply::failed(500, "Ongoing reload");
    const Status loaded = context.control.reload();
    if (!loaded) return Reply::failed(500, "Reload Failed", loaded.error().message);
    return Reply::of("Ok. Dispatcher successfully reloaded.");
}

Reply dispatcher_set_state(Context& context, const Params& params) {
    return change_state(context, params, &cp::Dispatcher::set_state);
}

Reply dispatcher_set_duid_state(Context& context, const Params& params) {
    return change_state(context, params, &cp::Dispatcher::set_duid_state);
}

Reply dispatcher_ping_active(Context& context, const Params& params) {
    const std::int32_t old_state = context.control.ping_active();
    const std::optional<std::int32_t> state = params.integer(0);
    if (!state || *state == -1) return Reply::of(Struct{{"OldPingState", old_state}});
    context.control.set_ping_active(*state);
    return Reply::of(Struct{{"NewPingState", *state}, {"OldPingState", old_state}});
}

Reply dispatcher_add(Context& context, const Params& params) {
    // The clock is stamped before anything is looked at, also if the command then fails.
    if (!context.control.try_start_reload()) return Reply::failed(500, "Ongoing reload");
    const std::optional<std::int32_t> group = params.integer(0);
    const std::optional<std::string> uri = params.text(1);
    cp::DestinationRow row;
    if (!group || !uri || !read_optional(params, 2, row.flags) ||
        !read_optional(params, 3, row.priority) || !read_optional(params, 4, row.attrs)) {
        return invalid_parameters();
    }
    row.setid = *group;
    row.destination = *uri;
    row.origin = "dispatcher.add";
    const Status added = context.control.add_destination(row);
    if (!added && !passes_silently(context, added.error())) {
        return Reply::failed(500, "Adding dispatcher dst failed", added.error().message);
    }
    return Reply::of("Ok. Dispatcher destination added.");
}

Reply dispatcher_remove(Context& context, const Params& params) {
    if (!context.control.try_start_reload()) return Reply::failed(500, "Ongoing reload");
    const std::optional<std::int32_t> group = params.integer(0);
    const std::optional<std::string> uri = params.text(1);
    if (!group || !uri) return invalid_parameters();
    const Status removed = context.control.remove_destination(*group, *uri);
    if (!removed) {
        return Reply::failed(500, "Removing dispatcher dst failed", removed.error().message);
    }
    return Reply::of("Ok. Dispatcher destination removed.");
}

Reply dispatcher_hash(Context&, const Params& params) {
    const std::optional<std::int32_t> slots = params.integer(0);
    const std::optional<std::string> first = params.text(1);
    std::string second;
    if (!slots || !first || !read_optional(params, 2, second)) return invalid_parameters();
    const std::uint32_t hash = table::dispatcher_hash(*first, second);
    const std::uint32_t slot = *slots > 0 ? hash % static_cast<std::uint32_t>(*slots) : 0;
    return Reply::of(Struct{{"hashid", hash}, {"slot", static_cast<std::int32_t>(slot)}});
}

}  // namespace lb::rpc
