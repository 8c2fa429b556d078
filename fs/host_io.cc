#include "fs/host_io.h"

#include <linux/fuse.h>

#include <cstring>

#include "fs/attributes.h"

namespace baton::fs {
namespace {

// The body of a request that has one of that type; what is missing of it is zeros.
template <typename Body>
Body FieldsOf(Bytes request) {
  Body body = {};
  const Bytes rest = request.subspan(sizeof(fuse_in_header));
  if (rest.size() >= sizeof(body)) std::memcpy(&body, rest.data(), sizeof(body));
  return body;
}

}  // namespace

std::optional<HostIo> HostIoOf(Bytes request) {
  const auto& header = *reinterpret_cast<const fuse_in_header*>(request.data());
  HostIo io = {.volume_id = VolumeOf(header.nodeid)};
  switch (header.opcode) {
    case FUSE_READ: {
      const auto body = FieldsOf<fuse_read_in>(request);
      io.kind = IoKind::kRead;
      io.offset = body.offset;
      io.length_bytes = body.size;
      return io;
    }
    case FUSE_WRITE: {
      const auto body = FieldsOf<fuse_write_in>(request);
      io.kind = IoKind::kWrite;
      io.offset = body.offset;
      io.length_bytes = body.size;
      return io;
    }
    case FUSE_FSYNC:
      io.kind = IoKind::kFlush;
      return io;
    case FUSE_FALLOCATE: {
      const auto body = FieldsOf<fuse_fallocate_in>(request);
      io.kind = IoKind::kDiscard;
      io.offset = body.offset;
      io.length_bytes = body.length;
      return io;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace baton::fs
