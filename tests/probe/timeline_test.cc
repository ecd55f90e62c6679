// Replays the recorded time lines of Kamailio 5.6.3: the same rows, parameters, replies and
// commands go to the prober on a simulated clock, and its packets, letters and events must be the
// recorded ones at the recorded times. Kamailio's timers tick 16 times a second and states were
// polled: 0.1 s is allowed.

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "probe/health.h"
#include "probe/scheduler.h"
#include "tests/probe/fake_network.h"
#include "tests/probe/recording.h"

namespace lb::probe {
namespace {

using test::letters;
using test::Recording;

constexpr Micros kTolerance = 100 * kMillisecond;

// Where the letters are others, and the letters and events expected instead.
struct Difference {
    const char* scenario;
    const char* uri;
    const char* why;
    const char* letters;
    const char* events;
};
constexpr Difference kDifferences[] = {
    {"p7-reply-codes", "sip:127.0.61.4:5060",
     "design.md section 11: a timeout is always a failure, also with class=4 in "
     "ds_ping_reply_codes",
     "AX IP", "dst-down"},
    {"p2-mode1-fr30s", "sip:127.0.61.15:5060",
     "fr_timer is a multiple of the interval: the timeout of one ping and the answer to another "
     "fall on "
     "the same tick from 44.9 s on, and Kamailio took the answer first once and the timeout first "
     "ever "
     "after; ours takes the timeout first every time",
     "AX AP", ""},
};

const Difference* difference(const std::string& scenario, const std::string& uri) {
    for (const Difference& row : kDifferences) {
        if (scenario == row.scenario && uri == row.uri) return &row;
    }
    return nullptr;
}

std::uint32_t bits_of(const std::string& state) {
    std::uint32_t bits = 0;
    for (const char letter : state) {
        if (letter == 'i') bits |= kInactive;
        if (letter == 't') bits |= kTrying;
        if (letter == 'd') bits |= kDisabled;
        if (letter == 'p') bits |= kProbing;
    }
    return bits;
}

// A Kamailio of the recording, with our prober in it.
class Replay {
public:
    explicit Replay(const Recording& recording) : recording_(recording) {
        rules_ = {
            static_cast<Mode>(recording.number("dispatcher.ds_probing_mode", 0)),
            static_cast<std::uint32_t>(recording.number("dispatcher.ds_probing_threshold", 1)),
            static_cast<std::uint32_t>(recording.number("dispatcher.ds_inactive_threshold", 1))};
        SchedulerOptions options;
        options.interval = recording.number("dispatcher.ds_ping_interval", 0) * kSecond;
        options.spread = false;
        options.mode = rules_.mode;
        options.timers.timeout = recording.number("tm.fr_timer", 30000) * kMillisecond;
        const auto codes = recording.modparams.find("dispatcher.ds_ping_reply_codes");
        if (codes != recording.modparams.end()) options.codes = ReplyCodes::parse(codes->second);

        scheduler_.emplace(options, Secret::derive(as_bytes("replayed")), 1, 0);
        wire_.on_sent = [this](const test::SentPing& ping) { on_sent(ping); };
        wire_.on_verdict = [this](const Verdict& verdict) { on_verdict(verdict); };
        load();
        for (const test::RecordedCommand& command : recording.commands) {
            agenda_.emplace(command.at, [this, &command] { run_command(command.text); });
        }
    }

    void run() {
        while (true) {
            const Micros timer = scheduler_->next_event().value_or(INT64_MAX);
            const Micros planned = agenda_.empty() ? INT64_MAX : agenda_.begin()->first;
            wire_.now = std::min(timer, planned);
            if (wire_.now > recording_.end + kTolerance) return;
            if (planned <= timer) {
                const std::function<void()> action = agenda_.begin()->second;
                agenda_.erase(agenda_.begin());
                action();
            } else {
                scheduler_->on_time(wire_.now, targets_, wire_);
            }
        }
    }

    std::map<std::string, std::vector<test::RecordedSend>> sends;
    std::map<std::string, std::vector<test::RecordedState>> states;
    std::map<std::string, std::vector<std::string>> events;

private:
    void load() {
        targets_.all.clear();
        health_.clear();
        order_.clear();
        for (const test::RecordedRow& row : recording_.rows) add(row.uri, row.flags);
        show_order();
    }
    void add(const std::string& uri, std::uint32_t flags) {
        const TargetId id = next_id_++;
        targets_.all[id] = {flags, *Endpoint::parse("127.0.60.1:5060"),
                            *Endpoint::parse(uri.substr(4)), uri, ""};
        health_[id] = {flags, 0};
        order_.insert(order_.begin(), id);  // the last row comes first
        note_state(uri, flags);
    }
    void show_order() { scheduler_->set_targets(order_, wire_.now); }

    void note_state(const std::string& uri, std::uint32_t flags) {
        auto& seen = states[uri];
        if (!seen.empty() && seen.back().letters == letters(flags)) return;
        seen.push_back({wire_.now, wire_.now, letters(flags)});
    }

    void on_sent(const test::SentPing& ping) {
        const std::string remote = ping.remote.text();
        auto& sent = sends[remote];
        const bool again = last_message_[remote].contains(ping.message);
        if (!again) {
            const int number = static_cast<int>(last_message_[remote].size()) + 1;
            last_message_[remote][ping.message] = {number, 0};
            plan_replies(remote, number, ping);
        }
        auto& [number, copies] = last_message_[remote][ping.message];
        sent.push_back({ping.at, number, ++copies});
    }

    // Answers come as long after the ping as they did.
    void plan_replies(const std::string& remote, int number, const test::SentPing& ping) {
        const auto replies = recording_.replies.find(remote);
        if (replies == recording_.replies.end()) return;
        for (const test::RecordedSend& sent : recording_.sends.at(remote)) {
            if (sent.ping != number || sent.copy != 1) continue;
            for (const test::RecordedReply& reply : replies->second) {
                if (reply.ping != number) continue;
                agenda_.emplace(ping.at + reply.at - sent.at, [this, ping, status = reply.status] {
                    EXPECT_TRUE(scheduler_->on_datagram(
                        ping.remote, test::reply_to(ping.message, status), wire_.now, wire_));
                });
            }
        }
    }

    void on_verdict(const Verdict& verdict) {
        const auto found = health_.find(verdict.id);
        if (found == health_.end()) return;  // of a list that was replaced
        const std::uint32_t old = found->second.flags;
        found->second = apply(found->second, verdict.outcome, rules_);
        const std::uint32_t now = found->second.flags;
        test::FakeTarget& target = targets_.all[verdict.id];
        target.flags = now;
        note_state(target.uri, now);
        constexpr std::uint32_t kSkipped = kInactive | kDisabled;
        if (((old & kSkipped) != 0) != ((now & kSkipped) != 0)) {
            events[target.uri].push_back((now & kSkipped) != 0 ? "dst-down" : "dst-up");
        }
    }

    void run_command(const std::string& text) {
        std::istringstream words(text);
        std::string command, state, set, uri;
        words >> command >> state >> set >> uri;
        if (command == "dispatcher.ping_active") {
            scheduler_->set_active(state == "1");
        } else if (command == "dispatcher.reload") {
            load();
        } else if (command == "dispatcher.add") {
            add(set, 0);
            for (auto& [id, health] : health_) health.count = 0;  // spec/dispatcher.md 3.8
            show_order();
        } else if (command == "dispatcher.set_state") {
            for (auto& [id, target] : targets_.all) {
                if (target.uri != uri) continue;
                target.flags = health_[id].flags = bits_of(state);
                note_state(uri, target.flags);
            }
        } else {
            ADD_FAILURE() << "unknown command " << text;
        }
    }

    const Recording& recording_;
    HealthRules rules_;
    std::optional<Scheduler> scheduler_;
    test::FakeTargets targets_;
    test::FakeWire wire_;
    std::map<TargetId, Health> health_;
    std::vector<TargetId> order_;
    TargetId next_id_ = 1;
    std::multimap<Micros, std::function<void()>> agenda_;
    std::map<std::string, std::map<std::string, std::pair<int, int>>> last_message_;
};

std::string joined(const std::vector<test::RecordedState>& states) {
    std::string text;
    for (const auto& state : states) text += (text.empty() ? "" : " ") + state.letters;
    return text;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

class Timeline : public ::testing::TestWithParam<const char*> {};

// In the order of pings and copies: two pings may send at the same moment. Near the end of a
// recording a packet may fall on either side of it.
std::vector<test::RecordedSend> ordered(std::vector<test::RecordedSend> sends, Micros end) {
    std::erase_if(sends, [&](const test::RecordedSend& sent) { return sent.at > end; });
    std::sort(sends.begin(), sends.end(), [](const auto& a, const auto& b) {
        return std::pair(a.ping, a.copy) < std::pair(b.ping, b.copy);
    });
    return sends;
}

void compare_sends(const Recording& recording, const Replay& replay) {
    const Micros end = recording.end - 2 * kTolerance;
    for (const auto& [remote, recorded] : recording.sends) {
        ASSERT_TRUE(replay.sends.contains(remote)) << remote << " was never pinged";
        const auto theirs = ordered(recorded, end);
        const auto ours = ordered(replay.sends.at(remote), end);
        ASSERT_EQ(ours.size(), theirs.size()) << remote;
        for (std::size_t index = 0; index < ours.size(); ++index) {
            EXPECT_EQ(ours[index].ping, theirs[index].ping) << remote << " packet " << index;
            EXPECT_EQ(ours[index].copy, theirs[index].copy) << remote << " packet " << index;
            EXPECT_NEAR(static_cast<double>(ours[index].at), static_cast<double>(theirs[index].at),
                        static_cast<double>(kTolerance))
                << remote << " packet " << index;
        }
    }
    for (const auto& [remote, sent] : replay.sends) {
        EXPECT_TRUE(recording.sends.contains(remote)) << remote << " should not be pinged";
    }
}

// As seen by somebody who looks every 55 ms.
std::vector<test::RecordedState> polled(const std::vector<test::RecordedState>& states) {
    std::vector<test::RecordedState> seen;
    for (std::size_t index = 0; index < states.size(); ++index) {
        const bool brief = index + 1 < states.size() &&
                           states[index + 1].at - states[index].at < 55 * kMillisecond;
        if (brief || (!seen.empty() && seen.back().letters == states[index].letters)) continue;
        seen.push_back(states[index]);
    }
    return seen;
}

void compare_states(const Recording& recording, const Replay& replay) {
    for (const auto& [uri, theirs] : recording.states) {
        const auto ours = polled(replay.states.at(uri));
        if (const Difference* known = difference(recording.name, uri)) {
            EXPECT_EQ(joined(ours), known->letters) << uri << ": " << known->why;
            EXPECT_NE(joined(ours), joined(theirs)) << uri << ": no difference any more";
        } else {
            ASSERT_EQ(joined(ours), joined(theirs)) << uri;
        }
        for (std::size_t index = 0; index < std::min(ours.size(), theirs.size()); ++index) {
            EXPECT_GE(ours[index].at, theirs[index].not_before - kTolerance) << uri << " " << index;
            EXPECT_LE(ours[index].at, theirs[index].at + kTolerance) << uri << " " << index;
        }
    }
}

void compare_events(const Recording& recording, const Replay& replay) {
    for (const auto& [uri, states] : recording.states) {
        const auto theirs = recording.events.find(uri);
        std::string expected = theirs == recording.events.end() ? "" : joined(theirs->second);
        if (const Difference* known = difference(recording.name, uri)) expected = known->events;
        const auto ours = replay.events.find(uri);
        EXPECT_EQ(ours == replay.events.end() ? "" : joined(ours->second), expected) << uri;
    }
}

TEST_P(Timeline, IsTheRecordedOne) {
    const Recording recording =
        test::read_recording(std::string(SIPLANE_SOURCE_ROOT "/tests/golden/probe/") + GetParam());
    Replay replay(recording);
    replay.run();
    compare_sends(recording, replay);
    compare_states(recording, replay);
    compare_events(recording, replay);
}

INSTANTIATE_TEST_SUITE_P(Golden, Timeline,
                         ::testing::Values("p1-mode1-fr2s", "p2-mode1-fr30s", "p3-thresholds",
                                           "p4-mode0", "p5-mode2", "p6-mode3", "p7-reply-codes",
                                           "p8-commands", "p9-interval1-latency"));

}  // namespace
}  // namespace lb::probe
