#include "cp/dns.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/stat.h>

#include <algorithm>
#include <asio/post.hpp>
#include <map>
#include <unordered_map>
#include <utility>

#include "cp/dns_channel.h"
#include "dp/base/bytes.h"

namespace lb::cp {
namespace {

using Clock = std::chrono::steady_clock;

// How long an expired answer is kept for the case that no server answers when it is asked again.
constexpr std::chrono::seconds kStale{600};

// Questions of resolve_now() under way together: as many as a small server's socket buffer takes.
constexpr std::size_t kTogether = 64;

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

// Where SRV points, or the name itself.
struct Target {
    Target(std::string name, std::uint16_t number) : host(std::move(name)), port(number) {}

    std::string host;
    std::uint16_t port;
    std::uint16_t priority = 0, weight = 0;
    std::vector<Endpoint> endpoints;
};

struct FreeAresData {
    void operator()(void* data) const noexcept { ares_free_data(data); }
};
template <class T>
using AresData = std::unique_ptr<T, FreeAresData>;

// Skips a name in a DNS message; null if it is broken. c-ares has parsed the message before.
const std::uint8_t* skip_name(const std::uint8_t* at, const std::uint8_t* start, int size) {
    char* name = nullptr;
    long encoded = 0;
    if (at >= start + size) return nullptr;
    if (ares_expand_name(at, start, size, &name, &encoded) != ARES_SUCCESS) return nullptr;
    ares_free_string(name);
    return at + encoded;
}

// The smallest TTL of the answer section, which the parsers of c-ares 1.18 do not give for SRV and
// NAPTR.
std::uint32_t least_ttl(const std::uint8_t* message, int size, std::uint32_t otherwise) {
    if (size < 12) return otherwise;
    const std::uint8_t* const end = message + size;
    const std::uint8_t* at = message + 12;
    for (unsigned n = load_be16(message + 4); n > 0; --n) {
        at = skip_name(at, message, size);
        if (at == nullptr || end - at < 4) return otherwise;
        at += 4;
    }
    std::uint32_t least = otherwise;
    for (unsigned n = load_be16(message + 6); n > 0; --n) {
        at = skip_name(at, message, size);
        if (at == nullptr || end - at < 10) return least;
        const std::uint32_t ttl = load_be32(at + 4);
        least = std::min(least, ttl > 0x7fffffff ? 0 : ttl);  // RFC 2181 section 8
        const unsigned data = load_be16(at + 8);
        if (end - at < static_cast<std::ptrdiff_t>(10 + data)) return least;
        at += 10 + data;
    }
    return least;
}

bool is_temporary(int status) noexcept {
    return status == ARES_ESERVFAIL || status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED ||
           status == ARES_EREFUSED || status == ARES_EBADRESP;
}

// Another value for each version of a file; that of a file which is not there is one, too.
struct FileVersion {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    time_t seconds = 0;
    long nanoseconds = 0;

    bool operator==(const FileVersion&) const = default;
};

FileVersion version_of(const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return {};
    return {found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
}

}  // namespace

std::string dns_key(std::string_view host, std::uint16_t port) {
    return port == 0 ? lower(host) : lower(host) + ":" + std::to_string(port);
}

// One question under way. c-ares holds a reference as long as it will call back.
struct Lookup {
    std::string cache_key;
    DnsName name;
    std::vector<std::string> services;  // SRV names yet to ask, best first
    std::vector<Target> targets;
    std::size_t pending = 0;  // targets whose addresses are being asked
    std::uint32_t ttl = 0xffffffff;
    bool temporary_failure = false;
    bool abandoned = false;  // its channel goes; what c-ares says of it counts no more
    std::vector<Dns::Done> waiting;
};

struct Answer {
    Dns::Endpoints endpoints;
    Clock::time_point expires;
    bool services = true;
    bool temporary = false;  // empty only because no server answered
};

struct Dns::Impl {
    Impl(asio::io_context& loop, DnsOptions settings)
        : io(loop),
          options(std::move(settings)),
          servers_version(version_of(options.resolv_conf)),
          channel(std::make_unique<DnsChannel>(loop, options)) {}

    asio::io_context& io;
    DnsOptions options;
    std::unordered_map<std::string, Answer> answers;
    std::map<std::string, std::shared_ptr<Lookup>> lookups;
    std::size_t names_of_load = 0;  // the most that one resolve_now() asked for: they have room
    std::uint64_t questions = 0;
    Clock::time_point last_expiry = Clock::now();
    bool closing = false;
    FileVersion servers_version;          // of resolv_conf, when `channel` read it or before
    std::unique_ptr<DnsChannel> channel;  // last: its end answers what is under way

    static std::string cache_key(const DnsName& name);
    const Answer* find(const DnsName& name) const;
    std::shared_ptr<Lookup> start(const DnsName& name);
    void query(std::shared_ptr<Lookup> lookup, const std::string& name, int type,
               ares_callback callback);
    void ask_services(std::shared_ptr<Lookup> lookup);
    void ask_addresses(std::shared_ptr<Lookup> lookup);
    void take_naptr(Lookup& lookup, const std::uint8_t* message, int size);
    void take_srv(Lookup& lookup, const std::uint8_t* message, int size);
    void finish(const std::shared_ptr<Lookup>& lookup);
    void store(const Lookup& lookup, Endpoints endpoints);
    void make_room();
    std::vector<std::shared_ptr<Lookup>> change_channel();
    void answer(Done done, Endpoints endpoints);

    // What a c-ares callback is given.
    struct Call {
        Impl* impl;
        std::shared_ptr<Lookup> lookup;
        std::size_t target = 0;
    };
    static void on_naptr(void* arg, int status, int timeouts, unsigned char* message, int size);
    static void on_srv(void* arg, int status, int timeouts, unsigned char* message, int size);
    static void on_addresses(void* arg, int status, int timeouts, ares_addrinfo* result);
};

Dns::Dns(asio::io_context& io, DnsOptions options)
    : impl_(std::make_unique<Impl>(io, std::move(options))) {}

Dns::~Dns() { impl_->closing = true; }

std::size_t Dns::size() const noexcept { return impl_->answers.size(); }
void Dns::set_ttl_override(std::uint32_t seconds) noexcept {
    impl_->options.ttl_override_s = seconds;
}
std::uint64_t Dns::questions() const noexcept { return impl_->questions; }

// A name asked without NAPTR and SRV is another question than the same name asked with them.
std::string Dns::Impl::cache_key(const DnsName& name) {
    return dns_key(name.host, name.port) + (name.services || name.port != 0 ? "" : " A");
}

const Answer* Dns::Impl::find(const DnsName& name) const {
    const auto known = answers.find(cache_key(name));
    if (known == answers.end() || known->second.expires <= Clock::now()) return nullptr;
    return &known->second;
}

const Dns::Endpoints* Dns::find(const DnsName& name) const {
    if (const auto literal = IpAddress::parse(name.host)) {
        thread_local Endpoints one;
        one.assign(1, {*literal, name.port == 0 ? kSipPort : name.port});
        return &one;
    }
    const Answer* known = impl_->find(name);
    return known == nullptr ? nullptr : &known->endpoints;
}

bool Dns::unanswered(const DnsName& name) const {
    if (IpAddress::parse(name.host)) return false;
    const Answer* known = impl_->find(name);
    return known == nullptr || known->temporary;
}

void Dns::resolve(const DnsName& name, Done done) {
    if (const Endpoints* known = find(name)) return impl_->answer(std::move(done), *known);
    const auto lookup = impl_->start(name);
    if (lookup && impl_->lookups.contains(lookup->cache_key)) {
        lookup->waiting.push_back(std::move(done));
        return;
    }
    const Endpoints* refused =
        find(name);  // answered at once: no name at all, or in the hosts file
    impl_->answer(std::move(done), refused == nullptr ? Endpoints{} : *refused);
}

void Dns::resolve_now(const std::vector<DnsName>& names, std::chrono::milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    impl_->names_of_load = std::max(impl_->names_of_load, names.size());
    const std::size_t together = std::min(kTogether, impl_->options.questions_max);
    for (const DnsName& name : names) {
        if (find(name) != nullptr) continue;
        impl_->channel->run_until([&] { return impl_->lookups.size() < together; }, deadline);
        if (Clock::now() >= deadline) return;
        impl_->start(name);
    }
    impl_->channel->run_until(
        [&] {
            return std::none_of(names.begin(), names.end(), [this](const DnsName& name) {
                return impl_->lookups.contains(Impl::cache_key(name));
            });
        },
        deadline);
}

void Dns::Impl::answer(Done done, Endpoints endpoints) {
    asio::post(io, [done = std::move(done), endpoints = std::move(endpoints)] { done(endpoints); });
}

// Null if the bound on questions is reached, or there is no channel.
std::shared_ptr<Lookup> Dns::Impl::start(const DnsName& name) {
    const std::string key = cache_key(name);
    if (const auto known = lookups.find(key); known != lookups.end()) return known->second;
    if (lookups.size() >= options.questions_max || channel->get() == nullptr) return nullptr;
    auto lookup = std::make_shared<Lookup>();
    lookup->cache_key = key;
    lookup->name = name;
    lookups.emplace(key, lookup);
    if (name.port != 0 || !name.services) {
        lookup->targets.emplace_back(name.host, name.port == 0 ? kSipPort : name.port);
        ask_addresses(lookup);
    } else {
        query(lookup, name.host, ns_t_naptr, on_naptr);
    }
    if (!lookups.empty()) channel->arm();
    return lookup;
}

void Dns::Impl::query(std::shared_ptr<Lookup> lookup, const std::string& name, int type,
                      ares_callback callback) {
    ++questions;
    ares_query(channel->get(), name.c_str(), ns_c_in, type, callback,
               new Call{this, std::move(lookup)});
}

void Dns::Impl::on_naptr(void* arg, int status, int, unsigned char* message, int size) {
    const std::unique_ptr<Call> call(static_cast<Call*>(arg));
    if (call->impl->closing || call->lookup->abandoned) return;
    Lookup& lookup = *call->lookup;
    lookup.temporary_failure |= is_temporary(status);
    if (status == ARES_SUCCESS) call->impl->take_naptr(lookup, message, size);
    // No NAPTR for UDP: the well-known SRV name (RFC 3263 4.1).
    if (lookup.services.empty()) lookup.services.push_back("_sip._udp." + lookup.name.host);
    call->impl->ask_services(call->lookup);
}

void Dns::Impl::take_naptr(Lookup& lookup, const std::uint8_t* message, int size) {
    ares_naptr_reply* first = nullptr;
    if (ares_parse_naptr_reply(message, size, &first) != ARES_SUCCESS) return;
    const AresData<ares_naptr_reply> owner(first);
    lookup.ttl = std::min(lookup.ttl, least_ttl(message, size, lookup.ttl));
    std::vector<const ares_naptr_reply*> ours;
    for (const auto* at = first; at != nullptr; at = at->next) {
        const auto* service = reinterpret_cast<const char*>(at->service);
        const auto* flags = reinterpret_cast<const char*>(at->flags);
        if (::strcasecmp(service, "SIP+D2U") == 0 && ::strcasecmp(flags, "s") == 0) {
            ours.push_back(at);
        }
    }
    std::stable_sort(ours.begin(), ours.end(), [](const auto* a, const auto* b) {
        return std::pair(a->order, a->preference) < std::pair(b->order, b->preference);
    });
    if (ours.size() > kDnsTargetsMax) ours.resize(kDnsTargetsMax);
    for (const auto* reply : ours) lookup.services.emplace_back(reply->replacement);
}

// Asks the best SRV name that is left; without any target in the end, the name itself (RFC
// 3263 4.2).
void Dns::Impl::ask_services(std::shared_ptr<Lookup> lookup) {
    if (!lookup->services.empty() && lookup->targets.empty()) {
        const std::string name = lookup->services.front();
        lookup->services.erase(lookup->services.begin());
        return query(std::move(lookup), name, ns_t_srv, on_srv);
    }
    if (lookup->targets.empty()) lookup->targets.emplace_back(lookup->name.host, kSipPort);
    ask_addresses(std::move(lookup));
}

void Dns::Impl::on_srv(void* arg, int status, int, unsigned char* message, int size) {
    const std::unique_ptr<Call> call(static_cast<Call*>(arg));
    if (call->impl->closing || call->lookup->abandoned) return;
    call->lookup->temporary_failure |= is_temporary(status);
    if (status == ARES_SUCCESS) call->impl->take_srv(*call->lookup, message, size);
    call->impl->ask_services(call->lookup);
}

// Within one priority by falling weight, not at random as RFC 2782 has it: every node and every
// retransmission must find the same first target.
void Dns::Impl::take_srv(Lookup& lookup, const std::uint8_t* message, int size) {
    ares_srv_reply* first = nullptr;
    if (ares_parse_srv_reply(message, size, &first) != ARES_SUCCESS) return;
    const AresData<ares_srv_reply> owner(first);
    lookup.ttl = std::min(lookup.ttl, least_ttl(message, size, lookup.ttl));
    for (const auto* at = first; at != nullptr; at = at->next) {
        const std::string host = at->host;
        if (host.empty() || host == "." || at->port == 0) continue;  // "not available here"
        Target& target = lookup.targets.emplace_back(host, at->port);
        target.priority = at->priority;
        target.weight = at->weight;
    }
    std::sort(lookup.targets.begin(), lookup.targets.end(), [](const Target& a, const Target& b) {
        return std::tuple(a.priority, -a.weight, a.host, a.port) <
               std::tuple(b.priority, -b.weight, b.host, b.port);
    });
    while (lookup.targets.size() > kDnsTargetsMax) lookup.targets.pop_back();
}

void Dns::Impl::ask_addresses(std::shared_ptr<Lookup> lookup) {
    ares_addrinfo_hints hints{};
    hints.ai_flags = ARES_AI_NOSORT;
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_DGRAM;
    lookup->pending = lookup->targets.size();  // before the first may answer at once
    for (std::size_t i = 0, count = lookup->targets.size(); i < count; ++i) {
        ++questions;
        const std::string host = lookup->targets[i].host;
        ares_getaddrinfo(channel->get(), host.c_str(), nullptr, &hints, on_addresses,
                         new Call{this, lookup, i});
    }
}

void Dns::Impl::on_addresses(void* arg, int status, int, ares_addrinfo* result) {
    const std::unique_ptr<Call> call(static_cast<Call*>(arg));
    const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> owner(result,
                                                                             ares_freeaddrinfo);
    if (call->impl->closing || call->lookup->abandoned) return;
    Lookup& lookup = *call->lookup;
    lookup.temporary_failure |= is_temporary(status);
    Target& target = lookup.targets[call->target];
    for (auto* node = result == nullptr ? nullptr : result->nodes; node != nullptr;
         node = node->ai_next) {
        IpAddress address;
        if (node->ai_family == AF_INET) {
            const auto* in = reinterpret_cast<const sockaddr_in*>(node->ai_addr);
            address = IpAddress::from_ipv4(reinterpret_cast<const std::uint8_t*>(&in->sin_addr));
        } else if (node->ai_family == AF_INET6) {
            const auto* in = reinterpret_cast<const sockaddr_in6*>(node->ai_addr);
            address = IpAddress::from_ipv6(in->sin6_addr.s6_addr);
        }
        if (address.is_none()) continue;
        const auto ttl = static_cast<std::uint32_t>(std::max(0, node->ai_ttl));
        lookup.ttl = std::min(lookup.ttl, ttl);
        target.endpoints.push_back({address, target.port});
    }
    // IPv4 first, each family in the order of the server.
    std::stable_sort(target.endpoints.begin(), target.endpoints.end(),
                     [](const Endpoint& a, const Endpoint& b) {
                         return a.address.is_ipv4() && !b.address.is_ipv4();
                     });
    if (--lookup.pending == 0) call->impl->finish(call->lookup);
}

void Dns::Impl::finish(const std::shared_ptr<Lookup>& lookup) {
    Endpoints endpoints;
    for (const Target& target : lookup->targets) {
        endpoints.insert(endpoints.end(), target.endpoints.begin(), target.endpoints.end());
    }
    if (endpoints.size() > kDnsEndpointsMax) endpoints.resize(kDnsEndpointsMax);
    store(*lookup, std::move(endpoints));
    lookups.erase(lookup->cache_key);
    const Endpoints& stored = answers.at(lookup->cache_key).endpoints;
    for (Done& done : lookup->waiting) answer(std::move(done), stored);
}

void Dns::Impl::store(const Lookup& lookup, Endpoints endpoints) {
    std::uint32_t seconds = std::clamp(lookup.ttl, options.ttl_min_s, options.ttl_max_s);
    if (options.ttl_override_s != 0) seconds = options.ttl_override_s;
    const auto known = answers.find(lookup.cache_key);
    if (endpoints.empty()) {
        seconds = options.negative_ttl_s;
        if (lookup.temporary_failure) {
            seconds = options.ttl_min_s;
            if (known != answers.end()) endpoints = known->second.endpoints;
        }
    }
    if (known == answers.end()) make_room();
    const bool temporary = endpoints.empty() && lookup.temporary_failure;
    answers[lookup.cache_key] = {std::move(endpoints), Clock::now() + std::chrono::seconds(seconds),
                                 lookup.name.services || lookup.name.port != 0, temporary};
}

// When full, what would expire first goes.
void Dns::Impl::make_room() {
    if (answers.size() < options.answers_max + names_of_load) return;
    answers.erase(std::min_element(
        answers.begin(), answers.end(),
        [](const auto& a, const auto& b) { return a.second.expires < b.second.expires; }));
}

void Dns::follow_servers() {
    if (!impl_->options.servers.empty()) return;
    const FileVersion now = version_of(impl_->options.resolv_conf);
    if (now == impl_->servers_version) return;
    impl_->servers_version = now;
    for (const auto& lookup : impl_->change_channel()) {
        for (Done& done : lookup->waiting) resolve(lookup->name, std::move(done));
    }
}

// c-ares 1.18 reads the servers when a channel is made, and changes none while it has a question.
// Returns what was under way.
std::vector<std::shared_ptr<Lookup>> Dns::Impl::change_channel() {
    std::vector<std::shared_ptr<Lookup>> under_way;
    for (auto& [key, lookup] : std::exchange(lookups, {})) {
        lookup->abandoned = true;
        under_way.push_back(lookup);
    }
    channel = std::make_unique<DnsChannel>(io, options);
    // Expired rather than erased: expire() has to tell of it.
    const auto now = Clock::now();
    for (auto& [key, answer] : answers) {
        if (answer.endpoints.empty()) answer.expires = std::min(answer.expires, now);
    }
    return under_way;
}

std::vector<table::ResolvedName> Dns::resolved_names() const {
    std::vector<table::ResolvedName> names;
    const auto now = Clock::now();
    for (const auto& [key, answer] : impl_->answers) {
        if (answer.services && answer.expires > now) names.push_back({key, answer.endpoints});
    }
    std::sort(names.begin(), names.end(),
              [](const auto& a, const auto& b) { return a.key < b.key; });
    return names;
}

bool Dns::expire() {
    const auto now = Clock::now();
    const auto before = std::exchange(impl_->last_expiry, now);
    const bool any =
        std::any_of(impl_->answers.begin(), impl_->answers.end(), [&](const auto& entry) {
            return entry.second.expires > before && entry.second.expires <= now;
        });
    std::erase_if(impl_->answers,
                  [now](const auto& entry) { return entry.second.expires + kStale <= now; });
    return any;
}

}  // namespace lb::cp
