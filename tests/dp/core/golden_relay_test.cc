// Every recorded relay case of a real Kamailio 5.6.3 (tests/golden/relay), message by message and
// field by field. What differs on purpose stands in kDifferences with its reason; nothing else may.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <sstream>

#include "tests/support/appliance.h"

namespace lb::core {
namespace {

namespace fs = std::filesystem;
using test::Outcome;

struct Difference {
    const char* name;
    const char* reason;
};

constexpr const char* kStateful =
    "t_relay(): a transaction absorbs, answers or repeats what we pass on";
constexpr const char* kNoRecordRoute =
    "record_route() on every request there; ours on those that form a dialog";
constexpr const char* kChecks =
    "RFC 3261 16.3: a proxy must not relay it; that script does not look";
constexpr const char* kVerified =
    "the reply is not one to a request of ours (design: branch and Via are checked)";

// Each of these differs on purpose; a case that no longer does must leave the table.
constexpr Difference kDifferences[] = {
    {"032-via-spaces",
     "received goes right behind host:port; there, behind the white space that follows"},
    {"037-via-tcp-transport",
     "the request came by UDP, so its reply goes by UDP; there, TCP is tried and fails"},
    {"045-max-forwards-0", kChecks},
    {"047-content-length-too-small", "RFC 3261 18.3: bytes behind Content-Length are cut off"},
    {"048-content-length-too-big", kChecks},
    {"053-route-to-us", "RFC 3261 16.4: our own Route is taken off; that script leaves it"},
    {"058-ruri-ip-params", "header parts of a Request-URI are refused (RFC 4475 3.1.2.11)"},
    {"062-reply-foreign-top-via", kVerified},
    {"063-reply-our-via-other-port", kVerified},
    {"068-reply-branch-changed", kVerified},
    {"079-broken-cseq-method", kChecks},
    {"080-broken-sip-3.0", kChecks},
    {"081-broken-ruri", kChecks},
    {"082-broken-ruri-scheme", kChecks},
    {"087-record-route-bye", kNoRecordRoute},
    {"088-record-route-register", kNoRecordRoute},
    {"091-record-route-ack", kNoRecordRoute},
    {"092-relay-invite-200", kStateful},
    {"093-relay-invite-retransmitted", kStateful},
    {"094-relay-invite-cancel", kStateful},
    {"095-relay-invite-486", kStateful},
    {"097-relay-bye", kStateful},
    {"103-relay-rr-invite-200", kStateful},
    {"104-relay-rr-invite-retransmitted", kStateful},
    {"105-relay-rr-invite-cancel", kStateful},
    {"106-relay-rr-invite-486", kStateful},
    {"107-relay-rr-ack-200", kNoRecordRoute},
    {"108-relay-rr-bye", kStateful},
    {"109-relay-rr-register", kNoRecordRoute},
    {"112-relay-rr-cancel-unknown", kNoRecordRoute},
    {"131-force-rport", "nat = always fixes the Contact too; that script only calls force_rport()"},
    {"132-force-rport-private",
     "nat = always fixes the Contact too; that script only calls force_rport()"},
    {"133-force-rport-present",
     "nat = always fixes the Contact too; that script only calls force_rport()"},
    {"155-select-domain-tel",
     "a tel: URI has no host to replace: relayed as it is; there, nothing is sent"},
    {"157-usual-failover-503", kStateful},
    {"158-usual-failover-all-503", kStateful},
    {"159-usual-404", kStateful},
    {"162-usual-no-max-forwards",
     "that script sets 10 where the header is missing; RFC 3261 16.6 says 70"},
    {"164-usual-bye-without-route",
     "a request inside a dialog without Route is dispatched (design: rule 4)"},
    {"165-usual-cancel-unknown",
     "stateless: a CANCEL follows its INVITE by the same choice, known or not"},
};

// Not compared: what happens there is time passing.
constexpr Difference kSkipped[] = {
    {"099-relay-options-no-answer-2s", kStateful},
    {"100-relay-invite-no-answer-4s", kStateful},
    {"110-relay-rr-options-no-answer-2s", kStateful},
    {"111-relay-rr-invite-no-answer-4s", kStateful},
    {"150-stateful-reply-options", "t_newtran()"},
    {"151-stateful-reply-invite", "t_newtran()"},
};

const Difference* find(std::span<const Difference> table, const std::string& name) {
    for (const Difference& row : table) {
        if (name == row.name) return &row;
    }
    return nullptr;
}

std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

// A message taken apart without the parser under test: lines, as they stand.
struct Fields {
    std::string start;
    std::vector<std::pair<std::string, std::string>> headers;  // lower-case name, value as written
    std::string body;

    std::vector<std::string> all(const std::string& name) const {
        std::vector<std::string> values;
        for (const auto& [key, value] : headers) {
            if (key == name) values.push_back(value);
        }
        return values;
    }
};

Fields take_apart(const std::string& text) {
    static const std::map<std::string, std::string> kCompact = {
        {"v", "via"},     {"f", "from"},    {"t", "to"},
        {"i", "call-id"}, {"m", "contact"}, {"l", "content-length"}};
    Fields fields;
    std::size_t at = text.find_first_not_of("\r\n");
    if (at == std::string::npos) return fields;
    bool first = true;
    while (at < text.size()) {
        std::size_t end = text.find('\n', at);
        std::string line = text.substr(at, end == std::string::npos ? end : end - at);
        at = end == std::string::npos ? text.size() : end + 1;
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (first) {
            fields.start = line;
            first = false;
        } else if (line.empty()) {
            fields.body = text.substr(at);
            break;
        } else if ((line[0] == ' ' || line[0] == '\t') && !fields.headers.empty()) {
            fields.headers.back().second += "\n" + line;
        } else {
            const std::size_t colon = line.find(':');
            std::string name = line.substr(0, colon);
            while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.pop_back();
            std::transform(name.begin(), name.end(), name.begin(),
                           [](unsigned char c) { return std::tolower(c); });
            if (const auto full = kCompact.find(name); full != kCompact.end()) name = full->second;
            const std::size_t value =
                colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
            fields.headers.emplace_back(name, value == std::string::npos ? "" : line.substr(value));
        }
    }
    return fields;
}

// Cuts ";name=value" out of a header value, up to the next ';', '>' or ','.
std::string without_param(std::string value, const std::string& name) {
    for (;;) {
        const std::size_t begin = value.find(";" + name + "=");
        if (begin == std::string::npos) return value;
        const std::size_t end = value.find_first_of(";>,", begin + 1);
        value.erase(begin, end == std::string::npos ? end : end - begin);
    }
}

// The branch of our own Via, the cookie, the tags of local replies and Server are each product's
// own.
std::string normal(const std::string& name, std::string value, bool own_via, bool local_reply) {
    if (name == "via" && own_via) return without_param(value, "branch");
    if (name == "record-route" || name == "route") {
        return without_param(without_param(std::move(value), "ftag"), "sl");
    }
    if (name == "to" && local_reply) return without_param(std::move(value), "tag");
    return value;
}

class GoldenRelay : public ::testing::TestWithParam<fs::path> {
protected:
    static constexpr std::string_view kHost = "127.0.60.5";

    void configure(int port) {
        appliance_.network.interfaces.clear();
        appliance_.add_interface("lo", {"127.0.60.5/32"});
        appliance_.network.routes.push_back({*Prefix::parse("127.0.0.0/8"), 0, {}, 0});
        for (const char* peer : {"127.0.62.10", "127.0.61.101", "127.0.61.102", "127.0.61.103",
                                 "127.0.62.30", "127.0.62.11", "127.0.62.20", "127.0.62.99"}) {
            appliance_.add_neighbour(peer);
        }
        appliance_.listen(std::string(kHost) + ":" + std::to_string(port), 0);
        appliance_.add_set(1, {"127.0.61.103:5070", "127.0.61.102:5060", "127.0.61.101:5060"});
        table::Set& set = appliance_.dispatch.sets[0];  // a destination without a port
        set.texts.push_back({"sip:127.0.61.102", "", "", "127.0.61.102"});
        set.members[1].text = static_cast<std::uint32_t>(set.texts.size() - 1);

        table::Service& service = appliance_.dispatch.services[0];
        service.set = port == 5067 ? 99 : 1;
        service.record_route = port == 5061 || port == 5063 || port == 5069 || port == 5070;
        service.nat = port == 5064 || port == 5065 ? table::Nat::kAlways : table::Nat::kOff;
        service.set_host = port == 5068;
        service.server_header = "kamailio (5.6.3 (x86_64/linux))";
        if (port == 5066) {
            table::Rule rule;
            rule.action = table::Rule::Action::kReply;
            rule.code = 404;
            rule.reason = "No destination";
            service.rules.push_back(rule);
        }
        hop_limit_ = port == 5069 || port == 5071;
    }

    void differ(const std::string& what, const std::string& mine, const std::string& theirs) {
        differences_ +=
            file_ + ": " + what + "\n  ours:     " + mine + "\n  recorded: " + theirs + "\n";
    }

    void compare(const Outcome& ours, const std::string& recorded, bool forwarded) {
        const Fields a = take_apart(ours.text);
        const Fields b = take_apart(recorded);
        if (a.start != b.start) differ("start line", a.start, b.start);
        if (a.body != b.body) differ("body", a.body, b.body);
        const bool request = a.start.find("SIP/2.0") != 0;
        std::set<std::string> names;
        for (const Fields* fields : {&a, &b}) {
            for (const auto& [name, value] : fields->headers) names.insert(name);
        }
        for (const std::string& name : names) {
            if (name == "max-forwards" && !hop_limit_)
                continue;  // those scripts do not touch it, a proxy must
            const std::string mine = joined(name, a, request && forwarded, !forwarded);
            const std::string theirs = joined(name, b, request && forwarded, !forwarded);
            if (mine != theirs) differ(name, mine, theirs);
        }
    }

    static std::string joined(const std::string& name, const Fields& fields, bool own_via,
                              bool local) {
        std::string text;
        for (const std::string& value : fields.all(name)) {
            text += "[" + normal(name, value, own_via && text.empty(), local) + "]";
        }
        return text;
    }

    std::string file_;
    std::string differences_;
    test::Appliance appliance_;
    bool hop_limit_ = false;
};

// What `address` received after message `sent` and before the next one was sent.
const nlohmann::json* received_by(const nlohmann::json& messages, std::size_t sent,
                                  const std::string& address) {
    for (std::size_t i = sent + 1; i < messages.size() && messages[i]["kind"] == "receives"; ++i) {
        if (messages[i]["address"] == address) return &messages[i];
    }
    return nullptr;
}

// The recorded backend answered with Kamailio's Via and Record-Route: give it ours instead.
std::string with_our_headers(std::string text, const std::string& theirs, const std::string& ours) {
    const auto swap = [&text](const std::string& from, const std::string& to) {
        const std::size_t at = text.find(from);
        if (at != std::string::npos && !from.empty()) text.replace(at, from.size(), to);
    };
    const Fields a = take_apart(theirs), b = take_apart(ours);
    swap(a.all("via").at(0), b.all("via").at(0));
    const auto rr_a = a.all("record-route"), rr_b = b.all("record-route");
    if (!rr_a.empty() && !rr_b.empty()) {
        swap(rr_a[0], rr_b[0]);
    }
    return text;
}

TEST_P(GoldenRelay, IsRelayedAlike) {
    const fs::path folder = GetParam();
    const std::string name = folder.filename();
    if (const Difference* const skipped = find(kSkipped, name)) GTEST_SKIP() << skipped->reason;
    auto recorded = nlohmann::json::parse(read_file(folder / "case.json"));
    // The stateful scripts' own "100 trying": a stateless proxy makes none.
    std::erase_if(recorded["messages"].get_ref<nlohmann::json::array_t&>(),
                  [&folder](const nlohmann::json& message) {
                      return read_file(folder / message["file"].get<std::string>())
                                 .rfind("SIP/2.0 100 trying", 0) == 0;
                  });
    const std::string listen = recorded["listen"];
    configure(std::stoi(listen.substr(listen.find(':') + 1)));

    std::string theirs, ours;  // the last request as each of us forwarded it
    const auto& messages = recorded["messages"];
    for (std::size_t i = 0; i < messages.size(); ++i) {
        if (messages[i]["kind"] != "sends") continue;
        const std::string who = messages[i]["who"];
        std::string text = read_file(folder / messages[i]["file"].get<std::string>());
        const bool from_destination = who.rfind("dst", 0) == 0;
        if (text.rfind("SIP/2.0", 0) == 0 && !ours.empty())
            text = with_our_headers(text, theirs, ours);
        const Outcome outcome =
            appliance_.receive(messages[i]["address"].get<std::string>(), listen, text);

        file_ = messages[i]["file"];
        if (!outcome.sent()) {
            const auto reason = kDropReasons[static_cast<std::size_t>(outcome.verdict.reason)].name;
            if (i + 1 < messages.size() && messages[i + 1]["kind"] == "receives") {
                differ("not sent", std::string(reason), messages[i + 1]["file"]);
            }
            continue;
        }
        const nlohmann::json* const twin = received_by(messages, i, outcome.target.text());
        if (twin == nullptr) {
            differ("sent to " + outcome.target.text(), outcome.text, "nothing");
            continue;
        }
        const std::string expected = read_file(folder / (*twin)["file"].get<std::string>());
        compare(outcome, expected, outcome.verdict.action != Action::kReply);
        if (!from_destination) {
            theirs = expected;
            ours = outcome.text;
        }
    }

    if (const Difference* const known = find(kDifferences, name)) {
        EXPECT_FALSE(differences_.empty()) << "no longer differs: " << known->reason;
    } else {
        EXPECT_TRUE(differences_.empty()) << differences_;
    }
}

std::vector<fs::path> all_cases() {
    std::vector<fs::path> cases;
    for (const auto& entry : fs::directory_iterator(SIPLANE_GOLDEN "/relay")) {
        if (fs::exists(entry.path() / "case.json")) cases.push_back(entry.path());
    }
    std::sort(cases.begin(), cases.end());
    return cases;
}

INSTANTIATE_TEST_SUITE_P(Recorded, GoldenRelay, ::testing::ValuesIn(all_cases()),
                         [](const auto& test_case) {
                             std::string name = test_case.param.filename();
                             std::replace_if(
                                 name.begin(), name.end(),
                                 [](unsigned char c) { return !std::isalnum(c); }, '_');
                             return name;
                         });

}  // namespace
}  // namespace lb::core
