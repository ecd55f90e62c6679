#include "cp/rpc/methods.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>

namespace lb::rpc {
namespace {

constexpr std::size_t kThreadsShown = 1024;

std::string ctime_text(std::time_t when) {
    std::tm parts{};
    char text[64];
    localtime_r(&when, &parts);
    // As ctime() writes it, without its newline and without its locale.
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::snprintf(text, sizeof text, "%s %s %2d %02d:%02d:%02d %d", kDays[parts.tm_wday],
                  kMonths[parts.tm_mon], parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                  parts.tm_year + 1900);
    return text;
}

std::string platform() {
    utsname names{};
    if (uname(&names) != 0) return "unknown";
    std::string system = names.sysname;
    std::transform(system.begin(), system.end(), system.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return std::string(names.machine) + "/" + system;
}

struct Thread {
    std::int32_t id = 0;
    std::string name;
};

// Our threads take the place of Kamailio's processes.
std::vector<Thread> threads() {
    std::vector<Thread> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", error)) {
        if (found.size() >= kThreadsShown) break;
        Thread thread;
        const std::string id = entry.path().filename().string();
        std::from_chars(id.data(), id.data() + id.size(), thread.id);
        std::ifstream comm(entry.path() / "comm");
        std::getline(comm, thread.name);
        found.push_back(std::move(thread));
    }
    std::sort(found.begin(), found.end(),
              [](const Thread& a, const Thread& b) { return a.id < b.id; });
    return found;
}

// core.echo and core.prints and core.printi stop at the first parameter of a wrong type, and
// complain only if nothing came before it.
template <class Convert>
Reply print_all(const Params& params, Convert convert, std::string_view wanted) {
    Reply reply;
    for (std::size_t i = 0; i < params.size(); ++i) {
        const auto value = convert(i);
        if (value) {
            reply.values.emplace_back(*value);
            continue;
        }
        if (i == 0) return Reply::failed(400, params.complaint(i, wanted));
        break;
    }
    return reply;
}

Reply core_echo(Context&, const Params& params) {
    Reply reply = print_all(
        params, [&](std::size_t i) { return params.text_or_integer(i); }, params.type_name(0));
    if (reply.fault && params.type_name(0) == "float") {
        // What 5.6.3 says here is part of what its clients have seen.
        reply.fault->text = "error at parameter 0: expected float type but bug -- internal error";
    }
    return reply;
}

Reply core_prints(Context&, const Params& params) {
    return print_all(
        params, [&](std::size_t i) { return params.text(i); }, "string");
}

Reply core_printi(Context&, const Params& params) {
    return print_all(
        params, [&](std::size_t i) { return params.integer(i); }, "integer");
}

Reply core_version(Context&, const Params&) {
    // The blank at the end stands where Kamailio's build has its (empty) id.
    return Reply::of("siplane " SIPLANE_VERSION " (" + platform() + ") ");
}

Reply core_info(Context&, const Params&) {
    return Reply::of(Struct{{"version", "siplane " SIPLANE_VERSION},
                            {"id", "unknown "},
#ifdef __clang__
                            {"compiler", "clang " __clang_version__},
#else
                            {"compiler", "gcc " __VERSION__},
#endif
                            {"compiled", ""},
                            {"flags", "USE_UDP, USE_IPV6, DPDK, URCU_QSBR, SQLITE"}});
}

Reply core_uptime(Context& context, const Params&) {
    const std::time_t now = std::time(nullptr);
    const std::time_t start = static_cast<std::time_t>(context.control.start_time());
    return Reply::of(Struct{{"now", ctime_text(now)},
                            {"up_since", ctime_text(start)},
                            {"uptime", static_cast<std::int32_t>(now - start)}});
}

Reply core_ps(Context&, const Params&) {
    Reply reply;
    for (Thread& thread : threads()) {
        reply.values.emplace_back(thread.id);
        reply.values.emplace_back(std::move(thread.name));
    }
    return reply;
}

Reply core_psx(Context&, const Params&) {
    Reply reply;
    std::int32_t index = 0;
    for (Thread& thread : threads()) {
        reply.values.emplace_back(
            Struct{{"IDX", index++}, {"PID", thread.id}, {"DSC", std::move(thread.name)}});
    }
    return reply;
}

Reply ctl_connections(Context& context, const Params&) {
    return Reply::of(static_cast<std::int32_t>(context.sockets.connections().size()));
}

Reply ctl_listen(Context& context, const Params&) {
    Reply reply;
    for (SocketInfo& socket : context.sockets.listeners()) {
        reply.values.emplace_back("binrpc");
        reply.values.emplace_back(std::move(socket.transport));
        reply.values.emplace_back(std::move(socket.local));
        reply.values.emplace_back(std::move(socket.local_port));
    }
    return reply;
}

Reply ctl_who(Context& context, const Params&) {
    Reply reply;
    for (SocketInfo& socket : context.sockets.connections()) {
        reply.values.emplace_back("binrpc");
        reply.values.emplace_back(std::move(socket.transport));
        reply.values.emplace_back(std::move(socket.peer));
        reply.values.emplace_back(std::move(socket.peer_port));
        reply.values.emplace_back(std::move(socket.local));
        reply.values.emplace_back(std::move(socket.local_port));
    }
    if (reply.values.empty()) return Reply::failed(400, "no open stream connection");
    return reply;
}

Reply system_list_methods(Context& context, const Params&) {
    const bool newer = context.control.dispatcher().options().newer_output;
    Reply reply;
    for (const Method& method : methods()) {
        if (newer || !method.newer) reply.values.emplace_back(method.name);
    }
    return reply;
}

Reply system_method_help(Context&, const Params& params) {
    const std::optional<std::string> name = params.text(0);
    if (!name) return Reply::failed(400, "Method Name Expected");
    const Method* method = find_method(*name);
    if (method == nullptr) return Reply::failed(400, "command not found");
    return Reply::of(method->help);
}

Reply system_method_signature(Context&, const Params&) {
    return Reply::failed(500, "Not Implemented Yet");
}

constexpr std::array kMethods{
    Method{"core.echo", "Answers with its parameters, as strings.", core_echo, true},
    Method{"core.info", "Version, compiler and build of this program.", core_info},
    Method{"core.printi", "Answers with its integer parameters.", core_printi, true},
    Method{"core.prints", "Answers with its string parameters.", core_prints, true},
    Method{"core.ps", "Threads of this program: id and name.", core_ps, true},
    Method{"core.psx", "Threads of this program: index, id and name.", core_psx, true},
    Method{"core.uptime", "Time now, time of the start, and seconds between.", core_uptime},
    Method{"core.version", "Name and version of this program.", core_version},
    Method{"ctl.connections", "Number of open stream connections to the control sockets.",
           ctl_connections},
    Method{"ctl.listen", "Control sockets: protocol, transport, address, port.", ctl_listen, true},
    Method{"ctl.who", "Open stream connections: protocol, transport, client, our side.", ctl_who,
           true},
    Method{"dispatcher.add",
           "Add a destination until the next reload: group, URI, [flags], [priority], [attrs].",
           dispatcher_add},
    Method{"dispatcher.hash", "Compute the hash if the values", dispatcher_hash},
    Method{"dispatcher.list", "Return the content of dispatcher sets", dispatcher_list},
    Method{"dispatcher.oclist", "Overload control figures of a group.", dispatcher_oclist, true,
           true},
    Method{"dispatcher.ping_active", "Query or set whether destinations are probed: [0 or 1].",
           dispatcher_ping_active},
    Method{"dispatcher.reload", "Reload dispatcher destination sets", dispatcher_reload},
    Method{"dispatcher.remove", "Remove a destination until the next reload: group, URI.",
           dispatcher_remove},
    Method{"dispatcher.set_duid_state", "Set a destination's state: state, group, duid or all.",
           dispatcher_set_duid_state},
    Method{"dispatcher.set_state", "Set a destination's state: state, group, URI or all.",
           dispatcher_set_state},
    Method{"siplane.drain",
           "Let a destination take no new calls, or list those that do not: [group, URI, duid or "
           "all].",
           siplane_drain},
    Method{"siplane.explain",
           "Where a message would go, and why: message, [source], [service or target], [session].",
           siplane_explain},
    Method{"siplane.reload_preview",
           "Which share of calls a reload would move, and loads before and after: [sample size].",
           siplane_reload_preview},
    Method{"siplane.stats", "Counters of workers and ports, and drops by reason.", siplane_stats},
    Method{"siplane.tables", "What the workers' tables hold.", siplane_tables},
    Method{"siplane.trace",
           "Follow messages: start callid=TEXT|src=PEER|dst=PEER|all [seconds=N] [count=N] "
           "[file=NAME], stop, read [id] [after], status.",
           siplane_trace},
    Method{"siplane.traffic",
           "Destinations with most calls: state, calls, requests, latency: [how many].",
           siplane_traffic},
    Method{"siplane.undrain", "Let a destination take new calls again: group, URI, duid or all.",
           siplane_undrain},
    Method{"system.listMethods", "Names of all methods.", system_list_methods, true},
    Method{"system.methodHelp", "What a method does: name.", system_method_help},
    Method{"system.methodSignature", "Parameter types of a method: not supported.",
           system_method_signature},
};

constexpr bool in_order() {
    for (std::size_t i = 1; i < kMethods.size(); ++i) {
        if (!(kMethods[i - 1].name < kMethods[i].name)) return false;
    }
    return true;
}
static_assert(in_order(), "find_method() searches by halves, and kamcmd shows this order");

}  // namespace

std::span<const Method> methods() noexcept { return kMethods; }

const Method* find_method(std::string_view name) noexcept {
    const auto* at = std::lower_bound(
        kMethods.begin(), kMethods.end(), name,
        [](const Method& method, std::string_view key) { return method.name < key; });
    return at != kMethods.end() && at->name == name ? &*at : nullptr;
}

Reply call(Context& context, const Method& method, const Params& params) {
    Reply reply = method.call(context, params);
    reply.list = method.list;
    return reply;
}

Reply call(Context& context, std::string_view name, const Params& params) {
    const Method* method = find_method(name);
    if (method != nullptr) return call(context, *method, params);
    return Reply::failed(500, "command " + std::string(name) + " not found");
}

}  // namespace lb::rpc
