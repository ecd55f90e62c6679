#include "tests/bench/load/generator.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "dp/io/mbuf_pool.h"
#include "dp/io/port.h"

namespace lb::bench {
namespace {

constexpr std::uint16_t kBurstSize = 32;
constexpr unsigned kMbufs = 32767;
constexpr std::uint64_t kTimeBits = 56;  // of a stamp; the rest is the number of the trial
constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << kTimeBits) - 1;
constexpr std::uint64_t kAnswerMaxMs = 100;  // a ping without an answer by then is lost
constexpr double kRecordPps = 20'000;

}  // namespace

struct Generator::Impl {
    Status open(const std::string& device, const std::vector<StampedFrame>& frames);
    Status wait_for_link() const;
    std::uint64_t stamp_of(std::uint64_t now) const noexcept {
        return trial << kTimeBits | (now & kTimeMask);
    }
    double ns(std::uint64_t ticks) const noexcept {
        return static_cast<double>(ticks) * 1e9 / static_cast<double>(hz);
    }
    void begin_trial() noexcept;
    void send(std::uint64_t count, TrialResult& result) noexcept;
    bool receive(TrialResult& result) noexcept;
    void take(const rte_mbuf* mbuf, std::uint64_t now, TrialResult& result) noexcept;
    void linger(TrialResult& result) noexcept;

    std::uint64_t hz = rte_get_tsc_hz();
    std::optional<io::MbufPool> pool;
    std::optional<io::Port> port;
    std::vector<rte_mbuf*> mbufs;     // one a frame; each holds a reference of ours
    std::vector<std::size_t> stamps;  // by frame, as in StampedFrame
    bool all_stamped = true;
    std::size_t next = 0;  // frame to send
    std::uint64_t trial = 0;
    std::vector<test::Octets>* sent = nullptr;  // while recording
    std::vector<test::Octets>* recorded = nullptr;

    ~Impl() { rte_pktmbuf_free_bulk(mbufs.data(), static_cast<unsigned>(mbufs.size())); }
};

Status Generator::Impl::open(const std::string& device, const std::vector<StampedFrame>& frames) {
    auto made = io::MbufPool::create("load", kMbufs, -1);
    if (!made) return failed(std::move(made).error());
    pool.emplace(std::move(*made));
    io::PortConfig config;
    config.device = device;
    config.rx_descriptors = config.tx_descriptors = 8192;  // the device takes what it can
    auto opened = io::Port::create(config, *pool);
    if (!opened) return failed(std::move(opened).error());
    port.emplace(std::move(*opened));
    for (const StampedFrame& frame : frames) {
        rte_mbuf* mbuf = rte_pktmbuf_alloc(pool->get());
        char* at = mbuf == nullptr
                       ? nullptr
                       : rte_pktmbuf_append(mbuf, static_cast<std::uint16_t>(frame.octets.size()));
        if (at == nullptr) return failed(Errc::kExhausted, "no buffer for the frames");
        std::memcpy(at, frame.octets.data(), frame.octets.size());
        mbufs.push_back(mbuf);
        stamps.push_back(frame.stamp);
        all_stamped = all_stamped && frame.stamp != 0;
    }
    return wait_for_link();
}

Status Generator::Impl::wait_for_link() const {
    for (int i = 0; i < 1000; ++i) {
        if (port->stats().link_up) return {};
        rte_delay_us_sleep(10'000);
    }
    return failed(Errc::kUnavailable, "device " + port->device() + ": no link in ten seconds");
}

// What is still under way belongs to nobody.
void Generator::Impl::begin_trial() noexcept {
    TrialResult nobody;
    linger(nobody);
    trial = (trial + 1) & 0xff;
}

void Generator::Impl::send(std::uint64_t count, TrialResult& result) noexcept {
    std::array<rte_mbuf*, kBurstSize> burst;
    result.due += count;
    while (count > 0) {
        const auto n = static_cast<std::uint16_t>(std::min<std::uint64_t>(count, kBurstSize));
        const std::uint64_t stamp = stamp_of(rte_rdtsc());
        for (std::uint16_t i = 0; i < n; ++i) {
            rte_mbuf* mbuf = burst[i] = mbufs[next];
            rte_mbuf_refcnt_update(mbuf, 1);
            auto* frame = rte_pktmbuf_mtod(mbuf, std::uint8_t*);
            if (stamps[next] != 0) write_stamp(frame + stamps[next], stamp);
            if (sent != nullptr) sent->emplace_back(frame, frame + mbuf->data_len);
            next = next + 1 == mbufs.size() ? 0 : next + 1;
        }
        const std::uint16_t taken = port->send(0, burst.data(), n);
        for (std::uint16_t i = taken; i < n; ++i) rte_mbuf_refcnt_update(burst[i], -1);
        result.refused += static_cast<std::uint64_t>(n - taken);
        count -= n;
    }
}

bool Generator::Impl::receive(TrialResult& result) noexcept {
    std::array<rte_mbuf*, 2 * kBurstSize> burst;
    const std::uint16_t n = port->receive(0, burst.data(), burst.size());
    if (n == 0) return false;
    const std::uint64_t now = rte_rdtsc();
    for (std::uint16_t i = 0; i < n; ++i) take(burst[i], now, result);
    rte_pktmbuf_free_bulk(burst.data(), n);
    return true;
}

void Generator::Impl::take(const rte_mbuf* mbuf, std::uint64_t now, TrialResult& result) noexcept {
    const ConstBytes frame{rte_pktmbuf_mtod(mbuf, const std::uint8_t*), mbuf->data_len};
    if (recorded != nullptr) recorded->emplace_back(frame.begin(), frame.end());
    const ConstBytes payload = udp_payload(frame);
    const auto stamp = read_stamp(payload);
    const bool old = stamp && *stamp >> kTimeBits != trial;
    if (payload.empty() || old || (!stamp && all_stamped)) {
        ++result.strange;
        return;
    }
    ++result.returned;
    if (!stamp) return;
    const std::uint64_t ticks = (now - *stamp) & kTimeMask;
    result.latency_ns.add(static_cast<std::uint64_t>(ns(ticks)));
}

void Generator::Impl::linger(TrialResult& result) noexcept {
    std::uint64_t silence = rte_rdtsc();
    while (rte_rdtsc() - silence < hz / 1000 * kLingerMs) {
        if (receive(result)) silence = rte_rdtsc();
    }
}

Generator::Generator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generator::~Generator() = default;

Result<std::unique_ptr<Generator>> Generator::create(const std::string& device,
                                                     std::vector<StampedFrame> frames) {
    auto impl = std::make_unique<Impl>();
    if (Status status = impl->open(device, frames); !status) {
        return failed(std::move(status).error());
    }
    return std::unique_ptr<Generator>(new Generator(std::move(impl)));
}

TrialResult Generator::run(double pps, double seconds) {
    TrialResult result;
    impl_->begin_trial();
    const double per_tick = pps / static_cast<double>(impl_->hz);
    const std::uint64_t begin = rte_rdtsc();
    const auto length = static_cast<std::uint64_t>(seconds * static_cast<double>(impl_->hz));
    std::uint64_t now = begin;
    for (; now - begin < length; now = rte_rdtsc()) {
        const auto planned =
            static_cast<std::uint64_t>(static_cast<double>(now - begin) * per_tick);
        std::uint64_t behind = planned - result.due - result.late;
        if (behind > kCatchUpMax) {
            result.late += behind - kCatchUpMax;
            behind = kCatchUpMax;
        }
        impl_->send(std::min<std::uint64_t>(behind, kBurstSize), result);
        impl_->receive(result);
    }
    result.seconds = static_cast<double>(now - begin) / static_cast<double>(impl_->hz);
    impl_->linger(result);
    return result;
}

TrialResult Generator::ping(std::uint64_t count, std::uint64_t pause_us) {
    TrialResult result;
    impl_->begin_trial();
    const std::uint64_t begin = rte_rdtsc();
    const std::uint64_t pause = impl_->hz / 1'000'000 * pause_us;
    for (std::uint64_t i = 0; i < count; ++i) {
        for (const std::uint64_t from = rte_rdtsc(); rte_rdtsc() - from < pause;) {
            impl_->receive(result);
        }
        const std::uint64_t before = result.returned;
        impl_->send(1, result);
        const std::uint64_t from = rte_rdtsc();
        while (result.returned == before && rte_rdtsc() - from < impl_->hz / 1000 * kAnswerMaxMs) {
            impl_->receive(result);
        }
    }
    result.seconds = static_cast<double>(rte_rdtsc() - begin) / static_cast<double>(impl_->hz);
    return result;
}

void Generator::record(std::vector<test::Octets>& sent, std::vector<test::Octets>& returned) {
    impl_->next = 0;
    impl_->begin_trial();
    impl_->sent = &sent;
    impl_->recorded = &returned;
    TrialResult result;
    const auto gap = static_cast<std::uint64_t>(static_cast<double>(impl_->hz) / kRecordPps);
    for (std::size_t i = 0; i < impl_->mbufs.size(); ++i) {
        const std::uint64_t from = rte_rdtsc();
        impl_->send(1, result);
        while (rte_rdtsc() - from < gap) impl_->receive(result);
    }
    impl_->linger(result);
    impl_->sent = impl_->recorded = nullptr;
}

}  // namespace lb::bench
