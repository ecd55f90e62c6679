#include "tests/cp/rpc/lab.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "cp/rpc/binrpc.h"
#include "cp/rpc/binrpc_server.h"
#include "cp/rpc/jsonrpc_server.h"

namespace lb::test {
namespace {

constexpr const char* kSchema =
    "create table version (id integer primary key, table_name varchar(32) not null,"
    " table_version integer default 0 not null);"
    "insert into version (table_name, table_version) values ('dispatcher', 4);"
    "create table dispatcher (id integer primary key not null, setid integer default 0 not null,"
    " destination varchar(192) default '' not null, flags integer default 0 not null,"
    " priority integer default 0 not null, attrs varchar(128) default '' not null,"
    " description varchar(64) default '' not null);";

std::string run(const std::string& command, int& status) {
    std::FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
    std::string out;
    char buffer[4096];
    for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
        out.append(buffer, got);
    }
    status = ::pclose(pipe);
    return out;
}

// No DNS, and no IPv6 listener, as when the sessions were recorded.
Result<std::vector<Endpoint>> resolve_literal(const cp::DestinationUri& uri) {
    if (uri.literal && uri.literal->is_ipv4()) {
        constexpr std::uint16_t kSipPort = 5060;
        return std::vector<Endpoint>{{*uri.literal, uri.port != 0 ? uri.port : kSipPort}};
    }
    return failed(Errc::kNotFound, "host " + uri.host + " does not resolve");
}

class LabControl : public cp::Control {
public:
    LabControl(const LabOptions& options, std::filesystem::path database)
        : dispatcher_(options.dispatcher),
          delta_(options.reload_delta),
          database_(std::move(database)) {
        start_ = std::time(nullptr);
        (void)load(false);
    }

    cp::Dispatcher& dispatcher() override { return dispatcher_; }
    Status reload() override { return load(true); }
    Status add_destination(const cp::DestinationRow& row) override {
        return dispatcher_.add(row, resolve_literal);
    }
    Status remove_destination(std::int32_t setid, std::string_view uri) override {
        return dispatcher_.remove(setid, uri);
    }
    void dispatcher_changed() override {}
    std::int32_t ping_active() const override { return ping_active_; }
    void set_ping_active(std::int32_t state) override { ping_active_ = state; }
    bool try_start_reload() override {
        const std::int64_t now = now_ms / 1000;
        if (last_reload_ && now - *last_reload_ < delta_) return false;
        last_reload_ = now;
        return true;
    }
    cp::Stats stats() const override {
        const std::lock_guard lock(mutex);
        return shown;
    }
    std::int64_t start_time() const override { return start_; }

    std::atomic<std::int64_t> now_ms{1'000'000'000};
    mutable std::mutex mutex;
    cp::Stats shown;

private:
    Result<std::vector<cp::DestinationRow>> rows() const {
        int status = 0;
        const std::string text = run(
            "sqlite3 -json '" + database_.string() +
                "' 'select id, setid, destination, flags, priority, attrs from dispatcher' 2>&1",
            status);
        if (status != 0) return failed(Errc::kUnavailable, "database: " + text);
        std::vector<cp::DestinationRow> out;
        if (text.find('[') == std::string::npos) return out;
        for (const auto& json : nlohmann::json::parse(text)) {
            cp::DestinationRow row;
            row.id = json["id"];
            row.origin = "dispatcher row " + std::to_string(row.id);
            row.setid = json["setid"];
            row.destination = json["destination"];
            row.flags = json["flags"];
            row.priority = json["priority"];
            row.attrs = json["attrs"];
            out.push_back(std::move(row));
        }
        return out;
    }

    Status load(bool all_or_nothing) {
        auto all = rows();
        if (!all) return failed(all.error());
        const auto report = dispatcher_.load(*all, resolve_literal, all_or_nothing);
        if (!report) return failed(report.error());
        return {};
    }

    cp::Dispatcher dispatcher_;
    std::int64_t delta_;
    std::filesystem::path database_;
    std::optional<std::int64_t> last_reload_;
    std::int32_t ping_active_ = 1;
    std::int64_t start_ = 0;
};

rpc::SocketName socket_name(rpc::SocketName::Kind kind, const std::string& path) {
    rpc::SocketName name;
    name.kind = kind;
    name.path = path;
    name.host = "127.0.0.1";
    name.port = 0;
    return name;
}

std::uint16_t port_of(const rpc::BinrpcServer& server, std::string_view transport) {
    for (const rpc::SocketInfo& info : server.listeners()) {
        if (info.transport == transport) {
            return static_cast<std::uint16_t>(std::stoi(info.local_port));
        }
    }
    return 0;
}

void require(const Status& status) {
    if (!status) throw std::runtime_error(status.error().message);
}

}  // namespace

ScratchFolder::ScratchFolder(const std::string& name) {
    std::string pattern = (std::filesystem::temp_directory_path() / (name + "XXXXXX")).string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

LabOptions LabOptions::from_modparams(const std::filesystem::path& file) {
    LabOptions options;
    options.reload_delta = 5;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        const std::size_t value = line.rfind(", ");
        const auto has = [&](const char* name) { return line.find(name) != std::string::npos; };
        if (value == std::string::npos || !has("\"dispatcher\"")) continue;
        const int number = std::atoi(line.c_str() + value + 2);
        if (has("ds_ping_latency_stats")) options.dispatcher.latency_stats = number != 0;
        if (has("ds_hash_size")) options.dispatcher.call_load = number > 0;
        if (has("reload_delta")) options.reload_delta = number;
        if (has("ds_probing_mode")) {
            options.dispatcher.probing_mode = static_cast<std::uint32_t>(number);
        }
        if (has("ds_probing_threshold")) {
            options.dispatcher.probing_threshold = static_cast<std::uint32_t>(number);
        }
    }
    options.dispatcher.is_local_socket = [](std::string_view socket) {
        return socket == "udp:127.0.60.1:5060";
    };
    options.dispatcher.is_local_sockname = [](std::string_view) { return false; };
    return options;
}

struct RpcLab::Impl {
    Impl(const LabOptions& options, const std::filesystem::path& rows, const std::string& extra_sql,
         const std::string& replies_in)
        : scratch("siplane-rpc-"),
          reply_dir(replies_in.empty() ? scratch.path().string() : replies_in) {
        execute(kSchema);
        if (std::filesystem::exists(rows)) execute(".read " + rows.string());
        if (!extra_sql.empty()) execute(extra_sql);
        control = std::make_unique<LabControl>(options, database());
        binrpc = std::make_unique<rpc::BinrpcServer>(io, *control);
        open();
        thread = std::thread([this] { io.run(); });
    }

    ~Impl() {
        io.stop();
        thread.join();
        std::filesystem::current_path("/");
    }

    std::filesystem::path database() const { return scratch.path() / "dispatcher.db"; }
    std::string file(const char* name) const { return (scratch.path() / name).string(); }

    void execute(const std::string& statements) {
        const std::string input = file("statements.sql");
        std::ofstream(input) << statements << "\n";
        int status = 0;
        const std::string out =
            run("sqlite3 '" + database().string() + "' < '" + input + "' 2>&1", status);
        if (status != 0) throw std::runtime_error("sqlite3: " + out);
    }

    void open() {
        using Kind = rpc::SocketName::Kind;
        // The recorded names are those of the server's working folder.
        std::filesystem::current_path(scratch.path());
        require(binrpc->listen(socket_name(Kind::kUnixStream, "ctl.sock"), rights));
        require(binrpc->listen(socket_name(Kind::kUnixDatagram, "ctld.sock"), rights));
        require(binrpc->listen(socket_name(Kind::kUdp, ""), rights));
        require(binrpc->listen(socket_name(Kind::kTcp, ""), rights));
        tcp = port_of(*binrpc, "tcp");
        udp = port_of(*binrpc, "udp");
        pretty = std::make_unique<rpc::JsonrpcServer>(io, *control, *binrpc, reply_dir,
                                                      rpc::JsonStyle{true});
        compact = std::make_unique<rpc::JsonrpcServer>(io, *control, *binrpc, reply_dir,
                                                       rpc::JsonStyle{false});
        require(pretty->listen(socket_name(Kind::kUnixDatagram, file("rpc.sock")), rights));
        require(pretty->listen(socket_name(Kind::kFifo, file("rpc.fifo")), rights));
        require(compact->listen(socket_name(Kind::kUnixDatagram, file("rpc1.sock")), rights));
        require(compact->listen(socket_name(Kind::kFifo, file("rpc1.fifo")), rights));
    }

    ScratchFolder scratch;
    std::string reply_dir;
    rpc::FileRights rights;
    asio::io_context io;
    std::unique_ptr<LabControl> control;
    std::unique_ptr<rpc::BinrpcServer> binrpc;
    std::unique_ptr<rpc::JsonrpcServer> pretty, compact;
    std::uint16_t tcp = 0, udp = 0;
    std::thread thread;
};

RpcLab::RpcLab(const LabOptions& options, const std::filesystem::path& rows,
               const std::string& extra_sql, const std::string& replies_in)
    : impl_(std::make_unique<Impl>(options, rows, extra_sql, replies_in)) {}
RpcLab::~RpcLab() = default;

void RpcLab::sql(const std::string& statements) { impl_->execute(statements); }
void RpcLab::advance(double seconds) {
    impl_->control->now_ms += static_cast<std::int64_t>(seconds * 1000);
}
void RpcLab::prepare(std::string before) {
    while (!before.empty()) {
        const std::size_t end = before.find("; ");
        const std::string action = before.substr(0, end);
        if (action.starts_with("sleep ")) advance(std::stod(action.substr(6)));
        if (action.starts_with("sql ")) sql(action.substr(4) + ";");
        before.erase(0, end == std::string::npos ? before.size() : end + 2);
    }
}
std::string RpcLab::unix_path() const { return impl_->file("ctl.sock"); }
std::string RpcLab::unixd_path() const { return impl_->file("ctld.sock"); }
std::uint16_t RpcLab::tcp_port() const noexcept { return impl_->tcp; }
std::uint16_t RpcLab::udp_port() const noexcept { return impl_->udp; }
std::string RpcLab::json_path() const { return impl_->file("rpc.sock"); }
std::string RpcLab::fifo_path() const { return impl_->file("rpc.fifo"); }
std::string RpcLab::compact_json_path() const { return impl_->file("rpc1.sock"); }
std::string RpcLab::compact_fifo_path() const { return impl_->file("rpc1.fifo"); }
std::string RpcLab::reply_dir() const { return impl_->reply_dir; }
const std::filesystem::path& RpcLab::folder() const noexcept { return impl_->scratch.path(); }

void RpcLab::set_stats(cp::Stats stats) {
    const std::lock_guard lock(impl_->control->mutex);
    impl_->control->shown = std::move(stats);
}

std::string read_for(int fd, int milliseconds) {
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, milliseconds) <= 0) return {};
    std::string out(1 << 17, '\0');
    const ssize_t got = ::read(fd, out.data(), out.size());
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
}

std::string read_packet(int fd, int milliseconds) {
    std::string out;
    rpc::Header header;
    for (;;) {
        if (rpc::parse_header(as_bytes(out), header) == rpc::Defect::kNone &&
            out.size() >= header.size + header.body) {
            return out;
        }
        const std::string more = read_for(fd, milliseconds);
        if (more.empty()) return out;
        out += more;
    }
}

}  // namespace lb::test
