// siplaned: the daemon. Exit status: 0 after SIGTERM or a good --check, 1 if it cannot start, 2 on
// a configuration error, which is named as file:line: key, or on a wrong option.

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "cp/appliance.h"
#include "cp/log.h"
#include "cp/rpc/command_line.h"
#include "cp/tables_builder.h"

namespace lb::cp {
namespace {

constexpr int kFailed = 1;
constexpr int kBadConfig = 2;

int complain(const Error& error, int status) {
    std::fprintf(stderr, "siplaned: %s\n", error.message.c_str());
    return status;
}

// What can be said without touching the machine: values and listeners.
Status check(const Config& config) {
    const Dispatcher empty(dispatcher_options(config));
    auto built = build_dispatch(config, empty);
    if (!built) return failed(Errc::kInvalid, config.file + ": " + built.error().message);
    return {};
}

int serve(Config config) {
    set_up_log(config.log);
    for (const std::string& warning : config.warnings) {
        log(LogLevel::kWarning, "config.warning", {{"text", warning}});
    }
    std::signal(SIGPIPE, SIG_IGN);
    auto appliance = Appliance::create(std::move(config));
    if (!appliance) return complain(appliance.error(), kFailed);
    if (const Status ended = (*appliance)->run(); !ended) return complain(ended.error(), kFailed);
    return 0;
}

int run(int argc, char** argv) {
    std::string file = "/etc/siplane/siplane.toml";
    bool only_check = false;
    CLI::App app("SIP-over-UDP load balancer", "siplaned");
    app.add_option("-c,--config", file, "configuration file")->capture_default_str();
    app.add_flag("--check", only_check, "check the configuration and exit");
    app.set_version_flag("-V,--version", "siplaned " SIPLANE_VERSION);
    if (const auto status = rpc::parse_command_line(app, argc, argv)) return *status;

    auto config = load_config(file);
    if (!config) return complain(config.error(), kBadConfig);
    if (const Status good = check(*config); !good) return complain(good.error(), kBadConfig);
    if (!only_check) return serve(std::move(*config));
    for (const std::string& warning : config->warnings) {
        std::fprintf(stderr, "siplaned: warning: %s\n", warning.c_str());
    }
    std::printf("%s: good: %zu ports, %zu services\n", file.c_str(), config->ports.size(),
                config->services.size());
    return 0;
}

}  // namespace
}  // namespace lb::cp

int main(int argc, char** argv) {
    try {
        return lb::cp::run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "siplaned: %s\n", error.what());
        return 1;
    }
}
