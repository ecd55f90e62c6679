#include "cp/destination.h"

#include <algorithm>

namespace lb::cp {

EndpointList::EndpointList(std::span<const Endpoint> all)
    : size_(static_cast<std::uint32_t>(all.size())) {
    if (all.size() == 1) first_ = all.front();
    if (all.size() <= 1) return;
    more_ = std::make_unique<Endpoint[]>(all.size());
    std::copy(all.begin(), all.end(), more_.get());
}

bool operator==(const EndpointList& a, const EndpointList& b) noexcept {
    return std::ranges::equal(a.all(), b.all());
}

}  // namespace lb::cp
