#pragma once

// A Control with a real Dispatcher behind it, and numbers that a test makes up.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cp/control.h"

namespace lb::test {

class FakeControl final : public cp::Control {
public:
    explicit FakeControl(cp::DispatcherOptions options = {}) : dispatcher_(std::move(options)) {
        shown.workers.resize(1);
        shown.generation = 7;
    }

    void load(const std::vector<std::pair<std::int64_t, std::string>>& rows) {
        std::vector<cp::DestinationRow> all;
        for (const auto& [set, uri] : rows) {
            cp::DestinationRow row;
            row.setid = set;
            row.destination = uri;
            row.origin = uri;
            all.push_back(std::move(row));
        }
        (void)dispatcher_.load(all, resolve, false);
    }

    cp::Dispatcher& dispatcher() override { return dispatcher_; }
    Status reload() override { return {}; }
    Status add_destination(const cp::DestinationRow& row) override {
        return dispatcher_.add(row, resolve);
    }
    Status remove_destination(std::int32_t set, std::string_view uri) override {
        return dispatcher_.remove(set, uri);
    }
    void dispatcher_changed() override {}
    std::int32_t ping_active() const override { return 1; }
    void set_ping_active(std::int32_t) override {}
    bool try_start_reload() override { return true; }
    cp::Stats stats() const override { return shown; }
    std::int64_t start_time() const override { return 1'700'000'000; }

    cp::Stats shown;

private:
    static Result<std::vector<Endpoint>> resolve(const cp::DestinationUri& uri) {
        if (!uri.literal) return failed(Errc::kNotFound, "no such name");
        const auto port = static_cast<std::uint16_t>(uri.port != 0 ? uri.port : 5060);
        return std::vector<Endpoint>{{*uri.literal, port}};
    }

    cp::Dispatcher dispatcher_;
};

}  // namespace lb::test
