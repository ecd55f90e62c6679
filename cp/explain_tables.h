#pragma once

// The tables that the workers would have, made from a database, a list file or a whole
// configuration, with no daemon: what explaining offline and previews of a change need.
//
// Cost: a full load of the source. Host names of destinations are looked up by the system's
// resolver, which waits.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cp/config.h"
#include "cp/dispatcher.h"
#include "dp/base/result.h"
#include "dp/table/tables.h"

namespace lb::cp {

// What the command line says. Without `config_file` there is one service, "explain", on one made-up
// address of each family.
struct OfflineSource {
    std::string config_file;
    std::string db_url, list_file;  // instead of the configuration's own
    std::optional<std::int32_t> set;
    std::string algorithm;  // number or name
    std::optional<std::uint32_t> flags;
    std::optional<std::string> hash_pvar;
    std::optional<bool> use_default;
};

// Addresses of a name by the system's resolver, which waits; a literal is its own.
Result<std::vector<Endpoint>> system_look_up(const DestinationUri& uri);

Result<Config> offline_config(const OfflineSource& source);

struct OfflineTables {
    table::Tables tables;
    std::size_t destinations = 0;
    std::vector<std::string> warnings;  // rows refused or put right, a secret that cannot be read
};
Result<OfflineTables> offline_tables(const Config& config);
// From rows that the caller has.
Result<OfflineTables> offline_tables(const Config& config, const RowTable& rows);

}  // namespace lb::cp
