#include "fs/host_io.h"

#include <linux/fuse.h>

#include <cstring>

#include "fs/attributes.h"

namespace baton::fs {
namespace {

// Of a request whose body is of that type: where it has its offset, and `length`. What is missing
// of it is zeros.
template <typename Body, typename Length>
void TakeRange(Bytes request, Length Body::*length, HostIo& io) {
  Body body = {};
  const Bytes rest = request.subspan(sizeof(fuse_in_header));
  if (rest.size() >= sizeof(body)) std::memcpy(&body, rest.data(), sizeof(body));
  io.offset = body.offset;
  io.length_bytes = body.*length;
}

}  // namespace

std::optional<HostIo> HostIoOf(Bytes request) {
  const auto& header = *reinterpret_cast<const fuse_in_header*>(request.data());
  HostIo io = {.volume_id = VolumeOf(header.nodeid)};
  switch (header.opcode) {
    case FUSE_READ:
      io.kind = IoKind::kRead;
      TakeRange(request, &fuse_read_in::size, io);
      return io;
    case FUSE_WRITE:
      io.kind = IoKind::kWrite;
      TakeRange(request, &fuse_write_in::size, io);
      return io;
    case FUSE_FSYNC:
      io.kind = IoKind::kFlush;
      return io;
    case FUSE_FALLOCATE:
      io.kind = IoKind::kDiscard;
      TakeRange(request, &fuse_fallocate_in::length, io);
      return io;
    default:
      return std::nullopt;
  }
}

}  // namespace baton::fs
