#include "dp/table/pvar.h"

#include <algorithm>
#include <array>
#include <optional>

namespace lb::table {
namespace {

struct Known {
    std::string_view name;
    Pvar kind;
};

constexpr std::array kKnown{
    Known{"ci", Pvar::kCallId},      Known{"cs", Pvar::kCSeq},
    Known{"rm", Pvar::kMethod},      Known{"ua", Pvar::kUserAgent},
    Known{"au", Pvar::kAuthUser},    Known{"si", Pvar::kSourceIp},
    Known{"sp", Pvar::kSourcePort},  Known{"fu", Pvar::kFromUri},
    Known{"fU", Pvar::kFromUser},    Known{"fd", Pvar::kFromHost},
    Known{"tu", Pvar::kToUri},       Known{"tU", Pvar::kToUser},
    Known{"td", Pvar::kToHost},      Known{"ru", Pvar::kRequestUri},
    Known{"rU", Pvar::kRequestUser}, Known{"rd", Pvar::kRequestHost},
};

constexpr std::string_view kHeaderOpen = "hdr(";

// The variable whose name is all of `name`: "ci" or "hdr(Name)".
std::optional<PvarStep> variable(std::string_view name) {
    if (name.starts_with(kHeaderOpen) && name.size() > kHeaderOpen.size() + 1 &&
        name.ends_with(')')) {
        name.remove_prefix(kHeaderOpen.size());
        name.remove_suffix(1);
        return PvarStep{Pvar::kHeader, std::string(name)};
    }
    const auto* const found = std::ranges::find(kKnown, name, &Known::name);
    if (found == kKnown.end()) return std::nullopt;
    return PvarStep{found->kind, {}};
}

// How many characters of `text`, which follows a '$', name the variable; 0: none does.
std::size_t name_length(std::string_view text) {
    if (text.starts_with(kHeaderOpen)) {
        const std::size_t close = text.find(')');
        return close == std::string_view::npos ? 0 : close + 1;
    }
    return text.size() >= 2 ? 2 : 0;
}

// The length of "(name)" at the front of `text`, counting the parentheses of hdr(); 0: never
// closed.
std::size_t group_length(std::string_view text) {
    const bool header = text.substr(1).starts_with(kHeaderOpen);
    const std::size_t close = text.find(header ? "))" : ")");
    return close == std::string_view::npos ? 0 : close + (header ? 2 : 1);
}

void add_text(std::vector<PvarStep>& steps, std::string_view text) {
    if (text.empty()) return;
    if (steps.empty() || steps.back().kind != Pvar::kText) steps.push_back({Pvar::kText, {}});
    steps.back().text += text;
}

}  // namespace

Result<PvarProgram> PvarProgram::compile(std::string_view text) {
    PvarProgram program;
    while (!text.empty()) {
        const std::size_t dollar = std::min(text.find('$'), text.size());
        add_text(program.steps_, text.substr(0, dollar));
        text.remove_prefix(dollar);
        if (text.empty()) break;

        text.remove_prefix(1);
        if (text.starts_with('$')) {
            add_text(program.steps_, "$");
            text.remove_prefix(1);
            continue;
        }
        const bool grouped = text.starts_with('(');
        const std::size_t length = grouped ? group_length(text) : name_length(text);
        std::string_view name = text.substr(0, length);
        if (grouped && length > 2) name = name.substr(1, length - 2);
        std::optional<PvarStep> step = variable(name);
        if (!step) {
            return failed(Errc::kInvalid, "hash_pvar: unknown variable at \"$" +
                                              std::string(text.substr(0, 20)) + "\"");
        }
        program.steps_.push_back(*std::move(step));
        text.remove_prefix(length);
    }
    return program;
}

bool PvarProgram::same_in_transaction() const noexcept {
    return std::ranges::none_of(steps_, [](const PvarStep& step) {
        return step.kind == Pvar::kMethod || step.kind == Pvar::kAuthUser ||
               step.kind == Pvar::kUserAgent || step.kind == Pvar::kHeader;
    });
}

}  // namespace lb::table
