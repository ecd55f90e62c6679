#pragma once

// Loads the destinations of the configured source into the model, with their
// host names looked up.
//
// Threads: the control thread only. It waits for DNS: all names of a load are asked together, for
// at
//          most kNamesLimit in all, and names in the cache cost nothing. Where the model has
//          addresses for every name that is asked, it waits for kKnownNamesLimit only and goes on
//          with those if no server answers, so that a dead name server neither stops the daemon nor
//          refuses a reload.

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "cp/config.h"
#include "cp/dispatcher.h"
#include "cp/dns.h"

namespace lb::cp {

class TableSource {
public:
    static constexpr std::chrono::milliseconds kNamesLimit{5000};
    static constexpr std::chrono::milliseconds kKnownNamesLimit{500};
    static constexpr std::size_t kRefreshTogether = 64;

    // `names_limit`: for tests.
    explicit TableSource(Dns& dns, std::chrono::milliseconds names_limit = kNamesLimit)
        : dns_(dns), names_limit_(names_limit), alive_(std::make_shared<bool>(true)) {}
    ~TableSource() { *alive_ = false; }
    TableSource(const TableSource&) = delete;
    TableSource& operator=(const TableSource&) = delete;

    // Reads the rows and loads them; see Dispatcher::load(). Without `all_or_nothing`, at the
    // start, a missing database is made.
    Result<Dispatcher::LoadReport> load(const DispatcherConfig& config, Dispatcher& dispatcher,
                                        bool all_or_nothing);

    // What Dispatcher::add() needs. Waits for one name.
    Resolver resolver(const DispatcherConfig& config);

    enum class Stale : std::uint8_t {
        kAll,       // names that may have another address by now: all with ds_dns_mode 4, else
                    // those that a load did not have to look up
        kNoAddress  // names that have none, whatever the mode
    };
    // Looks up hosts of destinations again; `changed` is called when an answer changed one, `find`
    // gives the model as it is by then. False, and nothing is begun, while the round before is not
    // over.
    bool refresh(Stale which, const DispatcherConfig& config, std::function<Dispatcher&()> find,
                 std::function<void()> changed);

private:
    class Known;

    Resolver loading(Known& known, bool services);
    void refresh_next(bool services, const std::function<Dispatcher&()>& find,
                      const std::function<void()>& changed);

    Dns& dns_;
    const std::chrono::milliseconds names_limit_;
    std::deque<table::DestinationId> stale_;  // to be refreshed
    std::size_t asking_ = 0;
    bool keeping_ = false;  // an answer of this round was empty, which is said once
    std::shared_ptr<bool> alive_;
};

}  // namespace lb::cp
