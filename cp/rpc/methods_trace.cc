// siplane.trace: messages followed as they pass.

#include <algorithm>

#include "cp/rpc/methods.h"
#include "cp/tracer.h"

namespace lb::rpc {
namespace {

// One reply then stays below the 32 KiB that kamcmd reads.
constexpr std::size_t kLinesPerReply = 20;

Struct status_of(const cp::TraceStatus& status) {
    const core::TraceFilter& filter = status.request.filter;
    Struct out{{"ID", status.id}, {"STATE", status.running ? "running" : "none"}};
    if (status.id == 0) return out;
    if (!status.running) {
        out.members.back().value = "ended";
        out.add("WHY", status.ended);
    }
    if (!filter.call_id.empty()) out.add("CALLID", filter.call_id);
    if (filter.source) out.add("SRC", filter.source->text());
    if (filter.destination) out.add("DST", filter.destination->text());
    if (status.running) out.add("SECONDS_LEFT", status.seconds_left);
    out.add("MESSAGES", status.messages).add("LOST", status.lost);
    if (!status.file.empty()) out.add("FILE", status.file).add("BYTES", status.bytes);
    return out;
}

Struct line_of(const cp::TraceLine& line) {
    Struct out{{"NUMBER", line.number},    {"TIME", cp::time_text(line.time_ns)},
               {"PORT", line.port},        {"SOURCE", line.source},
               {"TARGET", line.target},    {"MESSAGE", line.message},
               {"CSEQ", line.cseq},        {"CALLID", line.call_id},
               {"DECISION", line.decision}};
    if (!line.sent_target.empty()) {
        out.add("SENT", Struct{{"PORT", line.sent_port},
                               {"SOURCE", line.sent_source},
                               {"TARGET", line.sent_target},
                               {"MESSAGE", line.sent_message}});
    }
    return out;
}

Reply no_such(std::int32_t id, const cp::TraceStatus& status) {
    const std::string last =
        status.id == 0 ? "there has been none" : "the last one is " + std::to_string(status.id);
    return Reply::failed(404, "No Such Trace", "no trace " + std::to_string(id) + "; " + last);
}

// Optional number of a trace behind the action: the last one if it is not there.
std::int32_t wanted_id(const Params& params, const cp::TraceStatus& status) {
    return params.size() > 1 ? params.integer(1).value_or(0) : status.id;
}

Reply start(Context& context, cp::Tracer& tracer, const Params& params) {
    std::vector<std::string> words;
    for (std::size_t i = 1; i < params.size(); ++i) {
        const std::optional<std::string> word = params.text_or_integer(i);
        if (!word) return Reply::failed(500, "Invalid Parameters", "words only: callid=TEXT");
        words.push_back(*word);
    }
    const auto request = cp::parse_trace_request(words);
    if (!request) return Reply::failed(500, request.error().message);
    const Status started = tracer.start(*request, context.control.trace_directory());
    if (!started) return Reply::failed(500, started.error().message);
    return Reply::of(status_of(tracer.status()));
}

Reply read(const cp::Tracer& tracer, const Params& params) {
    const cp::TraceStatus status = tracer.status();
    if (wanted_id(params, status) != status.id || status.id == 0)
        return no_such(wanted_id(params, status), status);
    const std::int32_t after = params.size() > 2 ? params.integer(2).value_or(0) : 0;
    List lines;
    const auto from = static_cast<std::uint64_t>(std::max(after, 0));
    for (const cp::TraceLine& line : tracer.lines(from, kLinesPerReply)) {
        lines.add("LINE", line_of(line));
    }
    return Reply::of(status_of(status).add("LINES", std::move(lines)));
}

Reply stop(cp::Tracer& tracer, const Params& params) {
    const cp::TraceStatus status = tracer.status();
    if (wanted_id(params, status) != status.id || status.id == 0)
        return no_such(wanted_id(params, status), status);
    tracer.stop();
    return Reply::of(status_of(tracer.status()));
}

}  // namespace

Reply siplane_trace(Context& context, const Params& params) {
    cp::Tracer* const tracer = context.control.tracer();
    if (tracer == nullptr) return Reply::failed(500, "No Workers", "nobody passes messages here");
    const std::string action =
        params.size() == 0 ? "status" : params.text_or_integer(0).value_or("");
    if (action == "status") return Reply::of(status_of(tracer->status()));
    if (action == "start") return start(context, *tracer, params);
    if (action == "stop") return stop(*tracer, params);
    if (action == "read") return read(*tracer, params);
    return Reply::failed(500, "start, stop, read or status, not \"" + action + "\"");
}

}  // namespace lb::rpc
