#pragma once

// What our programs do alike with their command lines. Beside the RPC client because that is what
// both siplanectl and the control plane's own commands may include.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

namespace lb::rpc {

inline constexpr int kUsageStatus = 2;        // wrong words or options: nothing was done
inline constexpr int kUnreachableStatus = 3;  // no daemon at that socket, or no answer in time
inline constexpr int kBadReplyStatus = 4;     // whatever answered is not siplaned
inline constexpr int kUnwrittenStatus = 5;    // standard output took not all of it

// Reads the words into what `app` describes. Nothing: go on. Otherwise the status to exit with,
// after what there is to say has been printed: 0 for --help and --version, kUsageStatus for a
// mistake.
inline std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsageStatus;
    }
    return std::nullopt;
}

// `seconds` has the default.
inline void add_timeout_option(CLI::App& app, int& seconds) {
    app.add_option("-t,--timeout", seconds, "Seconds to wait for an answer")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
}

// The status to exit with, after all has been printed: what was asked for and could not be written
// was not got.
inline int status_of_output(int status) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    std::fprintf(stderr, "siplanectl: the output could not be written\n");
    return kUnwrittenStatus;
}

}  // namespace lb::rpc
