#include "cp/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace lb::cp {
namespace {

bool needs_quotes(std::string_view text) noexcept {
    return text.empty() || text.find_first_of(" \"=") != std::string_view::npos;
}

void append_value(std::string& line, std::string_view value) {
    const bool quoted = needs_quotes(value);
    if (quoted) line += '"';
    for (const char c : value) {
        if (c == '"' || c == '\\') line += '\\';
        line += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    }
    if (quoted) line += '"';
}

spdlog::level::level_enum to_spdlog(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::kDebug:
            return spdlog::level::debug;
        case LogLevel::kInfo:
            return spdlog::level::info;
        case LogLevel::kWarning:
            return spdlog::level::warn;
        case LogLevel::kError:
            break;
    }
    return spdlog::level::err;
}

const char* journal_prefix(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::kDebug:
            return "<7>";
        case LogLevel::kInfo:
            return "<6>";
        case LogLevel::kWarning:
            return "<4>";
        case LogLevel::kError:
            break;
    }
    return "<3>";
}

bool prefixed = false;  // stderr belongs to journald

}  // namespace

void set_up_log(const LogConfig& config) {
    std::shared_ptr<spdlog::sinks::sink> sink;
    const bool syslog = config.target == "syslog";
    prefixed = !syslog && std::getenv("JOURNAL_STREAM") != nullptr;
    if (syslog) {
        sink = std::make_shared<spdlog::sinks::syslog_sink_mt>("siplaned", 0, LOG_DAEMON, false);
    } else {
        sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    }
    auto logger = std::make_shared<spdlog::logger>("siplaned", std::move(sink));
    logger->set_pattern(syslog || prefixed ? "%v" : "%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    logger->set_level(spdlog::level::from_str(config.level));
    logger->flush_on(spdlog::level::trace);  // few lines, each of them wanted at once
    spdlog::set_default_logger(std::move(logger));
}

std::string log_line(std::string_view event, std::initializer_list<LogField> fields) {
    std::string line(event);
    for (const LogField& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_value(line, field.value);
    }
    return line;
}

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
    const std::string line = log_line(event, fields);
    spdlog::log(to_spdlog(level), "{}{}", prefixed ? journal_prefix(level) : "", line);
}

}  // namespace lb::cp
