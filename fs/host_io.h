// What a request of the kernel asks of a volume's content.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/base/bytes.h"

namespace baton::fs {

enum class IoKind : size_t { kRead, kWrite, kFlush, kDiscard };
inline constexpr size_t kIoKinds = 4;
inline constexpr std::array<const char*, kIoKinds> kIoNames = {"read", "write", "flush", "discard"};
inline const char* Name(IoKind kind) { return kIoNames[static_cast<size_t>(kind)]; }

struct HostIo {
  IoKind kind = IoKind::kRead;
  uint64_t volume_id = 0;
  uint64_t offset = 0;  // of a flush 0, as the length
  uint64_t length_bytes = 0;
};

// nullopt: it asks for something else.
std::optional<HostIo> HostIoOf(Bytes request);

}  // namespace baton::fs
