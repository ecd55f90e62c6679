#include "tests/bench/relay/bench_appliance.h"

#include <string>
#include <vector>

#include "tests/bench/relay/workload.h"

namespace lb::bench {

std::unique_ptr<test::Appliance> make_bench_appliance() {
    auto made = std::make_unique<test::Appliance>();
    made->network.interfaces[0].mac = kServiceMac;
    made->listen(std::string(kService4) + ":5060", 0);
    made->listen("[fd77::1]:5060", 1);
    static_assert(kService6 == "fd77::1");
    std::vector<std::string> ipv4, ipv6;
    for (unsigned i = 0; i < kDestinations; ++i) {
        ipv4.push_back(destination_address(i, false) + ":5060");
        ipv6.push_back(destination_address(i, true).insert(0, 1, '[') + "]:5060");
        made->add_neighbour(destination_address(i, false));
        made->add_neighbour(destination_address(i, true));
    }
    made->add_set(1, ipv4);
    made->add_set(2, ipv6);
    made->dispatch.services[0].set = 1;
    made->dispatch.services[1].set = 2;
    for (const char* gateway : {"10.77.0.254", "fd77::fe"}) {
        made->add_neighbour(gateway);
        const IpAddress address = *IpAddress::parse(gateway);
        made->network.routes.push_back(
            {*Prefix::parse(address.is_ipv4() ? "0.0.0.0/0" : "::/0"), 0, address, 0});
    }
    made->tables.secret = bench_secret();
    made->build();
    return made;
}

}  // namespace lb::bench
