#pragma once

// The option hash_pvar: a text with pseudo-variables, compiled once into steps that a worker
// expands per message (dp/core/hash_input.h).
//
// Known: $ci $cs $rm $ua $au $si $sp, $fu $fU $fd, $tu $tU $td, $ru $rU $rd, $hdr(Name), each also
// in the form $(ci); $$ is a dollar sign; everything else stands for itself.
//
// Threads: immutable after compile(); any thread reads.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/result.h"

namespace lb::table {

enum class Pvar : std::uint8_t {
    kText,
    kCallId,
    kCSeq,  // its number
    kMethod,
    kUserAgent,
    kAuthUser,
    kSourceIp,
    kSourcePort,
    kFromUri,
    kFromUser,
    kFromHost,
    kToUri,
    kToUser,
    kToHost,
    kRequestUri,
    kRequestUser,
    kRequestHost,
    kHeader,
};

struct PvarStep {
    Pvar kind = Pvar::kText;
    std::string text;  // kText: as is; kHeader: the header's name
};

class PvarProgram {
public:
    // Fails with a sentence that names the variable nobody knows.
    static Result<PvarProgram> compile(std::string_view text);

    std::span<const PvarStep> steps() const noexcept { return steps_; }
    bool empty() const noexcept { return steps_.empty(); }

    // True if an INVITE, its CANCEL and its ACK expand to the same text: no method, credentials,
    // user agent or other header in it.
    bool same_in_transaction() const noexcept;

private:
    std::vector<PvarStep> steps_;
};

}  // namespace lb::table
