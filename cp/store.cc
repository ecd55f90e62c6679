#include "cp/store.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

namespace lb::cp {
namespace {

constexpr std::size_t kColumnsMax = 32;  // spec/dispatcher.md 1, ds_db_extra_attrs

struct CloseDb {
    void operator()(sqlite3* db) const noexcept { sqlite3_close_v2(db); }
};
struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Db = std::unique_ptr<sqlite3, CloseDb>;
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

std::string quoted(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) out.append(c == '"' ? 2 : 1, c);
    return out + '"';
}

// What an operator can do about it, where SQLite's own words do not say.
std::string_view advice(int code) noexcept {
    switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return " (another program holds the database: end its transaction)";
        case SQLITE_NOTADB:
            return " (this file is something else)";
        case SQLITE_CORRUPT:
            return " (restore it from a backup, or try `sqlite3 FILE .recover`)";
        case SQLITE_CANTOPEN:
            return " (check that folder and file exist and may be read and written)";
        case SQLITE_READONLY:
            return " (file or folder may not be written)";
        default:
            return "";
    }
}

tl::unexpected<Error> db_failed(const std::string& path, sqlite3* db) {
    const int code = db != nullptr ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
    const char* text = db != nullptr ? sqlite3_errmsg(db) : "out of memory";
    return failed(Errc::kUnavailable, fmt::format("database {}: {}{}", path, text, advice(code)));
}

std::string_view text_of(sqlite3_stmt* row, int column) noexcept {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
    return {text == nullptr ? "" : text,
            static_cast<std::size_t>(sqlite3_column_bytes(row, column))};
}

struct ExtraAttr {
    std::string name;
    std::string column;
};

Result<std::vector<ExtraAttr>> parse_extra_attrs(std::string_view text) {
    std::vector<ExtraAttr> out;
    while (!text.empty()) {
        const std::string_view one = text.substr(0, text.find(';'));
        text.remove_prefix(std::min(one.size() + 1, text.size()));
        if (one.empty()) continue;
        const std::size_t equals = one.find('=');
        if (equals == 0 || equals == std::string_view::npos || equals + 1 == one.size()) {
            return failed(Errc::kInvalid,
                          fmt::format("ds_db_extra_attrs: \"{}\" is not name=column", one));
        }
        out.push_back({std::string(one.substr(0, equals)), std::string(one.substr(equals + 1))});
    }
    if (out.size() + 5 > kColumnsMax) {
        return failed(Errc::kExhausted,
                      fmt::format("ds_db_extra_attrs: more than {} columns", kColumnsMax - 5));
    }
    return out;
}

}  // namespace

struct Store::Impl {
    DispatcherConfig config;
    std::string path;
    Db db;
    std::vector<ExtraAttr> extras;
    std::int64_t table_version = 0;

    Status open_file(Mode mode);
    Status execute(const std::string& sql);
    Result<Statement> prepare(const std::string& sql) const;
    Result<bool> has_table(const std::string& name) const;
    Status create_missing();
    Status read_version();
    std::string select_sql(bool with_id, bool with_description) const;
    template <class Visit>
    Status each_row(bool with_description, std::string& origin, Visit visit) const;
    int columns() const noexcept;
    void add_extras(sqlite3_stmt* row, int column, std::string& attrs) const;
};

Status Store::Impl::open_file(Mode mode) {
    const int flags = mode == Mode::kReadOnly    ? SQLITE_OPEN_READONLY
                      : mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                                 : SQLITE_OPEN_READWRITE;
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    db.reset(raw);
    if (code != SQLITE_OK) return db_failed(path, raw);
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, kBusyTimeoutMs);
    // Without this a column that does not exist reads as its own name.
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    return {};
}

Status Store::Impl::execute(const std::string& sql) {
    if (sqlite3_exec(db.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return db_failed(path, db.get());
}

Result<Statement> Store::Impl::prepare(const std::string& sql) const {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
        return db_failed(path, db.get());
    }
    return Statement(raw);
}

Result<bool> Store::Impl::has_table(const std::string& name) const {
    auto statement = prepare(
        "SELECT 1 FROM sqlite_master WHERE type IN ('table','view') AND lower(name)=lower(?)");
    if (!statement) return failed(std::move(statement).error());
    sqlite3_bind_text(statement->get(), 1, name.c_str(), -1, SQLITE_STATIC);
    const int code = sqlite3_step(statement->get());
    if (code != SQLITE_ROW && code != SQLITE_DONE) return db_failed(path, db.get());
    return code == SQLITE_ROW;
}

// Kamailio's tables (spec 3.5), in one transaction: another program sees all of it or nothing.
Status Store::Impl::create_missing() {
    const auto version = has_table("version");
    if (!version) return failed(version.error());
    const auto dispatcher = has_table(config.table_name);
    if (!dispatcher) return failed(dispatcher.error());
    if (*version && *dispatcher) return {};

    const std::string table = quoted(config.table_name);
    std::string sql = "BEGIN IMMEDIATE;";
    if (!*version) {
        sql +=
            "CREATE TABLE version (id INTEGER PRIMARY KEY NOT NULL, table_name VARCHAR(32) NOT "
            "NULL, "
            "table_version INTEGER DEFAULT 0 NOT NULL, "
            "CONSTRAINT version_table_name_idx UNIQUE (table_name));"
            "INSERT INTO version (table_name, table_version) VALUES ('version', 1);";
    }
    if (!*dispatcher) {
        sql += fmt::format(
            "CREATE TABLE {} (id INTEGER PRIMARY KEY NOT NULL, {} INTEGER DEFAULT 0 NOT NULL, "
            "{} VARCHAR(192) DEFAULT '' NOT NULL, {} INTEGER DEFAULT 0 NOT NULL, "
            "{} INTEGER DEFAULT 0 NOT NULL, {} VARCHAR(128) DEFAULT '' NOT NULL, "
            "description VARCHAR(64) DEFAULT '' NOT NULL);",
            table, quoted(config.setid_col), quoted(config.destination_col),
            quoted(config.flags_col), quoted(config.priority_col), quoted(config.attrs_col));
    }
    char* name = sqlite3_mprintf("%Q", config.table_name.c_str());
    sql += fmt::format(
        "INSERT OR IGNORE INTO version (table_name, table_version) VALUES ({}, 4);COMMIT;", name);
    sqlite3_free(name);
    if (Status status = execute(sql); !status) {
        sqlite3_exec(db.get(), "ROLLBACK", nullptr, nullptr, nullptr);
        return status;
    }
    return {};
}

Status Store::Impl::read_version() {
    auto statement = prepare("SELECT table_version FROM version WHERE table_name=?");
    if (!statement) return failed(std::move(statement).error());
    sqlite3_bind_text(statement->get(), 1, config.table_name.c_str(), -1, SQLITE_STATIC);
    const int code = sqlite3_step(statement->get());
    if (code == SQLITE_DONE) {
        return failed(
            Errc::kInvalid,
            fmt::format("database {}: table version has no row for {}: insert its version "
                        "(1 to 4)",
                        path, config.table_name));
    }
    if (code != SQLITE_ROW) return db_failed(path, db.get());
    table_version = sqlite3_column_int64(statement->get(), 0);
    if (table_version >= 1 && table_version <= 4) return {};
    return failed(Errc::kInvalid,
                  fmt::format("database {}: table {} has version {}, supported are 1 to 4", path,
                              config.table_name, table_version));
}

// Columns of the row itself: the id and what the table version has.
int Store::Impl::columns() const noexcept {
    const int own = 2 + static_cast<int>(table_version);
    return own + (table_version == 4 ? static_cast<int>(extras.size()) : 0);
}

std::string Store::Impl::select_sql(bool with_id, bool with_description) const {
    std::string sql = with_id ? "SELECT rowid, " : "SELECT 0, ";
    sql += quoted(config.setid_col) + ", " + quoted(config.destination_col);
    if (table_version >= 2) sql += ", " + quoted(config.flags_col);
    if (table_version >= 3) sql += ", " + quoted(config.priority_col);
    if (table_version >= 4) {
        sql += ", " + quoted(config.attrs_col);
        for (const ExtraAttr& extra : extras) sql += ", " + quoted(extra.column);
    }
    if (with_description) sql += ", description";
    // Without ORDER BY, as Kamailio asks: ascending id as a rule, but a view has an order of its
    // own and an index over all these columns another one.
    return sql + " FROM " + quoted(config.table_name);
}

void Store::Impl::add_extras(sqlite3_stmt* row, int column, std::string& attrs) const {
    for (const ExtraAttr& extra : extras) {
        const std::string_view value = text_of(row, column++);
        if (value.empty()) continue;
        if (!attrs.empty() && attrs.back() != ';') attrs += ';';
        attrs += extra.name;
        attrs += '=';
        attrs += value;
        attrs += ';';
    }
}

namespace {

// SQLite keeps text in a column declared INTEGER if it is no number. An import of CSV leaves empty
// text for an empty field, which is 0.
std::int64_t number_of(sqlite3_stmt* row, int column, std::string_view name, std::string& problem) {
    const int type = sqlite3_column_type(row, column);
    if (type == SQLITE_INTEGER || type == SQLITE_NULL) return sqlite3_column_int64(row, column);
    if (sqlite3_column_bytes(row, column) == 0) return 0;
    problem = fmt::format("{} \"{}\" is not an integer", name, text_of(row, column));
    return 0;
}

}  // namespace

// Calls visit(view, statement) for each row, whose texts last as long as the call.
template <class Visit>
Status Store::Impl::each_row(bool with_description, std::string& origin, Visit visit) const {
    bool with_id = true;
    auto statement = prepare(select_sql(with_id, with_description));
    if (!statement) {  // a view, or a table WITHOUT ROWID
        with_id = false;
        statement = prepare(select_sql(with_id, with_description));
    }
    if (!statement) return failed(std::move(statement).error());
    const std::string a_row = "a row of " + config.table_name;
    origin = with_id ? config.table_name + " row " : a_row;
    sqlite3_stmt* const row = statement->get();
    std::string attrs, problem;
    int code;
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        RowView view;
        problem.clear();
        view.number = sqlite3_column_int64(row, 0);
        view.setid = number_of(row, 1, config.setid_col, problem);
        view.destination = text_of(row, 2);
        if (table_version >= 2) view.flags = number_of(row, 3, config.flags_col, problem);
        if (table_version >= 3) view.priority = number_of(row, 4, config.priority_col, problem);
        if (table_version >= 4) view.attrs = text_of(row, 5);
        if (table_version >= 4 && !extras.empty()) {
            attrs = view.attrs;
            add_extras(row, 6, attrs);
            view.attrs = attrs;
        }
        view.problem = problem;
        if (with_id && sqlite3_column_type(row, 0) == SQLITE_NULL) {  // a view, to some libraries
            with_id = false;
            origin = a_row;
        }
        if (!with_id) view.origin = origin;
        visit(view, row);
    }
    if (code != SQLITE_DONE) return db_failed(path, db.get());
    return {};
}

Result<std::vector<DestinationRow>> Store::rows(bool with_description) const {
    std::vector<DestinationRow> rows;
    std::string origin;
    const Status read =
        impl_->each_row(with_description, origin, [&](const RowView& view, sqlite3_stmt* row) {
            DestinationRow& out = rows.emplace_back();
            out.id = view.number;
            out.origin = view.origin.empty() ? origin + std::to_string(view.number) : origin;
            out.setid = view.setid;
            out.destination = view.destination;
            out.flags = view.flags;
            out.priority = view.priority;
            out.attrs = view.attrs;
            out.problem = view.problem;
            if (with_description) out.description = text_of(row, impl_->columns());
        });
    if (!read) return failed(read.error());
    return rows;
}

Result<RowTable> Store::table() const {
    RowTable rows(impl_->config.table_name + " row ");
    std::string origin;
    const Status read =
        impl_->each_row(false, origin, [&](const RowView& view, sqlite3_stmt*) { rows.add(view); });
    if (!read) return failed(read.error());
    return rows;
}

Result<std::int64_t> Store::insert(const DestinationRow& row) {
    const DispatcherConfig& config = impl_->config;
    if (impl_->table_version != 4) {
        return failed(Errc::kInvalid, fmt::format("table {} has version {}: inserting needs 4",
                                                  config.table_name, impl_->table_version));
    }
    auto statement = impl_->prepare(fmt::format(
        "INSERT INTO {} ({},{},{},{},{},description) VALUES (?,?,?,?,?,?)",
        quoted(config.table_name), quoted(config.setid_col), quoted(config.destination_col),
        quoted(config.flags_col), quoted(config.priority_col), quoted(config.attrs_col)));
    if (!statement) return failed(std::move(statement).error());
    sqlite3_stmt* raw = statement->get();
    const auto bind_text = [raw](int at, const std::string& text) {
        sqlite3_bind_text(raw, at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    };
    sqlite3_bind_int64(raw, 1, row.setid);
    bind_text(2, row.destination);
    sqlite3_bind_int64(raw, 3, row.flags);
    sqlite3_bind_int64(raw, 4, row.priority);
    bind_text(5, row.attrs);
    bind_text(6, row.description);
    if (sqlite3_step(raw) != SQLITE_DONE) return db_failed(impl_->path, impl_->db.get());
    return sqlite3_last_insert_rowid(impl_->db.get());
}

Status Store::remove(std::int64_t id) {
    auto statement = impl_->prepare(
        fmt::format("DELETE FROM {} WHERE rowid=?", quoted(impl_->config.table_name)));
    if (!statement) return failed(std::move(statement).error());
    sqlite3_bind_int64(statement->get(), 1, id);
    if (sqlite3_step(statement->get()) != SQLITE_DONE) {
        return db_failed(impl_->path, impl_->db.get());
    }
    if (sqlite3_changes(impl_->db.get()) > 0) return {};
    return failed(Errc::kNotFound,
                  fmt::format("table {} has no row {}", impl_->config.table_name, id));
}

Result<std::string> sqlite_path(std::string_view db_url) {
    constexpr std::string_view kScheme = "sqlite://";
    std::string_view path = db_url;
    if (path.starts_with(kScheme)) {
        path.remove_prefix(kScheme.size());
        while (path.starts_with("//")) path.remove_prefix(1);
        if (path.size() > 1 && path.front() == '/') return std::string(path);
    }
    return failed(Errc::kInvalid,
                  fmt::format("db_url \"{}\": allowed is sqlite:///absolute/path", db_url));
}

Result<Store> Store::open(const DispatcherConfig& config, Mode mode) {
    auto impl = std::make_unique<Impl>();
    impl->config = config;
    auto path = sqlite_path(config.db_url);
    if (!path) return failed(std::move(path).error());
    impl->path = *path;
    auto extras = parse_extra_attrs(config.ds_db_extra_attrs);
    if (!extras) return failed(std::move(extras).error());
    impl->extras = std::move(*extras);

    if (Status status = impl->open_file(mode); !status) return failed(status.error());
    if (mode == Mode::kReadWrite) {
        if (Status status = impl->create_missing(); !status) return failed(status.error());
    }
    if (Status status = impl->read_version(); !status) return failed(status.error());
    return Store(std::move(impl));
}

Store::Store(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

const std::string& Store::path() const noexcept { return impl_->path; }

}  // namespace lb::cp
