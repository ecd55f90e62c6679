#pragma once

// Result<T>: a value or an Error with a sentence for the operator. For the control path only; the
// packet path uses an enum per module (dp/core/verdict.h folds them into counted reasons).
//
// Propagate by hand: `if (!pool) return failed(std::move(pool).error());`.

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace lb {

enum class Errc : std::uint8_t {
    kInvalid,      // what was given is wrong: configuration, a row, an argument
    kNotFound,     // what was named does not exist
    kUnavailable,  // a file, device, database or socket could not be used now
    kExhausted,    // a bound was reached
    kInternal,     // a bug of ours
};

struct Error {
    Errc code = Errc::kInternal;
    std::string message;  // one sentence, no newline, names the thing at fault
};

template <class T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

inline tl::unexpected<Error> failed(Error error) { return tl::make_unexpected(std::move(error)); }

inline tl::unexpected<Error> failed(Errc code, std::string message) {
    return failed(Error{code, std::move(message)});
}

}  // namespace lb
