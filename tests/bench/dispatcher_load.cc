// Loads a dispatcher table of N destinations in N/10 sets from sqlite and builds the workers' view
// of it, as a reload does: how much CPU time each step takes and what stays allocated; then changes
// the state of one destination after another and makes the next generation. Prints one JSON object.
//
//   dispatcher_load [destinations [rounds]]

#include <fmt/format.h>
#include <malloc.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "cp/store.h"
#include "cp/tables_builder.h"

namespace {

using namespace lb;

// CPU time of this process: what others run on the machine does not count.
struct Clock {
    static double now() {
        timespec t{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
    }
};

double ms_since(double start) { return Clock::now() - start; }

double megabytes_in_use() { return static_cast<double>(mallinfo2().uordblks) / (1 << 20); }

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "dispatcher_load: %s\n", why.c_str());
    std::exit(1);
}

void fill(const std::string& path, int count) {
    sqlite3* db = nullptr;
    sqlite3_open(path.c_str(), &db);
    const std::string sql = fmt::format(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<{}) "
        "INSERT INTO dispatcher (setid,destination,flags,priority,attrs) SELECT i/10+1, "
        "'sip:10.'||(i/65536)||'.'||(i/256%256)||'.'||(i%256)||':5060', 0, i%3, "
        "'duid=gw'||i||';weight='||(i%100+1) FROM n;",
        count - 1);
    if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
        give_up(sqlite3_errmsg(db));
    }
    sqlite3_close(db);
}

cp::Config make_config(const std::string& db) {
    auto config = cp::parse_config(
        "[[port]]\ndevice = \"none\"\naddresses = [\"10.77.0.1/24\"]\n"
        "[[service]]\nname = \"bench\"\n[dispatcher]\ndb_url = \"sqlite://" +
            db + "\"\n",
        "bench");
    if (!config) give_up(config.error().message);
    return *config;
}

constexpr int kChanges = 1000;

struct Times {
    double sqlite = 1e9, model = 1e9, tables = 1e9, total = 1e9;
    double model_mb = 0, tables_mb = 0;
    double change_us = 0;  // mean of kChanges
};

Times measure(const cp::Config& config, int count, int rounds) {
    const cp::Resolver no_dns = [](const cp::DestinationUri&) -> Result<std::vector<Endpoint>> {
        return failed(Errc::kNotFound, "a literal only");
    };
    Times best;
    const double before = megabytes_in_use();
    cp::Dispatcher dispatcher(cp::dispatcher_options(config));
    std::unique_ptr<const table::Dispatch> tables;
    for (int round = 0; round < rounds; ++round) {
        tables.reset();  // memory is that of one generation; both live for a moment in the daemon
        const auto start = Clock::now();
        auto rows = cp::load_rows(config.dispatcher);
        if (!rows) give_up(rows.error().message);
        const double sqlite = ms_since(start);
        const auto report = dispatcher.load(*rows, no_dns, true);
        if (!report || report->loaded != static_cast<std::size_t>(count))
            give_up("rows are missing");
        const double model = ms_since(start) - sqlite;
        *rows = {};
        best.model_mb = megabytes_in_use() - before;
        const auto build = Clock::now();
        auto built = cp::build_dispatch(config, dispatcher);
        if (!built) give_up(built.error().message);
        tables = std::move(*built);
        const double building = ms_since(build);
        best.tables_mb = megabytes_in_use() - before - best.model_mb;
        best.sqlite = std::min(best.sqlite, sqlite);
        best.model = std::min(best.model, model);
        best.tables = std::min(best.tables, building);
        best.total = std::min(best.total, sqlite + model + building);
    }
    const auto start = Clock::now();
    for (int i = 0; i < kChanges; ++i) {
        const auto& sets = dispatcher.sets();
        const cp::DestinationSet& set = sets[static_cast<std::size_t>(i) * 7919 % sets.size()];
        const std::uint32_t bits = set.members[0].skipped() ? 0U : table::kInactive;
        if (!dispatcher.set_state(set.id, set.members[0].uri, bits)) give_up("no such URI");
        cp::DispatchCarry carry;
        carry.previous = tables.get();
        carry.cursors = tables->cursors();
        carry.states_only = true;
        auto next = cp::build_dispatch(config, dispatcher, carry);
        if (!next) give_up(next.error().message);
        tables = std::move(*next);
    }
    best.change_us = ms_since(start) * 1e3 / kChanges;
    return best;
}

}  // namespace

int main(int argc, char** argv) {
    const int count = argc > 1 ? std::atoi(argv[1]) : 100000;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
    if (count < 10 || count > 10000000 || rounds < 1 || rounds > 1000) give_up("bad arguments");
    const std::string path =
        (std::filesystem::temp_directory_path() / fmt::format("dispatcher-load-{}.db", getpid()))
            .string();
    const cp::Config config = make_config(path);
    if (auto store = cp::Store::open(config.dispatcher, cp::Store::Mode::kReadWrite); !store) {
        give_up(store.error().message);
    }
    fill(path, count);
    const Times best = measure(config, count, rounds);
    std::filesystem::remove(path);
    std::puts(
        fmt::format("{{\"destinations\": {}, \"sets\": {}, \"rounds\": {}, \"sqlite_ms\": {:.1f}, "
                    "\"model_ms\": {:.1f}, \"tables_ms\": {:.1f}, \"total_ms\": {:.1f}, "
                    "\"model_mb\": {:.1f}, \"tables_mb\": {:.1f}, \"state_change_us\": {:.1f}}}",
                    count, (count + 9) / 10, rounds, best.sqlite, best.model, best.tables,
                    best.total, best.model_mb, best.tables_mb, best.change_us)
            .c_str());
    return 0;
}
