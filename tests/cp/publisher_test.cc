#include "cp/publisher.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <atomic>
#include <chrono>
#include <thread>

#include "cp/log.h"

namespace lb::cp {
namespace {

using std::chrono::milliseconds;

class PublisherTest : public testing::Test {
protected:
    PublisherTest() {
        Publisher::Sources sources;
        sources.dispatch =
            [this](const table::Dispatch* previous,
                   bool keep_cursors) -> Result<std::unique_ptr<const table::Dispatch>> {
            ++dispatches_;
            std::this_thread::sleep_for(cost_);
            had_previous_ = previous != nullptr;
            kept_cursors_ = keep_cursors;
            if (refuse_) return failed(Errc::kInvalid, "no good");
            table::Dispatch::Input input;
            input.sets.resize(sets_);
            for (std::size_t i = 0; i < sets_; ++i) input.sets[i].id = static_cast<int>(i) + 1;
            input.listeners.resize(1);
            input.listeners[0].endpoint = kListener;
            input.services.resize(1);
            return table::Dispatch::build(std::move(input));
        };
        sources.network = [this] {
            table::NetworkState state;
            state.interfaces.resize(interfaces_);
            state.interfaces[0].addresses = {{kListener.address, 24}};
            return state;
        };
        sources.names = [] { return std::vector<table::ResolvedName>{{"a.example", {}}}; };
        sources.published = [this](unsigned parts) { published_ |= parts; };
        publisher_ = std::make_unique<Publisher>(io_, std::move(sources), Secret(), true);
    }
    void run() {
        io_.restart();
        io_.run_for(milliseconds(50));
    }
    std::uint64_t generation() const { return publisher_->tables().generation; }

    const Endpoint kListener = Endpoint::parse("10.0.0.1:5060").value();
    asio::io_context io_;
    std::size_t sets_ = 1, interfaces_ = 1;
    milliseconds cost_{0};
    unsigned dispatches_ = 0, published_ = 0;
    bool refuse_ = false, had_previous_ = false, kept_cursors_ = false;
    std::unique_ptr<Publisher> publisher_;
};

TEST_F(PublisherTest, ChangesThatComeTogetherAreOneGeneration) {
    const auto before = generation();
    for (int i = 0; i < 1000; ++i) publisher_->changed(Publisher::kState);
    publisher_->changed(Publisher::kNetwork);
    EXPECT_EQ(generation(), before) << "not from within changed()";
    run();
    EXPECT_EQ(generation(), before + 1);
    EXPECT_EQ(dispatches_, 1U);
    EXPECT_TRUE(kept_cursors_);
    EXPECT_EQ(published_, Publisher::kState | Publisher::kNetwork);
    run();
    EXPECT_EQ(generation(), before + 1) << "nothing changed since";
}

TEST_F(PublisherTest, CountsHowLongChangesWaited) {
    ASSERT_TRUE(publisher_->publish(Publisher::kAll));
    EXPECT_EQ(publisher_->stats().generations, 0U) << "nothing waited";
    publisher_->changed(Publisher::kState);
    run();
    const PublisherStats first = publisher_->stats();
    EXPECT_EQ(first.generations, 1U);
    EXPECT_GE(first.last.count(), Publisher::kSoonUs);
    EXPECT_EQ(first.last, first.total);
    publisher_->changed(Publisher::kState);
    run();
    const PublisherStats& both = publisher_->stats();
    EXPECT_EQ(both.generations, 2U);
    EXPECT_EQ(both.longest, std::max(first.last, both.last));
    EXPECT_EQ(both.total, first.last + both.last);
}

// What costs much is not built all the time, but a change after a quiet time need not wait for
// that.
TEST_F(PublisherTest, APauseByTheCostOfTheLastGenerationAndNoLonger) {
    cost_ = milliseconds(60);
    ASSERT_TRUE(publisher_->publish(Publisher::kAll));
    publisher_->changed(Publisher::kState);
    io_.restart();
    io_.run_for(milliseconds(250));
    EXPECT_GE(publisher_->stats().last, 3 * cost_) << "two of pause, one of work";
    io_.restart();
    io_.run_for(milliseconds(50));
    std::this_thread::sleep_for(milliseconds(150));
    publisher_->changed(Publisher::kState);
    io_.restart();
    io_.run_for(milliseconds(250));
    EXPECT_EQ(publisher_->stats().generations, 2U);
    EXPECT_LT(publisher_->stats().last, 2 * cost_) << "the work alone";
}

TEST_F(PublisherTest, OnlyWhatChangedIsBuilt) {
    ASSERT_TRUE(publisher_->publish(Publisher::kAll));
    const auto first = publisher_->tables();
    EXPECT_FALSE(kept_cursors_) << "a new table has new pointers";
    ASSERT_TRUE(publisher_->publish(Publisher::kNetwork));
    EXPECT_EQ(publisher_->tables().dispatch, first.dispatch);
    EXPECT_EQ(publisher_->tables().names, first.names);
    EXPECT_NE(publisher_->tables().network, first.network);
    EXPECT_EQ(dispatches_, 1U);
}

// Without them everything is relayed all the same, only slower.
TEST_F(PublisherTest, TheWorkersHaveShortcuts) {
    ASSERT_TRUE(publisher_->publish(Publisher::kAll));
    auto last = publisher_->tables().shortcuts;
    EXPECT_EQ(last->door_for(kListener).endpoint, kListener);
    ASSERT_TRUE(publisher_->publish(Publisher::kNames));
    EXPECT_EQ(publisher_->tables().shortcuts, last);
    for (const auto part : {Publisher::kNetwork, Publisher::kState, Publisher::kTable}) {
        ASSERT_TRUE(publisher_->publish(part));
        EXPECT_NE(publisher_->tables().shortcuts, last) << part;
        last = publisher_->tables().shortcuts;
        EXPECT_EQ(last->door_for(kListener).endpoint, kListener) << part;
    }
}

TEST_F(PublisherTest, WhatWaitsGoesWithAPublishAtOnce) {
    publisher_->changed(Publisher::kNames);
    ASSERT_TRUE(publisher_->publish(Publisher::kTable));
    EXPECT_EQ(published_, Publisher::kNames | Publisher::kTable);
    const auto now = generation();
    run();
    EXPECT_EQ(generation(), now);
}

TEST_F(PublisherTest, ARefusedTableLeavesTheOldOne) {
    ASSERT_TRUE(publisher_->publish(Publisher::kAll));
    refuse_ = true;
    sets_ = 5;
    interfaces_ = 3;
    const Status refused = publisher_->publish(Publisher::kTable | Publisher::kNetwork);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "no good");
    EXPECT_EQ(publisher_->tables().dispatch->sets().size(), 1U);
    EXPECT_EQ(publisher_->tables().network->interfaces().size(), 3U) << "the rest goes on";
    EXPECT_TRUE(had_previous_);
    set_up_log(LogConfig{});
    testing::internal::CaptureStderr();
    publisher_->changed(Publisher::kState);
    run();
    EXPECT_NE(
        testing::internal::GetCapturedStderr().find("error tables.refused reason=\"no good\""),
        std::string::npos)
        << "nobody else asks how that ended";
}

// A reader as the workers are: each generation it sees is whole, and none goes back.
TEST_F(PublisherTest, ReadersSeeWholeGenerations) {
    ASSERT_TRUE(publisher_->publish(Publisher::kAll));
    std::atomic<bool> stop{false}, wrong{false};
    std::atomic<std::uint64_t> reads{0};
    std::thread reader([&] {
        table::RcuReader rcu;
        std::uint64_t last = 0;
        while (!stop.load(std::memory_order_relaxed)) {
            rcu.quiescent();
            const table::Tables& tables = publisher_->snapshot().read();
            if (tables.generation < last) wrong = true;
            if (tables.dispatch->sets().size() != tables.network->interfaces().size()) wrong = true;
            last = tables.generation;
            reads.fetch_add(1, std::memory_order_relaxed);
        }
    });
    while (reads == 0) std::this_thread::yield();
    for (std::size_t i = 1; i <= 200; ++i) {
        sets_ = interfaces_ = 1 + i % 7;
        ASSERT_TRUE(publisher_->publish(Publisher::kTable | Publisher::kNetwork));
    }
    stop = true;
    reader.join();
    EXPECT_FALSE(wrong);
    EXPECT_GE(reads, 200U) << "each publish waited for the reader";
}

}  // namespace
}  // namespace lb::cp
