// siplanectl-local: see commands.h.

#include <cstdio>
#include <cstring>

#include "cp/local/commands.h"
#include "cp/rpc/command_line.h"

namespace {

struct Entry {
    const char* name;
    int (*run)(int argc, char** argv);
};

constexpr Entry kCommands[] = {
    {"explain", lb::cp::explain_command},
    {"dispatcher", lb::cp::dispatcher_command},
    {"doctor", lb::cp::doctor_command},
};

}  // namespace

int main(int argc, char** argv) {
    for (const Entry& entry : kCommands) {
        if (argc > 1 && std::strcmp(argv[1], entry.name) == 0) {
            return lb::rpc::status_of_output(entry.run(argc - 1, argv + 1));
        }
    }
    std::fprintf(stderr,
                 "siplanectl-local: run siplanectl explain, dispatcher or doctor instead\n");
    return lb::rpc::kUsageStatus;
}
