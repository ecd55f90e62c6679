#include "probe/health.h"

#include <gtest/gtest.h>

#include <string>

#include "dp/table/dispatch.h"
#include "tests/probe/recording.h"

namespace lb::probe {
namespace {

using test::letters;

static_assert(kInactive == table::kInactive && kTrying == table::kTrying);
static_assert(kDisabled == table::kDisabled && kProbing == table::kProbing);
static_assert(kNoDns == table::kNoDns && kNoPing == table::kNoPing);

// `results`: + success, - failure, one a probe. `states`: the letters after each.
struct FoldRow {
    const char* name;
    int mode;
    std::uint32_t down, up;  // probing_threshold, inactive_threshold
    std::uint32_t flags;
    const char* results;
    const char* states;
};

constexpr FoldRow kFolds[] = {
    // mode 1: everybody, P comes with the first result
    {"answer_makes_ap", 1, 1, 1, 0, "+", "AP"},
    {"threshold_1_never_shows_t", 1, 1, 1, 0, "-", "IP"},
    {"threshold_3", 1, 3, 1, 0, "---", "TP TP IP"},
    {"success_clears_the_failures", 1, 3, 1, 0, "--+--+---", "TP TP AP TP TP AP TP TP IP"},
    {"one_success_is_enough", 1, 1, 1, 0, "-+", "IP AP"},
    {"inactive_threshold_3", 1, 2, 3, 0, "--+++", "TP IP IP IP AP"},
    {"failure_clears_the_successes", 1, 2, 3, 1, "++-+++", "IP IP IP IP IP AP"},
    {"down_counts_from_zero_after_recovery", 1, 2, 2, 1, "++--", "IP AP TP IP"},
    {"failures_while_down_change_nothing", 1, 2, 1, 1, "----", "IP IP IP IP"},
    {"thresholds_0_are_1", 1, 0, 0, 0, "-+", "IP AP"},
    {"configured_trying", 1, 3, 1, 2, "+", "AP"},
    {"configured_trying_fails", 1, 3, 1, 2, "---", "TP TP IP"},
    {"disabled_is_left_alone", 1, 1, 1, 4, "-+", "DX DX"},
    {"disabled_probing_is_left_alone", 1, 1, 1, 12, "-+", "DP DP"},
    {"inactive_and_disabled_counts_as_disabled", 1, 1, 1, 5, "+", "IX"},
    // mode 0: the P is lost with any result
    {"mode0_answer", 0, 1, 1, 8, "+", "AX"},
    {"mode0_failure_below_threshold", 0, 2, 1, 8, "-", "TX"},
    {"mode0_failure_at_threshold", 0, 1, 1, 8, "-", "IX"},
    {"mode0_failure_while_down", 0, 2, 1, 9, "-", "IX"},
    {"mode0_answer_while_down", 0, 2, 1, 9, "+", "AX"},
    {"mode0_keeps_p_below_inactive_threshold", 0, 1, 3, 9, "+++", "IP IP AX"},
    // mode 2: P while down
    {"mode2_answer", 2, 1, 1, 9, "+", "AX"},
    {"mode2_failure_keeps_ip", 2, 1, 1, 9, "-", "IP"},
    {"mode2_keeps_p_below_inactive_threshold", 2, 1, 2, 9, "++", "IP AX"},
    // mode 3: P stays, and without it results do not count
    {"mode3_answer", 3, 1, 1, 9, "+", "AP"},
    {"mode3_failure", 3, 2, 1, 8, "--", "TP IP"},
    {"mode3_without_p", 3, 1, 1, 0, "-", "AX"},
    {"mode3_inactive_without_p", 3, 1, 1, 1, "+", "IX"},
};

TEST(Health, FoldsResultsAsKamailioDoes) {
    for (const FoldRow& row : kFolds) {
        const HealthRules rules{static_cast<Mode>(row.mode), row.down, row.up};
        Health health{row.flags, 0};
        std::string states;
        for (const char* result = row.results; *result != '\0'; ++result) {
            health = apply(health, *result == '+' ? ProbeOutcome::kSuccess : ProbeOutcome::kFailure,
                           rules);
            if (!states.empty()) states += ' ';
            states += letters(health.flags);
        }
        EXPECT_EQ(states, row.states) << row.name;
    }
}

TEST(Health, IsProbedAsTheModeSays) {
    struct Row {
        std::uint32_t flags;
        bool mode0, mode1, mode2, mode3;
    };
    constexpr Row kRows[] = {
        {0, false, true, false, false},   {1, false, true, false, false},
        {2, false, true, false, false},   {8, true, true, false, true},
        {9, true, true, true, true},      {10, true, true, false, true},
        {4, false, false, false, false},  {12, false, false, false, false},
        {13, false, false, false, false}, {16, false, false, false, false},
        {25, false, false, false, false}, {41, false, false, false, false},
        {32, false, false, false, false},
    };
    for (const Row& row : kRows) {
        EXPECT_EQ(is_probed(row.flags, Mode::kMarked), row.mode0) << row.flags;
        EXPECT_EQ(is_probed(row.flags, Mode::kAll), row.mode1) << row.flags;
        EXPECT_EQ(is_probed(row.flags, Mode::kDown), row.mode2) << row.flags;
        EXPECT_EQ(is_probed(row.flags, Mode::kFlagged), row.mode3) << row.flags;
    }
}

TEST(Health, SetStateDoesNotTouchTheCount) {
    // Two failures of three, `set_state a`, one more failure: down (spec 4.6).
    const HealthRules rules{Mode::kAll, 3, 1};
    Health health{0, 0};
    health = apply(health, ProbeOutcome::kFailure, rules);
    health = apply(health, ProbeOutcome::kFailure, rules);
    EXPECT_EQ(health, (Health{kTrying | kProbing, 2}));
    health.flags = 0;
    EXPECT_EQ(apply(health, ProbeOutcome::kFailure, rules), (Health{kInactive | kProbing, 0}));
}

TEST(Health, InactiveBySetStateIsUndoneByTheNextAnswer) {
    const HealthRules rules{Mode::kAll, 2, 1};
    EXPECT_EQ(apply({kInactive, 0}, ProbeOutcome::kSuccess, rules), (Health{kProbing, 0}));
}

TEST(Health, ConfiguredBitsStay) {
    const HealthRules rules{Mode::kAll, 1, 1};
    const Health down = apply({kNoDns | kNoPing, 0}, ProbeOutcome::kFailure, rules);
    EXPECT_EQ(down.flags, kNoDns | kNoPing | kInactive | kProbing);
    EXPECT_EQ(apply(down, ProbeOutcome::kSuccess, rules).flags, kNoDns | kNoPing | kProbing);
}

TEST(Health, AskingForDisabledGivesDisabledAlone) {
    const HealthRules rules{Mode::kAll, 1, 1};
    EXPECT_EQ(apply_request({kProbing, 0}, kDisabled | kProbing, rules), (Health{kDisabled, 0}));
}

TEST(Health, HoldsUntilTheFirstResult) {
    const HealthRules rules{Mode::kAll, 3, 4};
    EXPECT_EQ(initial_health(0, rules, false), (Health{0, 0}));
    const Health held = initial_health(0, rules, true);
    EXPECT_EQ(letters(held.flags), "IX");
    EXPECT_EQ(apply(held, ProbeOutcome::kSuccess, rules), (Health{kProbing, 0}));
    // Not the first answer but the fourth in a row, once it has failed.
    Health failed = apply(held, ProbeOutcome::kFailure, rules);
    EXPECT_EQ(failed, (Health{kInactive | kProbing, 0}));
    for (int answers = 0; answers < 3; ++answers) {
        failed = apply(failed, ProbeOutcome::kSuccess, rules);
        EXPECT_EQ(letters(failed.flags), "IP");
    }
    EXPECT_EQ(letters(apply(failed, ProbeOutcome::kSuccess, rules).flags), "AP");
}

TEST(Health, DoesNotHoldWhatIsNeverProbed) {
    const HealthRules marked{Mode::kMarked, 1, 1};
    EXPECT_EQ(initial_health(0, marked, true), (Health{0, 0}));
    EXPECT_EQ(initial_health(kProbing, marked, true), (Health{kProbing | kInactive, 0}));
    const HealthRules all{Mode::kAll, 1, 1};
    EXPECT_EQ(initial_health(kNoPing, all, true), (Health{kNoPing, 0}));
    EXPECT_EQ(initial_health(kDisabled, all, true), (Health{kDisabled, 0}));
    EXPECT_EQ(initial_health(kInactive, {Mode::kAll, 1, 4}, true), (Health{kInactive, 0}));
}

}  // namespace
}  // namespace lb::probe
