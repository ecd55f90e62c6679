#include "dp/io/trace.h"

#include <rte_cycles.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <limits>
#include <utility>

#include "dp/base/assert.h"

namespace lb::io {

namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;

constexpr std::size_t rounded(std::size_t size) noexcept { return (size + 7) & ~std::size_t{7}; }

// Ticks to Unix time. Made anew for each drain(), so that no drift adds up.
class WallClock {
public:
    WallClock() noexcept {
        std::uint64_t narrowest = std::numeric_limits<std::uint64_t>::max();
        for (int i = 0; i < 3; ++i) {  // the reading that nothing came between
            timespec now{};
            const std::uint64_t before = rte_rdtsc();
            clock_gettime(CLOCK_REALTIME, &now);
            const std::uint64_t after = rte_rdtsc();
            if (after - before >= narrowest) continue;
            narrowest = after - before;
            ticks_ = before + narrowest / 2;
            unix_ns_ = std::int64_t{now.tv_sec} * std::int64_t{kNsPerS} + now.tv_nsec;
        }
    }
    std::int64_t unix_ns(std::uint64_t ticks) const noexcept {
        return ticks <= ticks_ ? unix_ns_ - ns(ticks_ - ticks) : unix_ns_ + ns(ticks - ticks_);
    }

private:
    std::int64_t ns(std::uint64_t ticks) const noexcept {
        const std::uint64_t left = ticks % per_second_;
        return static_cast<std::int64_t>(ticks / per_second_ * kNsPerS +
                                         left * kNsPerS / per_second_);
    }
    std::uint64_t per_second_ = rte_get_tsc_hz();
    std::uint64_t ticks_ = 0;
    std::int64_t unix_ns_ = 0;
};

}  // namespace

TraceRing::TraceRing(std::size_t size) : bytes_(size) {
    LB_ASSERT(size != 0 && (size & (size - 1)) == 0);
}

bool TraceRing::push(TraceHead& head, ConstBytes received, ConstBytes sent) noexcept {
    const std::size_t size = rounded(sizeof head + received.size() + sent.size());
    const std::uint64_t begin = head_.load(std::memory_order_relaxed);
    const std::size_t used = begin - tail_.load(std::memory_order_acquire);
    const std::size_t offset = begin & (bytes_.size() - 1);
    const std::size_t to_end = bytes_.size() - offset;
    const std::size_t skipped = size > to_end ? to_end : 0;
    if (skipped + size > bytes_.size() - used) {
        lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return false;
    }
    if (skipped != 0) std::memcpy(bytes_.data() + offset, &TraceHead::kSkip, 4);
    head.size = static_cast<std::uint32_t>(size);
    head.received_size = static_cast<std::uint32_t>(received.size());
    head.sent_size = static_cast<std::uint32_t>(sent.size());
    std::uint8_t* to = bytes_.data() + (skipped != 0 ? 0 : offset);
    std::memcpy(to, &head, sizeof head);
    to += sizeof head;
    if (!received.empty()) std::memcpy(to, received.data(), received.size());
    if (!sent.empty()) std::memcpy(to + received.size(), sent.data(), sent.size());
    head_.store(begin + skipped + size, std::memory_order_release);
    return true;
}

bool TraceRing::front(TraceHead& head, ConstBytes& received, ConstBytes& sent) noexcept {
    const std::uint64_t end = head_.load(std::memory_order_acquire);
    std::uint64_t begin = tail_.load(std::memory_order_relaxed);
    if (begin == end) return false;
    std::size_t offset = begin & (bytes_.size() - 1);
    std::uint32_t size = 0;
    std::memcpy(&size, bytes_.data() + offset, sizeof size);
    if (size == TraceHead::kSkip) {
        begin += bytes_.size() - offset;
        tail_.store(begin, std::memory_order_release);
        offset = 0;
    }
    const std::uint8_t* at = bytes_.data() + offset;
    std::memcpy(&head, at, sizeof head);
    received = {at + sizeof head, head.received_size};
    sent = {at + sizeof head + head.received_size, head.sent_size};
    shown_ = head.size;
    return true;
}

void TraceRing::pop() noexcept {
    tail_.store(tail_.load(std::memory_order_relaxed) + shown_, std::memory_order_release);
    shown_ = 0;
}

// Memory that only a traced message touches.
struct TraceTap::Copies {
    core::TraceView view;
    std::size_t received_size = 0, sent_size = 0;
    std::uint16_t device = 0, vlan = net::kNoVlan;
    std::array<std::uint8_t, kTraceFrameMax> received, sent;
};

TraceTap::TraceTap() : copies_(new Copies) {}
TraceTap::~TraceTap() = default;

void TraceTap::received(const net::Packet& packet, const table::Tables& tables) noexcept {
    Copies& copies = *copies_;
    wanted_ = packet.length <= copies.received.size() && core::look(packet, tables, copies.view) &&
              core::may_match(session_->filter, copies.view);
    if (!wanted_) return;
    std::memcpy(copies.received.data(), packet.data, packet.length);
    copies.received_size = packet.length;
    copies.device = packet.device;
    copies.vlan = packet.vlan;
}

// The frame as it will be on the wire, and where it goes. False: it does not fit, or is none.
bool TraceTap::copy_sent(const net::Packet& packet, Endpoint& target) noexcept {
    Copies& copies = *copies_;
    copies.sent_size = 0;
    if (packet.length > copies.sent.size()) return false;
    std::memcpy(copies.sent.data(), packet.data, packet.length);
    copies.sent_size = packet.length;
    net::Packet sent;
    sent.data = copies.sent.data();
    sent.length = packet.length;
    net::complete_checksums(sent);  // as the device will
    net::FrameView frame;
    if (net::parse_frame(sent, frame, false) != net::FrameError::kNone) return false;
    target = frame.target;
    return true;
}

void TraceTap::decided(const net::Packet& packet, core::Verdict verdict,
                       const core::Scratch& scratch) noexcept {
    if (!std::exchange(wanted_, false)) return;
    Copies& copies = *copies_;
    copies.sent_size = 0;
    const bool relayed =
        verdict.action == core::Action::kForward || verdict.action == core::Action::kSlowPath;
    Endpoint target;
    const bool sends =
        (relayed || verdict.action == core::Action::kReply) && copy_sent(packet, target);
    const Endpoint* const relayed_to = relayed && sends ? &target : nullptr;
    if (!core::matches(session_->filter, copies.view.reply, relayed_to)) return;

    TraceHead head;
    head.ticks = ticks_;
    head.verdict = verdict;
    head.device = copies.device;
    head.vlan = copies.vlan;
    if (relayed && !copies.view.reply) {
        head.slot = scratch.last_request.slot;
        head.dispatched = scratch.last_request.dispatched;
    }
    session_->rings[worker_]->push(head, {copies.received.data(), copies.received_size},
                                   {copies.sent.data(), copies.sent_size});
}

Tracing::Tracing(std::size_t workers)
    : workers_(workers), sessions_(std::make_unique<const TraceSession>()) {}

void Tracing::start(core::TraceFilter filter) {
    auto session = std::make_unique<TraceSession>();
    session->filter = std::move(filter);
    for (std::size_t i = 0; i < workers_; ++i) {
        session->rings.push_back(std::make_shared<TraceRing>(kTraceRingBytes));
    }
    rings_ = session->rings;
    sessions_.publish(std::move(session));
}

void Tracing::stop() { sessions_.publish(std::make_unique<const TraceSession>()); }

void Tracing::drain(const Take& take) {
    struct Shown {
        TraceHead head;
        ConstBytes received, sent;
        bool any = false;
    };
    const WallClock clock;
    std::vector<Shown> shown(rings_.size());
    const auto show = [&](std::size_t i) {
        Shown& one = shown[i];
        one.any = rings_[i]->front(one.head, one.received, one.sent);
    };
    for (std::size_t i = 0; i < rings_.size(); ++i) show(i);
    std::size_t budget = rings_.size() * kTraceRingBytes;  // workers may write as fast as we read
    for (;;) {
        const auto earliest =
            std::min_element(shown.begin(), shown.end(), [](const Shown& a, const Shown& b) {
                return a.any != b.any ? a.any : a.head.ticks < b.head.ticks;
            });
        if (earliest == shown.end() || !earliest->any || earliest->head.size > budget) return;
        budget -= earliest->head.size;
        core::TracedMessage message;
        message.time_ns = clock.unix_ns(earliest->head.ticks);
        message.verdict = earliest->head.verdict;
        message.device = earliest->head.device;
        message.vlan = earliest->head.vlan;
        message.slot = earliest->head.slot;
        message.dispatched = earliest->head.dispatched;
        message.received = earliest->received;
        message.sent = earliest->sent;
        take(message);
        const auto ring = static_cast<std::size_t>(earliest - shown.begin());
        rings_[ring]->pop();
        show(ring);
    }
}

std::uint64_t Tracing::lost() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& ring : rings_) sum += ring->lost();
    return sum;
}

}  // namespace lb::io
