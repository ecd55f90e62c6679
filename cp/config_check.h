#pragma once

// What must hold between the parts of a configuration, beyond each key by itself.

#include "cp/config.h"
#include "cp/config_reader.h"

namespace lb::cp {

// Fills in what follows from other keys (listen addresses, the source of destinations) and checks
// the whole.
void complete_config(Config& config, ConfigLog& log);

}  // namespace lb::cp
