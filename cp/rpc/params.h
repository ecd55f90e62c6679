#pragma once

// The parameters of one request as a method sees them, whichever wire they came by.
//
// The two wires convert differently (spec/binrpc.md 6, spec/jsonrpc.md): BINRPC refuses a string
// where a number is wanted, JSON takes it for 0.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lb::rpc {

struct Param {
    enum class Kind : std::uint8_t { kInt, kDouble, kString, kStruct, kBytes, kBroken };
    Kind kind = Kind::kBroken;
    bool truth = false;       // kInt: it was JSON's true or false
    std::int64_t number = 0;  // kInt
    double real = 0;          // kDouble
    std::string text;         // kString, kBytes
    std::string_view error;   // kBroken: why, in the words of the protocol
};

class Params {
public:
    enum class Rules : std::uint8_t { kBinrpc, kJson };

    explicit Params(Rules rules = Rules::kBinrpc) noexcept : rules_(rules) {}

    void add(Param param) { params_.push_back(std::move(param)); }
    std::size_t size() const noexcept { return params_.size(); }

    // All four give nothing if there is no parameter `at`, or one that does not convert.
    // The smallest int for a number that is none of 32 bits.
    std::optional<std::int32_t> integer(std::size_t at) const;
    std::optional<std::string> text(std::size_t at) const;
    // A string, or bytes, which over BINRPC a text with a NUL is.
    std::optional<std::string> text_or_bytes(std::size_t at) const;
    // A string, or an int as Kamailio writes it: -1 becomes 18446744073709551615. From JSON also a
    // number with a fraction, which is cut off.
    std::optional<std::string> text_or_integer(std::size_t at) const;

    // "error at parameter 0: expected integer type but record doesn't match type".
    std::string complaint(std::size_t at, std::string_view wanted) const;
    // The type that parameter `at` has, in the words of complaint().
    std::string_view type_name(std::size_t at) const noexcept;

private:
    Rules rules_;
    std::vector<Param> params_;
};

}  // namespace lb::rpc
