#include "cli/drain.h"

#include "cli/figures.h"

namespace lb::cli {

Result<std::string> drained_for_people(const rpc::Reply& reply) {
    if (reply.values.empty() || reply.values[0].find("DRAINING") == nullptr) {
        return failed(Errc::kInvalid, "the answer to siplane.drain is not one of siplane's");
    }
    const rpc::Value& all = reply.values[0];
    if (number_of(all, "DRAINING") == 0) return std::string("nobody is drained\n");
    Rows rows{{"set", "uri", "state", "drained for", "quiet for", "calls", "to it", "from it"}};
    for (const rpc::Member& one : members_of(all, "TARGETS")) {
        rows.push_back({text_of(one.value, "SET"), text_of(one.value, "URI"),
                        text_of(one.value, "FLAGS"), text_of(one.value, "DRAINING_S") + " s",
                        text_of(one.value, "QUIET_S") + " s", text_of(one.value, "CALLS"),
                        text_of(one.value, "REQUESTS"), text_of(one.value, "SENT")});
    }
    return in_columns(rows, {3, 4, 5, 6, 7});
}

}  // namespace lb::cli
