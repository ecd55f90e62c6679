#include "cp/rpc/params.h"

#include <limits>
#include <utility>

namespace lb::rpc {
namespace {

// What Kamailio's conversions give on amd64 for a number that does not fit.
constexpr std::int32_t kOutOfRange = std::numeric_limits<std::int32_t>::min();

std::uint64_t unsigned_of(double real) noexcept {
    constexpr double k2To63 = 9223372036854775808.0;
    if (real >= 2 * k2To63) return 0;
    if (real >= k2To63) return static_cast<std::uint64_t>(real);
    if (real < -k2To63) return std::uint64_t{1} << 63;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(real));
}

}  // namespace

std::optional<std::int32_t> Params::integer(std::size_t at) const {
    if (at >= params_.size()) return std::nullopt;
    const Param& param = params_[at];
    if (param.kind == Param::Kind::kInt) {
        return std::in_range<std::int32_t>(param.number) ? static_cast<std::int32_t>(param.number)
                                                         : kOutOfRange;
    }
    if (rules_ == Rules::kBinrpc) return std::nullopt;
    // JSON: whatever is not a number counts as 0; a fraction is cut off.
    if (param.kind != Param::Kind::kDouble) return 0;
    const bool fits = param.real > -2147483649.0 && param.real < 2147483648.0;
    return fits ? static_cast<std::int32_t>(param.real) : kOutOfRange;
}

std::optional<std::string> Params::text(std::size_t at) const {
    if (at >= params_.size() || params_[at].kind != Param::Kind::kString) return std::nullopt;
    return params_[at].text;
}

std::optional<std::string> Params::text_or_bytes(std::size_t at) const {
    if (at < params_.size() && params_[at].kind == Param::Kind::kBytes) return params_[at].text;
    return text(at);
}

std::optional<std::string> Params::text_or_integer(std::size_t at) const {
    if (at >= params_.size()) return std::nullopt;
    const Param& param = params_[at];
    if (param.kind == Param::Kind::kInt && !param.truth) {
        return std::to_string(static_cast<std::uint64_t>(param.number));
    }
    if (param.kind == Param::Kind::kDouble && rules_ == Rules::kJson) {
        return std::to_string(unsigned_of(param.real));
    }
    return text(at);
}

std::string_view Params::type_name(std::size_t at) const noexcept {
    if (at >= params_.size()) return "any";
    switch (params_[at].kind) {
        case Param::Kind::kInt:
            return "integer";
        case Param::Kind::kDouble:
            return "float";
        case Param::Kind::kString:
            return "string";
        case Param::Kind::kStruct:
            return "structure";
        case Param::Kind::kBytes:
            return "bytes array";
        case Param::Kind::kBroken:
            return "any";
    }
    return "any";
}

std::string Params::complaint(std::size_t at, std::string_view wanted) const {
    std::string_view reason = "record doesn't match type";
    if (at >= params_.size()) {
        reason = "end of packet encountered";
    } else if (params_[at].kind == Param::Kind::kBroken) {
        reason = params_[at].error;
    }
    std::string out = "error at parameter " + std::to_string(at) + ": expected ";
    out.append(wanted).append(" type but ").append(reason);
    return out;
}

}  // namespace lb::rpc
