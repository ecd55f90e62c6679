#include "cp/row_reader.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "cp/dispatcher_model.h"
#include "cp/latency.h"

namespace lb::cp {
namespace {

bool fits_int32(std::int64_t value) noexcept {
    return value >= std::numeric_limits<std::int32_t>::min() &&
           value <= std::numeric_limits<std::int32_t>::max();
}

Status check_numbers(const RowView& row) {
    if (!fits_int32(row.setid)) {
        return failed(Errc::kInvalid, fmt::format("setid {} is no 32-bit integer", row.setid));
    }
    if (!fits_int32(row.priority)) {
        return failed(Errc::kInvalid,
                      fmt::format("priority {} is no 32-bit integer", row.priority));
    }
    if (row.flags < 0 || !fits_int32(row.flags)) {
        return failed(Errc::kInvalid,
                      fmt::format("flags {} are not between 0 and 2147483647", row.flags));
    }
    return {};
}

}  // namespace

Result<RowReader::Reading> RowReader::read(const RowView& row) {
    if (!row.problem.empty()) return failed(Errc::kInvalid, std::string(row.problem));
    if (Status status = check_numbers(row); !status) return failed(status.error());
    const auto uri = view_destination_uri(row.destination, prefixed_);
    if (!uri) return failed(uri.error());
    Reading reading;
    const bool none = row.attrs.empty() && options_.attrs_none;
    const auto attrs = parse_attributes(none ? "none=yes" : row.attrs, &reading.remarks);
    if (!attrs) return failed(attrs.error());
    if (Status status = check_sockets(*attrs); !status) return failed(status.error());

    Destination& out = reading.destination;
    out.setid = static_cast<std::int32_t>(row.setid);
    out.configured_flags = static_cast<std::uint32_t>(row.flags) & ~kOurFlags;
    out.priority = static_cast<std::int32_t>(row.priority);
    const bool in_row = uri->uri.data() == row.destination.data();
    out.uri = in_row ? uri->uri : std::string_view(texts_.emplace_back(uri->uri));
    out.host_at = static_cast<std::uint16_t>(uri->host.data() - uri->uri.data());
    out.host_length = static_cast<std::uint16_t>(uri->host.size());
    out.port = uri->port;
    out.protocol = uri->protocol;
    const bool at_load = (options_.dns_mode & (1 | 4)) != 0;
    out.looked_up = at_load && (out.configured_flags & table::kNoDns) == 0;
    if (uri->literal) {
        out.endpoints = Endpoint{*uri->literal, uri->port != 0 ? uri->port : kSipPort};
    }
    reading.needs_look_up = !uri->literal;
    out.attrs = *attrs;
    out.rweight = out.attrs.rweight;
    if (out.attrs.latency) out.latency = configured_latency(*out.attrs.latency);
    const probe::Health health = probe::initial_health(
        out.configured_flags, rules_of(options_), options_.hold_until_probed && out.over_udp());
    out.flags = out.learned_flags = health.flags;
    out.probing_count = out.learned_count = health.count;
    if (!out.over_udp()) reading.remarks.push_back("gets no traffic: only UDP is spoken");
    return reading;
}

Status RowReader::check_sockets(const Attributes& attrs) const {
    const std::string_view sockname = attrs.sockname();
    if (!sockname.empty()) {
        if (options_.is_local_sockname && !options_.is_local_sockname(sockname)) {
            return failed(Errc::kInvalid,
                          fmt::format("sockname {} is no listener's name", sockname));
        }
    } else if (Status status = check_socket("socket", attrs.socket()); !status) {
        return status;
    }
    return check_socket("ping_socket", attrs.ping_socket());
}

Status RowReader::check_socket(std::string_view name, std::string_view value) const {
    if (value.empty() || !options_.is_local_socket || options_.is_local_socket(value)) {
        return {};
    }
    return failed(Errc::kInvalid, fmt::format("{} {} is no listener of ours", name, value));
}

std::vector<std::string> remarks_of(const DestinationRow& row, const DispatcherOptions& options) {
    const RowTable rows{row};
    RowReader reader(options);
    auto reading = reader.read(rows[0]);
    return reading ? std::move(reading->remarks) : std::vector<std::string>{};
}

DestinationUri uri_of(const Destination& destination) {
    return {std::string(destination.uri), std::string(destination.host()), destination.port,
            destination.protocol, std::nullopt};
}

Status RowReader::look_up(Destination& destination, const Resolver& resolve) {
    const auto endpoints = resolve(uri_of(destination));
    if (endpoints && !endpoints->empty()) {
        destination.endpoints = EndpointList(*endpoints);
    } else {
        return failed(Errc::kUnavailable, fmt::format("host {} does not resolve{}{}",
                                                      destination.host(), endpoints ? "" : ": ",
                                                      endpoints ? "" : endpoints.error().message));
    }
    return {};
}

}  // namespace lb::cp
