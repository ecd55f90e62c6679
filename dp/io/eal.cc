#include "dp/io/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace lb::io {

namespace {

bool has_arg(const std::vector<std::string>& args, std::string_view name) {
    return std::any_of(args.begin(), args.end(), [name](const std::string& arg) {
        return arg == name || arg.starts_with(std::string(name) + "=");
    });
}

// `-m 512` and `-m512`, but not `--master-lcore`.
bool has_memory_size(const std::vector<std::string>& args) {
    return std::any_of(args.begin(), args.end(),
                       [](const std::string& arg) { return arg.starts_with("-m"); });
}

// Keeps what DPDK logs while it starts, so that a failure can say why.
class LogCapture {
public:
    LogCapture() : stream_(::open_memstream(&text_, &size_)) {
        if (stream_ != nullptr) rte_openlog_stream(stream_);
    }
    ~LogCapture() {
        rte_openlog_stream(nullptr);
        if (stream_ != nullptr) std::fclose(stream_);
        std::free(text_);
    }
    LogCapture(const LogCapture&) = delete;
    LogCapture& operator=(const LogCapture&) = delete;

    // All lines as one: an Error has no newline.
    std::string text() {
        if (stream_ != nullptr) std::fflush(stream_);
        std::string line(text_ == nullptr ? "" : text_, size_);
        while (!line.empty() && line.back() == '\n') line.pop_back();
        for (std::size_t at = 0; (at = line.find('\n', at)) != std::string::npos;) {
            line.replace(at, 1, "; ");
        }
        return line;
    }

private:
    char* text_ = nullptr;
    std::size_t size_ = 0;
    std::FILE* stream_;
};

std::string describe_failure(LogCapture& log, const std::vector<std::string>& args) {
    std::string said = log.text();
    std::string message = "[eal] args: DPDK did not start: ";
    message += said.empty() ? rte_strerror(rte_errno) : said;
    if (has_arg(args, "--no-huge")) {
        message += " (without huge pages all memory comes from -m MEGABYTES)";
    }
    return message;
}

}  // namespace

std::size_t count_free_huge_pages() {
    std::size_t pages = 0;
    std::error_code error;
    for (const auto& size :
         std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
        std::size_t free = 0;
        if (std::ifstream(size.path() / "free_hugepages") >> free) pages += free;
    }
    return pages;
}

Result<std::vector<std::string>> plan_eal_args(std::vector<std::string> args,
                                               std::size_t free_huge_pages) {
    const bool no_huge = has_arg(args, "--no-huge");
    if (no_huge && has_arg(args, "--in-memory")) {
        return failed(Errc::kInvalid, "[eal] args: --no-huge and --in-memory exclude each other");
    }
    if (no_huge) {
        if (!has_memory_size(args)) args.insert(args.end(), {"-m", "512"});
        if (!has_arg(args, "--no-shconf")) args.emplace_back("--no-shconf");
        return args;
    }
    if (free_huge_pages == 0) {
        return failed(Errc::kUnavailable,
                      "[eal] args: no huge pages are free: reserve some (sysctl -w "
                      "vm.nr_hugepages=512), or add \"--no-huge\" to [eal] args (slower)");
    }
    const bool own_mode = has_arg(args, "--in-memory") || has_arg(args, "--huge-dir") ||
                          has_arg(args, "--file-prefix") || has_arg(args, "--huge-unlink") ||
                          has_arg(args, "--proc-type");
    if (!own_mode) args.emplace_back("--in-memory");
    return args;
}

Result<Eal> Eal::create(const std::vector<std::string>& args) {
    Result<std::vector<std::string>> planned = plan_eal_args(args, count_free_huge_pages());
    if (!planned) return failed(std::move(planned).error());
    planned->insert(planned->begin(), "siplane");

    std::vector<char*> argv;
    for (std::string& arg : *planned) argv.push_back(arg.data());
    argv.push_back(nullptr);

    LogCapture log;
    if (rte_eal_init(static_cast<int>(planned->size()), argv.data()) < 0) {
        return failed(Errc::kUnavailable, describe_failure(log, *planned));
    }
    return Eal();
}

Eal::~Eal() {
    if (owns_) rte_eal_cleanup();
}

std::vector<unsigned> Eal::worker_lcores() const {
    std::vector<unsigned> lcores;
    unsigned lcore;
    RTE_LCORE_FOREACH_WORKER(lcore) { lcores.push_back(lcore); }
    return lcores;
}

}  // namespace lb::io
