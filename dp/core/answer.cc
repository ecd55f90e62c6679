#include "dp/core/answer.h"

#include "dp/core/nat.h"
#include "dp/core/send.h"
#include "dp/sip/reply.h"

namespace lb::core {

Verdict answer(Context& context, const Answer& text) noexcept {
    const sip::Message& request = context.message();
    if (request.method == sip::Method::kAck) return drop(DropReason::kAckRefused);

    const net::FrameView frame = context.frame();
    const table::Service& service = context.service();
    const bool force_rport = must_force_rport(context, service.nat);
    const sip::ReplyText reply{text.code, text.reason, service.server_header, text.extra,
                               force_rport};
    const std::size_t size = sip::write_reply(request, frame.source, reply, context.tables.secret,
                                              context.scratch.reply);
    if (size == 0 || size > room_for_payload(context.packet)) return drop(DropReason::kTooBig);

    // Where the request stood: in front of it is room for headers of at most the size it came with.
    std::uint8_t* const payload = place_payload(context.packet, size);
    std::memcpy(payload, context.scratch.reply.data(), size);
    const Endpoint target = sip::reply_target(request, frame.source, force_rport);
    return send_back(context, frame, target, payload, size);
}

}  // namespace lb::core
