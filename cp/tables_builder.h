#pragma once

// From configuration and destinations to what the workers read. Pure: same arguments, same tables.

#include <memory>
#include <string_view>
#include <vector>

#include "cp/config.h"
#include "cp/dispatcher.h"
#include "dp/base/result.h"
#include "dp/table/tables.h"

namespace lb::cp {

// The rows of the source that `config` names: database or list file. A database or table that is
// missing is an error, or made, empty, for a daemon that starts.
enum class IfMissing : bool { kFail, kCreate };
Result<RowTable> load_rows(const DispatcherConfig& config, IfMissing missing = IfMissing::kFail);

// What [dispatcher] asks of the model; `socket` attributes are checked against the listeners of
// `config`, which is copied.
DispatcherOptions dispatcher_options(const Config& config);

// One listener per listen address, services in order: what ListenerIndex counts.
std::vector<table::Listener> make_listeners(const Config& config);

// The listener that `attrs` (sockname before socket), else ds_default_sockname, else
// ds_default_socket name; kNoListener if none does, or the name is unknown.
table::ListenerIndex listener_of(const std::vector<table::Listener>& listeners,
                                 const DispatcherConfig& config, const Attributes& attrs);

// What one generation takes over from the one before, see table::Dispatch::Input.
struct DispatchCarry {
    const table::Dispatch* previous = nullptr;
    std::shared_ptr<table::CursorBlock> cursors;  // null: new ones
    // Nothing but states, addresses and figures of destinations may have changed since `previous`,
    // neither services nor options: then only the sets in which something did are made anew.
    bool states_only = false;
    std::size_t workers = 1;
    std::uint64_t seed = 0x5eed;
    std::shared_ptr<table::CallLoad> calls;
};

// Listeners, services and sets as one immutable object. Fails on more listeners or services than
// the bounds allow, or two listeners at one address.
Result<std::unique_ptr<const table::Dispatch>> build_dispatch(const Config& config,
                                                              const Dispatcher& dispatcher,
                                                              const DispatchCarry& carry = {});

}  // namespace lb::cp
