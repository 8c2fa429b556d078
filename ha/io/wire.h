// The header of every message on a connection between controllers; the layout is documented in
// docs/pair-protocol.md.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

#include "engine/base/bytes.h"
#include "ha/io/zmq_socket.h"

namespace baton::ha {

enum class FrameKind : uint16_t {
  kHello = 1,    // who connects; the body is a Hello
  kWelcome = 2,  // who listens; the body is a Welcome. To a join: no body
  kRefusal = 3,  // go away: `code` and, in the body, a text say why
  kCall = 4,     // the body is the request
  kRead = 5,
  kWrite = 6,  // the body is the data
  kFlush = 7,
  kDiscard = 8,
  kAnswer = 9,   // to 4 - 8 and 10, with the same number; what was asked for, or a text of why not
  kAttach = 10,  // begin a session of forwarded I/O; the answer is a ForwardSession
  kJoin = 11,    // this stream belongs to the session `number`
};

constexpr uint32_t kWireMagic = 0x50415442;  // "BTAP"
constexpr uint16_t kWireVersion = 1;

struct WireHeader {
  uint32_t magic = kWireMagic;
  uint16_t version = kWireVersion;
  FrameKind kind = FrameKind::kHello;
  uint64_t number = 0;  // of the request, drawn by its sender
  uint64_t epoch = 0;
  uint64_t volume_id = 0;
  uint64_t offset = 0;
  uint64_t length_bytes = 0;
  uint32_t code = 0;  // absl::StatusCode of an answer
  uint32_t reserved = 0;
};

static_assert(std::endian::native == std::endian::little);
static_assert(std::is_trivially_copyable_v<WireHeader> && sizeof(WireHeader) == 56);
static_assert(offsetof(WireHeader, version) == 4 && offsetof(WireHeader, kind) == 6);
static_assert(offsetof(WireHeader, number) == 8 && offsetof(WireHeader, epoch) == 16);
static_assert(offsetof(WireHeader, volume_id) == 24 && offsetof(WireHeader, offset) == 32);
static_assert(offsetof(WireHeader, length_bytes) == 40 && offsetof(WireHeader, code) == 48);

inline ZmqMessage EncodeHeader(const WireHeader& header) {
  return ZmqMessage::Copy(std::as_bytes(std::span(&header, 1)));
}

// It is a header of this version, and of a kind that exists.
inline bool IsHeader(const WireHeader& header) {
  return header.magic == kWireMagic && header.version == kWireVersion && header.reserved == 0 &&
         header.kind >= FrameKind::kHello && header.kind <= FrameKind::kJoin;
}

// nullopt: the frame is none.
inline std::optional<WireHeader> DecodeHeader(Bytes frame) {
  WireHeader header;
  if (frame.size() != sizeof(header)) return std::nullopt;
  std::memcpy(&header, frame.data(), sizeof(header));
  if (!IsHeader(header)) return std::nullopt;
  return header;
}

}  // namespace baton::ha
