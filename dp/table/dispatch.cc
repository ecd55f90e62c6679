#include "dp/table/dispatch.h"

#include <algorithm>

#include "dp/base/assert.h"
#include "dp/base/bytes.h"
#include "dp/base/keyed_hash.h"

namespace lb::table {

std::uint64_t listener_mark(const Endpoint& endpoint) noexcept {
    std::array<std::uint8_t, 18> bytes{};
    std::copy_n(endpoint.address.data(), endpoint.address.size(), bytes.data());
    store_be16(bytes.data() + 16, endpoint.port);
    const std::uint64_t mark = siphash_2_4({0, endpoint.address.size()}, bytes);
    return mark != 0 ? mark : 1;
}

void Listener::compose_texts() {
    const std::string number(16, '0');
    for (const bool full_lr : {false, true}) {
        for (const bool twin : {false, true}) {
            std::string& text = record_route[twin][full_lr];
            text = kRecordRoute;
            text += record_route_uri;
            if (twin) text += ";r2=on";
            text += full_lr ? ";lr=on" : ";lr";
            text += kRecordRouteCookie;
        }
        for (const bool routed : {false, true}) {
            TopText& top = tops[full_lr][routed];
            std::string text = routed ? record_route[false][full_lr] : std::string();
            top.cookie = text.size();
            if (routed) text += number + ">\r\n";
            text += via;
            text += kBranchBegin;
            top.branch = text.size();
            top.text = text + number + number + "\r\n";
            LB_ASSERT(via.empty() || top.branch - top.cookie >= kLongMin);  // for TopText::write()
        }
    }
}

SetTexts::Block& SetTexts::own() {
    if (!block_) {
        block_ = std::make_shared<Block>();
    } else if (block_.use_count() > 1) {
        block_ = std::make_shared<Block>(*block_);
    }
    return *block_;
}

void SetTexts::reserve(std::size_t members, std::size_t bytes) {
    Block& block = own();
    block.parts.reserve(members);
    block.text.reserve(bytes);
}

std::string_view SetTexts::append(std::string_view text) {
    std::string& to = own().text;
    const std::size_t at = to.size();
    LB_ASSERT(text.size() <= kTextMax && at <= UINT32_MAX - kTextMax);
    to += text;
    return {to.data() + at, text.size()};
}

void SetTexts::set(Parts& parts, Kind kind, std::string_view placed) const noexcept {
    if (placed.empty()) return;
    const std::string& text = block_->text;
    LB_ASSERT(placed.data() >= text.data() &&
              placed.data() + placed.size() <= text.data() + text.size());
    parts.at[kind] = static_cast<std::uint32_t>(placed.data() - text.data());
    parts.length[kind] = static_cast<std::uint16_t>(placed.size());
}

void SetTexts::push_placed(const MemberText& views) {
    Block& block = own();
    Parts parts;
    set(parts, kUri, views.uri);
    set(parts, kAttrs, views.attrs);
    set(parts, kDuid, views.duid);
    set(parts, kHostPort, views.host_port);
    block.parts.push_back(parts);
}

void SetTexts::push_back(const MemberText& text) {
    const auto place = [this](std::string_view part) {
        const std::size_t at = characters();
        append(part);
        return at;
    };
    const std::size_t uri = place(text.uri);
    const std::size_t attrs = place(text.attrs);
    const std::size_t found = text.attrs.find(text.duid);
    const std::size_t duid = found == std::string_view::npos ? place(text.duid) : attrs + found;
    const std::size_t host_port = text.uri.ends_with(text.host_port)
                                      ? uri + text.uri.size() - text.host_port.size()
                                      : place(text.host_port);
    const char* const start = own().text.data();  // nothing is appended from here on
    push_placed({{start + uri, text.uri.size()},
                 {start + attrs, text.attrs.size()},
                 {start + duid, text.duid.size()},
                 {start + host_port, text.host_port.size()}});
}

bool operator==(const SetTexts& a, const SetTexts& b) noexcept {
    if (a.block_ == b.block_) return true;
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const MemberText x = a[i];
        const MemberText y = b[i];
        if (x.uri != y.uri || x.attrs != y.attrs || x.duid != y.duid ||
            x.host_port != y.host_port) {
            return false;
        }
    }
    return true;
}

std::size_t SetTexts::memory_bytes() const noexcept {
    if (!block_) return 0;
    return sizeof(Block) + block_->text.capacity() + block_->parts.capacity() * sizeof(Parts);
}

}  // namespace lb::table
