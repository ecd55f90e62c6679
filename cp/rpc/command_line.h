#pragma once

// What our programs do alike with their command lines. Beside the RPC client because that is what
// both siplanectl and the control plane's own commands may include.

#include <CLI/CLI.hpp>
#include <optional>

namespace lb::rpc {

inline constexpr int kUsageStatus = 2;  // wrong words or options: nothing was done

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

}  // namespace lb::rpc
