// siplane.explain and siplane.reload_preview: what would happen. They change nothing.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "cp/explain.h"
#include "cp/rpc/explain_value.h"
#include "cp/rpc/methods.h"
#include "dp/core/preview.h"

namespace lb::rpc {
namespace {

constexpr std::int32_t kSampleDefault = 10'000;
constexpr std::int32_t kSampleMax = 200'000;  // about 0.2 s of the control thread
constexpr std::size_t kRowsMax = 1000;
// Sample calls times sets and algorithms: about 1 s of the control thread.
constexpr std::size_t kWorkMax = 1'000'000;

// For series of messages: the Explainer of the session that asked last, so that round robin goes on
// and retransmissions follow. Session 0: a fresh one for each message. Of the control thread.
cp::Explainer& explainer_of(std::int32_t session) {
    thread_local std::unique_ptr<cp::Explainer> kept;
    thread_local std::int32_t owner = 0;
    if (kept == nullptr || session == 0 || session != owner) {
        kept = std::make_unique<cp::Explainer>();
    }
    owner = session;
    return *kept;
}

Reply no_tables() { return Reply::failed(500, "No Tables", "the workers have no tables yet"); }

// Optional text parameter; false if it is there and is none.
bool read_optional(const Params& params, std::size_t at, std::string& out) {
    if (params.size() <= at) return true;
    const std::optional<std::string> text = params.text(at);
    if (text) out = *text;
    return text.has_value();
}

// A way by which a service comes to a set.
struct Use {
    std::string service, rule;
    std::int32_t set = 0;
    table::Algorithm algorithm = table::Algorithm::kCallId;
};

std::vector<Use> uses_of(const table::Dispatch& dispatch) {
    std::vector<Use> uses;
    for (const table::Service& service : dispatch.services()) {
        uses.push_back({service.name, "", service.set, service.algorithm});
        for (const table::Rule& rule : service.rules) {
            if (rule.action != table::Rule::Action::kDispatch) continue;
            uses.push_back({service.name, rule.name, rule.set, rule.algorithm});
        }
    }
    return uses;
}

// What two uses of one set and algorithm have in common.
using UseKey = std::pair<std::int32_t, table::Algorithm>;

std::set<UseKey> distinct(const std::vector<Use>& uses) {
    std::set<UseKey> keys;
    for (const Use& use : uses) keys.emplace(use.set, use.algorithm);
    return keys;
}

Struct value_of(const Use& use, const core::Preview& preview) {
    const auto moved = static_cast<std::uint64_t>(preview.moved);
    List rows;
    for (std::size_t i = 0; i < preview.rows.size() && i < kRowsMax; ++i) {
        const core::PreviewRow& row = preview.rows[i];
        rows.add("DEST", Struct{{"URI", row.uri},
                                {"DUID", row.duid},
                                {"BEFORE", std::uint64_t{row.before}},
                                {"AFTER", std::uint64_t{row.after}}});
    }
    Struct out{{"SERVICE", use.service}};
    if (!use.rule.empty()) out.add("RULE", use.rule);
    out.add("SET", use.set)
        .add("ALGORITHM", static_cast<std::int32_t>(use.algorithm))
        .add("BY_MESSAGE", preview.by_message ? 1 : 0)
        .add("MOVED", moved)
        .add("MOVED_PERCENT", 100.0 * preview.moved_share())
        .add("LOST", std::uint64_t{preview.lost})
        .add("WON", std::uint64_t{preview.won})
        .add("DESTINATIONS", static_cast<std::int32_t>(preview.rows.size()))
        .add("TARGETS", std::move(rows));
    return out;
}

}  // namespace

Reply siplane_explain(Context& context, const Params& params) {
    const table::Tables* const tables = context.control.tables();
    if (tables == nullptr) return no_tables();
    const std::optional<std::string> message = params.text_or_bytes(0);
    std::string source, target;
    if (!message || !read_optional(params, 1, source) || !read_optional(params, 2, target)) {
        return Reply::failed(500, "Invalid Parameters");
    }
    const std::int32_t session = params.integer(3).value_or(0);
    const auto answer = cp::explain_text(explainer_of(session), *tables, *message, source, target);
    if (!answer) return Reply::failed(500, "Cannot Explain", answer.error().message);
    return Reply::of(value_of(*answer));
}

Reply siplane_reload_preview(Context& context, const Params& params) {
    const table::Tables* const tables = context.control.tables();
    if (tables == nullptr) return no_tables();
    const std::vector<Use> uses = uses_of(*tables->dispatch);
    const std::size_t pairs = std::max<std::size_t>(1, distinct(uses).size());
    const auto most = static_cast<std::int32_t>(
        std::clamp<std::size_t>(kWorkMax / pairs, 1, static_cast<std::size_t>(kSampleMax)));
    const std::int32_t wanted =
        params.size() == 0 ? std::min(kSampleDefault, most) : params.integer(0).value_or(0);
    if (wanted < 1 || wanted > most) {
        return Reply::failed(500, "Invalid Parameters",
                             fmt::format("the sample size is 1 to {}, with {} different sets and "
                                         "algorithms in services and rules",
                                         most, pairs));
    }
    const auto after = context.control.preview_reload();
    if (!after) return Reply::failed(500, "Reload Would Fail", after.error().message);

    const std::vector<std::string> calls = core::sample_call_ids(static_cast<std::size_t>(wanted));
    List services;
    std::map<UseKey, core::Preview> previews;
    for (const Use& use : uses) {
        const auto [found, fresh] = previews.try_emplace({use.set, use.algorithm});
        if (fresh) {
            found->second = core::preview({*tables->dispatch, use.set, use.algorithm},
                                          {**after, use.set, use.algorithm}, calls);
        }
        services.add("SERVICE", value_of(use, found->second));
    }
    return Reply::of(Struct{{"SAMPLE", wanted}, {"SERVICES", std::move(services)}});
}

}  // namespace lb::rpc
