// choose CONFIG: says for each message on stdin which destination a worker would choose, with the
// tables that the daemon would build from CONFIG and its database. For scripts/differential.
//
//   in:  "SET ALGORITHM SIZE\n" and SIZE bytes of one request, as often as one likes
//   out: a line per message: the destination's URI, "-" if there is none, "?" if it is no request
//        that the parser accepts
//
// REQUIRES: CONFIG has a service for each SET with each ALGORITHM asked for.

#include "dp/core/choose.h"

#include <iostream>
#include <string>

#include "cp/tables_builder.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"

namespace lb::test {
namespace {

Result<std::vector<Endpoint>> literals_only(const cp::DestinationUri& uri) {
    if (!uri.literal) return failed(Errc::kNotFound, "no DNS here");
    return std::vector<Endpoint>{{*uri.literal, uri.port != 0 ? uri.port : std::uint16_t{5060}}};
}

Result<std::unique_ptr<const table::Dispatch>> load_dispatch(const std::string& file) {
    Result<cp::Config> config = cp::load_config(file);
    if (!config) return failed(std::move(config).error());
    const auto rows = cp::load_rows(config->dispatcher);
    if (!rows) return failed(rows.error());
    cp::Dispatcher dispatcher(cp::dispatcher_options(*config));
    const auto report = dispatcher.load(*rows, literals_only, false);
    if (!report) return failed(report.error());
    for (const std::string& bad : report->bad_rows) std::cerr << "refused: " << bad << '\n';
    return cp::build_dispatch(*config, dispatcher);
}

std::string choose_uri(std::string_view text, const table::Dispatch& dispatch, std::int32_t set_id,
                       table::Algorithm algorithm, core::WorkerState& state) {
    const Endpoint source = *Endpoint::parse("127.0.0.1:5099");
    sip::Message message;
    if (sip::parse(text, message) != sip::Error::kNone || message.is_reply()) return "?";
    if (!sip::parse_from_to(message.from.value, message.from_addr) ||
        !sip::parse_from_to(message.to.value, message.to_addr)) {
        return "?";
    }
    const table::Set* const set = dispatch.find_set(set_id);
    if (set == nullptr) return "-";
    const std::uint64_t transaction =
        sip::transaction_number(Secret::derive(as_bytes("differential")), message);
    const core::Question question{message, source, transaction, dispatch, *set, algorithm};
    const core::Choice choice = core::choose(question, state);
    return choice ? std::string(set->texts[choice.member->text].uri) : "-";
}

int answer_all(const table::Dispatch& dispatch) {
    core::WorkerState state;
    std::int32_t set = 0;
    std::int16_t algorithm = 0;
    std::size_t size = 0;
    while (std::cin >> set >> algorithm >> size) {
        std::string text(size, '\0');
        std::cin.get();
        if (!std::cin.read(text.data(), static_cast<std::streamsize>(size))) return 1;
        std::cout << choose_uri(text, dispatch, set, table::Algorithm{algorithm}, state) << '\n';
    }
    return std::cin.eof() ? 0 : 1;
}

}  // namespace
}  // namespace lb::test

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: choose CONFIG <messages\n";
        return 2;
    }
    const auto dispatch = lb::test::load_dispatch(argv[1]);
    if (!dispatch) {
        std::cerr << dispatch.error().message << '\n';
        return 2;
    }
    return lb::test::answer_all(**dispatch);
}
