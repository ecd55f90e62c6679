#pragma once

// Which final codes count as an answer: 200 to 299, and those of ds_ping_reply_codes.
//
// Source:  spec/dispatcher.md 4.5, golden/probe/p7-reply-codes.
// Differs: only replies are tested against it; a timeout is a failure whatever it says (design.md
// section 11).

#include <bitset>
#include <string_view>

namespace lb::probe {

class ReplyCodes {
public:
    ReplyCodes() noexcept;
    // "class=3;code=404;code=500": code 100..699, class 1..6, in any order, in any case, in quotes
    // or not. Anything else between two ';' is ignored, and a ',' ends the text, both as in
    // Kamailio.
    static ReplyCodes parse(std::string_view text) noexcept;
    // The first part of `text` that parse() ignores, for a warning; empty: none.
    static std::string_view first_ignored(std::string_view text) noexcept;

    bool accepts(unsigned code) const noexcept;

private:
    static constexpr unsigned kCodesEnd = 700;
    void add(unsigned first, unsigned count) noexcept;
    std::string_view add_fields(std::string_view text) noexcept;  // gives first_ignored()
    bool add_field(std::string_view field) noexcept;

    std::bitset<kCodesEnd> accepted_;
};

}  // namespace lb::probe
