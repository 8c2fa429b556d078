// Spans of bytes: the only currency of the data path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace baton {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

}  // namespace baton
