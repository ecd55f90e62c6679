#include "dp/core/preview.h"

#include <map>
#include <utility>

#include "dp/base/keyed_hash.h"
#include "dp/core/choose.h"
#include "dp/table/random.h"

namespace lb::core {
namespace {

using Identity = std::pair<std::string, std::string>;  // URI and duid

// A request whose every field that can be hashed is made of one text.
class SampleCall {
public:
    explicit SampleCall(const std::string& call_id) : call_id_(call_id) {
        char hex[16];
        write_hex64(siphash_1_3(HashKey{}, as_bytes(call_id)), hex);
        const std::string user(hex, sizeof(hex));
        uri_ = "sip:" + user + "@sample.invalid";
        credentials_ = "Digest username=\"" + user + "\"";
        message_.method = sip::Method::kInvite;
        message_.method_text = "INVITE";
        message_.request_uri = uri_;
        message_.call_id = {call_id_};
        message_.from = message_.to = {uri_};
        message_.from_addr.uri = message_.to_addr.uri = uri_;
        message_.authorization = {credentials_};
    }
    SampleCall(const SampleCall&) = delete;
    SampleCall& operator=(const SampleCall&) = delete;

    const sip::Message& message() const noexcept { return message_; }

private:
    const std::string& call_id_;
    std::string uri_;
    std::string credentials_;
    sip::Message message_;
};

// Puts calls to one side, with round-robin pointers and random numbers of its own.
class Player {
public:
    explicit Player(const PreviewSide& side)
        : side_(side), set_(side.dispatch.find_set(side.set)) {}

    // The index of the member that gets the call; -1: none.
    std::int64_t play(const SampleCall& call) {
        if (set_ == nullptr) return -1;
        Trace trace;
        const Question question{call.message(), source_, 0, side_.dispatch, *set_, side_.algorithm};
        const Choice choice = explain(question, state_, cursors_, trace, Detail::kChoice);
        table::next_random(state_.random);
        return choice ? static_cast<std::int64_t>(choice.index) : -1;
    }
    Identity identity(std::size_t index) const {
        const table::MemberText text = set_->texts[set_->members[index].text];
        return {std::string(text.uri), std::string(text.duid)};
    }
    std::size_t members() const noexcept { return set_ == nullptr ? 0 : set_->members.size(); }

private:
    const PreviewSide& side_;
    const table::Set* set_;
    Endpoint source_ = Endpoint::parse("192.0.2.1:5060").value();
    WorkerState state_{kTransactionsMin};
    table::Cursors cursors_;
};

// Numbers for the destinations of both sides: those of the same URI and duid get the same one.
class Rows {
public:
    Rows(const Player& before, const Player& after, std::vector<PreviewRow>& rows) : rows_(rows) {
        for (std::size_t i = 0; i < after.members(); ++i)
            after_.push_back(number(after.identity(i)));
        for (std::size_t i = 0; i < before.members(); ++i) {
            before_.push_back(number(before.identity(i)));
        }
    }
    std::size_t before(std::int64_t index) const {
        return before_[static_cast<std::size_t>(index)];
    }
    std::size_t after(std::int64_t index) const { return after_[static_cast<std::size_t>(index)]; }

private:
    std::size_t number(const Identity& identity) {
        const auto [found, fresh] = numbers_.try_emplace(identity, rows_.size());
        if (fresh) rows_.push_back({identity.first, identity.second});
        return found->second;
    }

    std::vector<PreviewRow>& rows_;
    std::map<Identity, std::size_t> numbers_;
    std::vector<std::size_t> before_, after_;
};

}  // namespace

Preview preview(const PreviewSide& before, const PreviewSide& after,
                std::span<const std::string> call_ids) {
    Preview result;
    result.sample = call_ids.size();
    // The auth user is there in every sample call, so it decides.
    const auto by_message = [](table::Algorithm algorithm) {
        return algorithm == table::Algorithm::kAuthUser || table::is_function_of_message(algorithm);
    };
    result.by_message = by_message(before.algorithm) && by_message(after.algorithm);

    Player old_player(before), new_player(after);
    const Rows rows(old_player, new_player, result.rows);
    for (const std::string& call_id : call_ids) {
        const SampleCall call(call_id);
        const std::int64_t was = old_player.play(call);
        const std::int64_t is = new_player.play(call);
        if (was >= 0) ++result.rows[rows.before(was)].before;
        if (is >= 0) ++result.rows[rows.after(is)].after;
        if (was >= 0 && is < 0) ++result.lost;
        if (was < 0 && is >= 0) ++result.won;
        if (was >= 0 && is >= 0 && rows.before(was) != rows.after(is)) ++result.moved;
    }
    return result;
}

std::vector<std::string> sample_call_ids(std::size_t count, std::uint64_t seed) {
    std::vector<std::string> ids;
    ids.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        char hex[32];
        write_hex64(table::next_random(seed), hex);
        write_hex64(table::next_random(seed), hex + 16);
        ids.push_back(std::string(hex, sizeof(hex)) + "@192.0.2." + std::to_string(i % 254 + 1));
    }
    return ids;
}

}  // namespace lb::core
