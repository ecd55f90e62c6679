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

// The rows of the source that `config` names: database or list file.
Result<std::vector<DestinationRow>> load_rows(const DispatcherConfig& config);

// What [dispatcher] asks of the model; `socket` attributes are checked against the listeners of
// `config`, which is copied.
DispatcherOptions dispatcher_options(const Config& config);

// One listener per listen address, services in order: what ListenerIndex counts.
std::vector<table::Listener> make_listeners(const Config& config);

// The listener that `attrs` (sockname before socket), else ds_default_sockname, else
// ds_default_socket name; kNoListener if none does, or the name is unknown.
table::ListenerIndex listener_of(const std::vector<table::Listener>& listeners,
                                 const DispatcherConfig& config, const Attributes& attrs);

// Listeners, services and sets as one immutable object. Fails on more listeners or services than
// the bounds allow, or two listeners at one address.
Result<std::unique_ptr<const table::Dispatch>> build_dispatch(const Config& config,
                                                              const Dispatcher& dispatcher);

}  // namespace lb::cp
