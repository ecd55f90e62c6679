#pragma once

// The commands of siplanectl that need more than the daemon's answer: the control plane's own code
// on this host's files. siplanectl runs the program siplanectl-local for them.
//
// Each gets the words behind its name (argv[0] is the name) and returns the exit status: 0 fine, 1
// failed or something is bad, else one of cp/rpc/command_line.h.

namespace lb::cp {

int explain_command(int argc, char** argv);
int dispatcher_command(int argc, char** argv);
int doctor_command(int argc, char** argv);

inline constexpr const char* kDefaultConfig = "/etc/siplane/siplane.toml";

}  // namespace lb::cp
