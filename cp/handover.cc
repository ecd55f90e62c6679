#include "cp/handover.h"

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <condition_variable>
#include <mutex>

namespace lb::cp {
namespace {

enum class Stage { kWaiting, kRunning, kDone, kGivenUp };

struct Job {
    std::function<void()> task;
    Stage stage = Stage::kWaiting;  // guarded by Impl::mutex
};

}  // namespace

struct Handover::Impl {
    explicit Impl(asio::io_context& the_io) : io(the_io) {}

    asio::io_context& io;
    std::mutex mutex;
    std::condition_variable moved;
    bool closed = false;

    // The step from one stage to the next; false if the job is not at `from` any more.
    bool move(Job& job, Stage from, Stage to) {
        const std::lock_guard lock(mutex);
        if (job.stage != from || (closed && from == Stage::kWaiting)) return false;
        job.stage = to;
        moved.notify_all();
        return true;
    }
};

Handover::Handover(asio::io_context& io) : impl_(std::make_shared<Impl>(io)) {}
Handover::~Handover() { close(); }

bool Handover::run(std::function<void()> task, std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    auto job = std::make_shared<Job>();
    job->task = std::move(task);
    asio::post(impl_->io, [impl = impl_, job] {
        if (!impl->move(*job, Stage::kWaiting, Stage::kRunning)) return;
        job->task();
        impl->move(*job, Stage::kRunning, Stage::kDone);
    });

    std::unique_lock lock(impl_->mutex);
    const auto begun = [&] { return job->stage != Stage::kWaiting || impl_->closed; };
    impl_->moved.wait_until(lock, until, begun);
    if (job->stage == Stage::kWaiting) {
        job->stage = Stage::kGivenUp;
        return false;
    }
    // The control thread is at it right now, and the task may refer to our stack.
    impl_->moved.wait(lock, [&] { return job->stage == Stage::kDone; });
    return true;
}

void Handover::close() {
    const std::lock_guard lock(impl_->mutex);
    impl_->closed = true;
    impl_->moved.notify_all();
}

}  // namespace lb::cp
