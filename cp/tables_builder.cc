#include "cp/tables_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "cp/list_file.h"
#include "cp/socket_text.h"
#include "cp/store.h"
#include "dp/sip/parser.h"

namespace lb::cp {
namespace {

constexpr std::uint16_t kSipPort = 5060;

// "10.77.0.1", "10.77.0.1:5061", "[fd77::1]": the port is left out where it is SIP's own
// (spec 7.2, 7.6).
std::string sent_by(const Endpoint& endpoint) {
    if (endpoint.port != kSipPort) return endpoint.text();
    const std::string address = endpoint.address.text();
    return endpoint.address.is_ipv6() ? "[" + address + "]" : address;
}

table::Service make_service(const ServiceConfig& config) {
    table::Service out;
    out.name = config.name;
    out.set = config.set;
    out.algorithm = config.algorithm;
    out.rules = config.rules;
    out.no_destination_code = config.no_destination_code;
    out.no_destination_reason = config.no_destination_reason;
    out.record_route = config.record_route;
    out.enable_full_lr = config.enable_full_lr;
    out.path = config.path;
    out.set_host = config.set_host;
    out.nat = config.nat;
    out.server_header = config.server_header;
    return out;
}

table::ListenerIndex find_name(const std::vector<table::Listener>& listeners,
                               std::string_view name) {
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        if (sip::iequals(listeners[i].name, name)) return static_cast<table::ListenerIndex>(i);
    }
    return table::kNoListener;
}

table::ListenerIndex find_socket(const std::vector<table::Listener>& listeners,
                                 std::string_view text) {
    const auto endpoint = parse_socket(text);
    for (std::size_t i = 0; endpoint && i < listeners.size(); ++i) {
        if (listeners[i].endpoint == *endpoint) return static_cast<table::ListenerIndex>(i);
    }
    return table::kNoListener;
}

Status check(const std::vector<table::Listener>& listeners, std::size_t services) {
    if (listeners.size() >= table::kNoListener || services > kServicesMax) {
        return failed(Errc::kExhausted, fmt::format("{} listeners in {} services are too many",
                                                    listeners.size(), services));
    }
    std::set<Endpoint> seen;
    for (const table::Listener& listener : listeners) {
        if (!seen.insert(listener.endpoint).second) {
            return failed(Errc::kInvalid,
                          fmt::format("two listeners at {}", listener.endpoint.text()));
        }
    }
    return {};
}

}  // namespace

Result<RowTable> load_rows(const DispatcherConfig& config, IfMissing missing) {
    if (config.db_url.empty()) return load_list_file(config.list_file);
    auto store = Store::open(
        config, missing == IfMissing::kCreate ? Store::Mode::kReadWrite : Store::Mode::kExisting);
    if (!store) return failed(std::move(store).error());
    return store->table();
}

DispatcherOptions dispatcher_options(const Config& config) {
    const DispatcherConfig& from = config.dispatcher;
    DispatcherOptions out;
    out.load_mode_strict = from.ds_load_mode == 1;
    out.reload_keeps_state = from.reload_keeps_state;
    out.attrs_none = from.ds_attrs_none;
    out.dns_mode = from.ds_dns_mode;
    out.probing_mode = from.ds_probing_mode;
    out.probing_threshold = from.ds_probing_threshold;
    out.inactive_threshold = from.ds_inactive_threshold;
    // A destination is held back only where a probe will let it go.
    out.hold_until_probed = from.hold_until_probed && from.ds_ping_interval > 0;
    out.latency_stats = from.ds_ping_latency_stats;
    out.retain_latency = from.ds_retain_latency_stats;
    out.latency_alpha = from.ds_latency_estimator_alpha;
    out.call_load = from.ds_hash_size > 0;
    out.newer_output = config.compat == Compat::k61;
    const auto listeners =
        std::make_shared<const std::vector<table::Listener>>(make_listeners(config));
    out.is_local_socket = [listeners](std::string_view text) {
        return find_socket(*listeners, text) != table::kNoListener;
    };
    out.is_local_sockname = [listeners](std::string_view name) {
        return find_name(*listeners, name) != table::kNoListener;
    };
    return out;
}

std::vector<table::Listener> make_listeners(const Config& config) {
    std::vector<table::Listener> out;
    for (std::uint32_t service = 0; service < config.services.size(); ++service) {
        for (const ListenConfig& listen : config.services[service].listen) {
            const std::string address = sent_by(listen.endpoint);
            table::Listener& made = out.emplace_back();
            made.endpoint = listen.endpoint;
            made.name = listen.name;
            made.service = service;
            made.via = "Via: SIP/2.0/UDP " + address + ";branch=";
            made.record_route_uri = "<sip:" + address;
        }
    }
    return out;
}

table::ListenerIndex listener_of(const std::vector<table::Listener>& listeners,
                                 const DispatcherConfig& config, const Attributes& attrs) {
    if (!attrs.sockname().empty()) return find_name(listeners, attrs.sockname());
    if (!attrs.socket().empty()) return find_socket(listeners, attrs.socket());
    if (!config.ds_default_sockname.empty()) {
        return find_name(listeners, config.ds_default_sockname);
    }
    if (!config.ds_default_socket.empty()) return find_socket(listeners, config.ds_default_socket);
    return table::kNoListener;
}

Result<std::unique_ptr<const table::Dispatch>> build_dispatch(const Config& config,
                                                              const Dispatcher& dispatcher,
                                                              const DispatchCarry& carry) {
    if (carry.states_only && carry.previous != nullptr) {
        const auto listener = [&](const Attributes& attrs) {
            return listener_of(carry.previous->listeners(), config.dispatcher, attrs);
        };
        auto changed = dispatcher.changed_sets(carry.previous->origin(), listener);
        if (changed) {
            return table::Dispatch::with_changed(*carry.previous, std::move(*changed),
                                                 dispatcher.origin());
        }
    }
    table::Dispatch::Input input;
    input.listeners = make_listeners(config);
    if (Status status = check(input.listeners, config.services.size()); !status) {
        return failed(status.error());
    }
    for (const ServiceConfig& service : config.services) {
        input.services.push_back(make_service(service));
    }
    for (std::size_t i = 0; i < input.listeners.size(); ++i) {
        input.services[input.listeners[i].service].listeners.push_back(
            static_cast<table::ListenerIndex>(i));
    }
    input.sets = dispatcher.table_sets([&](const Attributes& attrs) {
        return listener_of(input.listeners, config.dispatcher, attrs);
    });
    input.select.flags = config.dispatcher.flags;
    input.select.use_default = config.dispatcher.use_default;
    input.select.hash_pvar = config.dispatcher.hash_pvar;
    input.previous = carry.previous;
    input.cursors = carry.cursors;
    input.workers = carry.workers;
    input.seed = carry.seed;
    input.calls = carry.calls;
    input.origin = dispatcher.origin();
    return table::Dispatch::build(std::move(input));
}

}  // namespace lb::cp
