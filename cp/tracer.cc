#include "cp/tracer.h"

#include <algorithm>
#include <utility>

#include "cp/log.h"
#include "cp/pcapng.h"
#include "dp/net/frame.h"

namespace lb::cp {
namespace {

using Clock = std::chrono::steady_clock;

// The bytes as they were on the wire: with the VLAN tag that the device took off.
std::vector<std::uint8_t> tagged(ConstBytes frame, std::uint16_t vlan) {
    constexpr std::size_t kMacs = 12;
    std::vector<std::uint8_t> out(frame.begin(), frame.end());
    if (vlan == net::kNoVlan || out.size() < net::kEthernetHeader) return out;
    const std::uint8_t tag[] = {0x81, 0, static_cast<std::uint8_t>(vlan >> 8),
                                static_cast<std::uint8_t>(vlan)};
    out.insert(out.begin() + kMacs, std::begin(tag), std::end(tag));
    return out;
}

}  // namespace

Tracer::Tracer(asio::io_context& io, TraceSource source) : source_(std::move(source)), timer_(io) {}

Tracer::~Tracer() { stop(); }

Status Tracer::start(TraceRequest request, const std::string& directory) {
    if (status_.running) {
        const auto left = static_cast<std::int64_t>(status().seconds_left + 1);
        return failed(Errc::kExhausted, "trace " + std::to_string(status_.id) + " runs for " +
                                            std::to_string(left) + " s more; stop it first");
    }
    std::optional<TraceFile> file;
    std::string begin;
    if (!request.file.empty()) {
        auto made = TraceFile::create(directory, request.file);
        if (!made) return failed(std::move(made).error());
        file.emplace(std::move(*made));
        std::vector<std::string> names;
        for (const table::Interface& one : source_.tables().network->interfaces()) {
            names.push_back(one.name);
        }
        interfaces_ = names.size();
        names.emplace_back("none");
        begin = pcapng_begin(names, std::string(kPcapngApplication) + SIPLANE_VERSION);
        if (Status written = file->write(begin); !written) return written;
    }
    const std::int32_t id = status_.id + 1;
    status_ = {};
    status_.id = id;
    status_.running = true;
    status_.request = std::move(request);
    status_.bytes = begin.size();
    if (file) status_.file = file->path();
    file_.reset();
    if (file) file_.emplace(std::move(*file));
    lines_.clear();
    ending_.clear();
    deadline_ = Clock::now() + std::chrono::seconds(status_.request.seconds);
    source_.start(status_.request.filter);
    log(LogLevel::kInfo, "trace.started",
        {{"id", std::to_string(status_.id)}, {"file", status_.file}});
    wait();
    return {};
}

void Tracer::wait() {
    timer_.expires_after(kPeriod);
    timer_.async_wait([this](const asio::error_code& error) {
        if (!error && status_.running) look();
    });
}

void Tracer::look() {
    if (Clock::now() >= deadline_) return end("seconds");
    source_.drain([this](const core::TracedMessage& message) { take(message); });
    if (!ending_.empty()) return end(ending_);
    wait();
}

void Tracer::stop() {
    if (status_.running) end("stopped");
}

void Tracer::end(const std::string& why) {
    timer_.cancel();
    source_.stop();
    source_.drain([this](const core::TracedMessage& message) { take(message); });
    status_.lost = source_.lost();
    status_.running = false;
    status_.ended = ending_.empty() ? why : ending_;
    file_.reset();
    log(LogLevel::kInfo, "trace.ended",
        {{"id", std::to_string(status_.id)},
         {"why", status_.ended},
         {"messages", std::to_string(status_.messages)},
         {"lost", std::to_string(status_.lost)}});
}

void Tracer::take(const core::TracedMessage& message) {
    if (!ending_.empty() || status_.messages >= status_.request.count) return;
    Described described = describe(message, source_.tables(), destinations_);
    if (Status written = write(message, described); !written) {
        ending_ = written.error().message;
        return;
    }
    described.line.number = ++status_.messages;
    if (lines_.size() == kLinesKept) lines_.pop_front();
    lines_.push_back(std::move(described.line));
    if (status_.messages == status_.request.count) ending_ = "count";
}

Status Tracer::write(const core::TracedMessage& message, const Described& described) {
    if (!file_) return {};
    const auto number = [this](table::InterfaceIndex interface) {
        return static_cast<std::uint32_t>(std::min<std::size_t>(interface, interfaces_));
    };
    std::string bytes;
    append_pcapng_packet(bytes, number(described.in), message.time_ns, PcapngDirection::kInbound,
                         tagged(message.received, message.vlan), described.line.decision);
    if (!message.sent.empty()) {
        append_pcapng_packet(bytes, number(described.out), message.time_ns,
                             PcapngDirection::kOutbound, message.sent,
                             "sent: " + described.line.decision);
    }
    if (status_.bytes + bytes.size() > status_.request.bytes)
        return failed(Errc::kExhausted, "bytes");
    status_.bytes += bytes.size();
    return file_->write(bytes);
}

TraceStatus Tracer::status() const {
    TraceStatus out = status_;
    if (!out.running) return out;
    out.lost = source_.lost();
    const std::chrono::duration<double> left = deadline_ - Clock::now();
    out.seconds_left = std::max(0.0, left.count());
    return out;
}

std::vector<TraceLine> Tracer::lines(std::uint64_t after, std::size_t max) const {
    std::vector<TraceLine> out;
    const auto first = std::find_if(lines_.begin(), lines_.end(),
                                    [after](const TraceLine& line) { return line.number > after; });
    for (auto at = first; at != lines_.end() && out.size() < max; ++at) out.push_back(*at);
    return out;
}

}  // namespace lb::cp
