#pragma once

// Every way in which our replies may differ from the recorded ones, with its reason. Whatever is
// not here must be equal byte for byte; the replay tests fail for a row that nothing needed.

#include <string_view>

namespace lb::test {

enum class Difference {
    kProduct,     // names this program instead of Kamailio, otherwise equal
    kShape,       // same members and types, values of our own
    kMethods,     // the list of our methods, in order, with all dispatcher.* of the recorded list
    kAddress,     // equal but for addresses and ports of the test
    kUnknown,     // the normal fault for an unknown method
    kDetail,      // same fault, with our third record behind it
    kOldTable,    // the list as it was before the refused reload
    kOrder,       // same sets and destinations; equal priorities stand in row order
    kNoLimit,     // the answer that Kamailio's limit kept back
    kTerminator,  // a string ends with its record
    kIpv6,        // one more destination: the one with an IPv6 address
};

struct AcceptedDifference {
    std::string_view session;  // "" : any
    std::string_view step;     // beginning of the step's name; "" : any
    std::string_view method;   // "" : any; a name, or a prefix ending in '.'
    Difference difference;
    std::string_view reason;
};

inline constexpr AcceptedDifference kAccepted[] = {
    {"", "", "core.version", Difference::kProduct, "names and numbers this program"},
    {"", "", "core.info", Difference::kShape, "names and numbers this program"},
    {"", "", "core.uptime", Difference::kShape, "time passes"},
    {"", "", "core.ps", Difference::kShape, "threads of this program, not Kamailio's processes"},
    {"", "", "core.psx", Difference::kShape, "threads of this program, not Kamailio's processes"},
    {"", "", "system.listMethods", Difference::kMethods, "only methods that do something here"},
    {"", "", "ctl.listen", Difference::kAddress, "the test listens elsewhere"},
    {"", "", "ctl.who", Difference::kAddress, "the test listens elsewhere"},
    {"s14-interactive-cfg-counters", "", "cfg.", Difference::kUnknown,
     "parameters change by configuration file and reload, not by cfg_rpc"},
    {"s14-interactive-cfg-counters", "", "cnt.", Difference::kUnknown,
     "counters are siplane.stats and /metrics"},
    {"s09-core-system", "024", "", Difference::kUnknown,
     "no answer at all for long names is a defect (design.md 11)"},
    {"s09-core-system", "025", "", Difference::kUnknown,
     "no answer at all for long names is a defect (design.md 11)"},
    {"s02-odd-rows", "", "dispatcher.list", Difference::kIpv6,
     "IPv6 destinations are served; the recorded Kamailio had no IPv6 listener"},
    {"s02-odd-rows", "003", "dispatcher.reload", Difference::kDetail, "the fault names the row"},
    {"s06-reload", "020", "dispatcher.reload", Difference::kDetail, "the fault names the row"},
    {"s06-reload", "022", "dispatcher.reload", Difference::kDetail, "the fault says what failed"},
    {"s06-reload", "021", "dispatcher.list", Difference::kOldTable,
     "a refused reload changes nothing (design.md 11)"},
    {"s06-reload", "023", "dispatcher.list", Difference::kOldTable,
     "a refused reload changes nothing (design.md 11)"},
    {"s07-add-remove", "045", "dispatcher.remove", Difference::kDetail, "the fault says why"},
    {"s03-set-order", "", "dispatcher.list", Difference::kOrder,
     "add and remove keep the order of rows (design.md 11)"},
    {"s05-reload-delta", "", "dispatcher.list", Difference::kOrder,
     "add and remove keep the order of rows (design.md 11)"},
    {"s07-add-remove", "", "dispatcher.list", Difference::kOrder,
     "add and remove keep the order of rows (design.md 11)"},
    {"s11-arguments", "015", "core.echo", Difference::kNoLimit, "no limit of 32 KiB on a reply"},
    {"s19-raw", "036", "core.echo", Difference::kTerminator,
     "reading on into the next record is a defect (spec/binrpc.md 6)"},
    {"s19-raw", "055", "core.echo", Difference::kTerminator,
     "reading on into the next record is a defect (spec/binrpc.md 6)"},
};

}  // namespace lb::test
