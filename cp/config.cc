#include "cp/config.h"

#include <algorithm>

namespace lb::cp {

std::int32_t Config::probe_timeout_ms() const noexcept {
    std::int32_t timeout = tm.fr_timer;
    if (dispatcher.ds_ping_fr_timer > 0) timeout = dispatcher.ds_ping_fr_timer * 1000 / 16;
    if (dispatcher.ping_timeout_ms > 0) timeout = dispatcher.ping_timeout_ms;
    return std::min(timeout, tm.max_noninv_lifetime);
}

}  // namespace lb::cp
