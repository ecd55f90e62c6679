// siplanectl dispatcher show|add|rm: the table in the database, as `kamctl dispatcher` has it. The
// daemon reads what was changed at its next `dispatcher.reload`.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>

#include "cp/local/commands.h"
#include "cp/local/output.h"
#include "cp/row_reader.h"
#include "cp/rpc/command_line.h"
#include "cp/rpc/json_text.h"
#include "cp/store.h"
#include "cp/tables_builder.h"

namespace lb::cp {
namespace {

enum ExitCode : int { kOk = 0, kFailed = 1 };

constexpr const char* kReloadPutsInForce = "siplanectl dispatcher reload puts it in force";

struct Command {
    std::string config_file = kDefaultConfig;
    std::string db_url;
    bool json = false, tsv = false, force = false;
    std::optional<std::int32_t> set;
    std::int64_t id = 0;
    DestinationRow row;
};

int complain(const std::string& message, int code = kFailed) {
    std::fprintf(stderr, "siplanectl dispatcher: %s\n", message.c_str());
    return code;
}

// With --db the default of everything else.
Result<Config> config_of(const Command& command) {
    if (command.db_url.empty()) return load_config(command.config_file);
    Config config;
    config.dispatcher.db_url = command.db_url;
    return config;
}

Result<Store> open_store(const Command& command, const Config& config, Store::Mode mode) {
    if (config.dispatcher.db_url.empty()) {
        return failed(Errc::kInvalid, command.config_file + ": destinations come from list_file " +
                                          config.dispatcher.list_file + ": edit that file");
    }
    return Store::open(config.dispatcher, mode);
}

Result<Store> open_store(const Command& command, Store::Mode mode) {
    const auto config = config_of(command);
    if (!config) return failed(config.error());
    return open_store(command, *config, mode);
}

rpc::Struct value_of(const DestinationRow& row) {
    return rpc::Struct{{"id", row.id},
                       {"setid", row.setid},
                       {"destination", row.destination},
                       {"flags", row.flags},
                       {"priority", row.priority},
                       {"attrs", row.attrs},
                       {"description", row.description}};
}

std::string rows_json(const std::vector<DestinationRow>& rows) {
    std::vector<rpc::Value> values;
    for (const DestinationRow& row : rows) values.emplace_back(value_of(row));
    return json_lines(values);
}

// {"id": N}, of a row that came or went.
std::string id_json(std::int64_t id) {
    std::string out;
    rpc::append_json(out, rpc::Struct{{"id", id}}, {.pretty = false});
    return out + "\n";
}

// One row a line. For scripts: a tab between fields, and no title.
std::string rows_text(const std::vector<DestinationRow>& rows, bool tsv) {
    std::size_t width = 11;
    for (const DestinationRow& row : rows) width = std::max(width, row.destination.size());
    std::string out;
    if (!tsv) {
        out = fmt::format("{:>6} {:>6}  {:<{}} {:>5} {:>8}  {}\n", "id", "setid", "destination",
                          width, "flags", "priority", "attrs  description");
    }
    for (const DestinationRow& row : rows) {
        out += tsv ? fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\n", row.id, row.setid,
                                 tsv_field(row.destination), row.flags, row.priority,
                                 tsv_field(row.attrs), tsv_field(row.description))
                   : fmt::format("{:>6} {:>6}  {:<{}} {:>5} {:>8}  {}{}{}\n", row.id, row.setid,
                                 row.destination, width, row.flags, row.priority, row.attrs,
                                 row.description.empty() ? "" : "  ", row.description);
    }
    return out;
}

int show(const Command& command) {
    const auto store = open_store(command, Store::Mode::kReadOnly);
    if (!store) return complain(store.error().message);
    auto rows = store->rows(true);
    if (!rows) return complain(rows.error().message);
    if (command.set) {
        std::erase_if(*rows, [&](const DestinationRow& row) { return row.setid != *command.set; });
    }
    const std::string text = command.json ? rows_json(*rows) : rows_text(*rows, command.tsv);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kOk;
}

// As a load reads it: what it would remark on the row, or why it would refuse it. Host names are
// not looked up.
Result<std::vector<std::string>> check(const Command& command, const Config& config) {
    DispatcherOptions options = dispatcher_options(config);
    if (!command.db_url.empty()) {  // whose listeners are not known
        options.is_local_socket = nullptr;
        options.is_local_sockname = nullptr;
    }
    const RowTable rows{command.row};
    RowReader reader(options);
    auto reading = reader.read(rows[0]);
    if (!reading) return failed(reading.error());
    return std::move(reading->remarks);
}

int add(const Command& command) {
    const auto config = config_of(command);
    if (!config) return complain(config.error().message);
    const auto remarks = check(command, *config);
    if (!remarks && !command.force) {
        return complain(remarks.error().message + " (--force adds it all the same)");
    }
    auto store = open_store(command, *config, Store::Mode::kReadWrite);
    if (!store) return complain(store.error().message);
    const auto id = store->insert(command.row);
    if (!id) return complain(id.error().message);
    if (remarks) {
        for (const std::string& remark : *remarks) complain("warning: " + remark);
    }
    const std::string text =
        command.json ? id_json(*id) : fmt::format("added as id {}; {}\n", *id, kReloadPutsInForce);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kOk;
}

int remove(const Command& command) {
    auto store = open_store(command, Store::Mode::kReadWrite);
    if (!store) return complain(store.error().message);
    if (Status removed = store->remove(command.id); !removed) {
        return complain(removed.error().message);
    }
    const std::string text =
        command.json ? id_json(command.id)
                     : fmt::format("removed id {}; {}\n", command.id, kReloadPutsInForce);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kOk;
}

void describe(CLI::App& app, Command& command) {
    app.add_option("--config", command.config_file, "Configuration that names the database")
        ->capture_default_str();
    app.add_option("--db", command.db_url, "sqlite:///PATH instead");
    app.add_flag("--json", command.json, "Rows as JSON; of add and rm the id");
    app.require_subcommand(1);
    app.fallthrough();

    CLI::App* shown = app.add_subcommand("show", "Rows of the table");
    shown->add_option("set", command.set, "Of this set only");
    shown->add_flag("--tsv", command.tsv, "Tab-separated, for scripts");

    CLI::App* added = app.add_subcommand("add", "Add a row");
    added->add_option("setid", command.row.setid)->required()->check(CLI::Range(0, INT32_MAX));
    added->add_option("destination", command.row.destination, "sip:HOST[:PORT]")->required();
    added->add_option("flags", command.row.flags);
    added->add_option("priority", command.row.priority);
    added->add_option("attrs", command.row.attrs);
    added->add_option("description", command.row.description);
    added->add_flag("--force", command.force, "Also what a reload would refuse");

    CLI::App* removed = app.add_subcommand("rm", "Remove a row");
    removed->add_option("id", command.id, "As `show` prints it")->required();
    app.footer("siplanectl dispatcher dump and reload are dispatcher.list and dispatcher.reload.");
}

}  // namespace

int dispatcher_command(int argc, char** argv) {
    CLI::App app{"The dispatcher table in the database.", "siplanectl dispatcher"};
    Command command;
    describe(app, command);
    if (const auto status = rpc::parse_command_line(app, argc, argv)) return *status;
    if (app.got_subcommand("show")) return show(command);
    return app.got_subcommand("add") ? add(command) : remove(command);
}

}  // namespace lb::cp
