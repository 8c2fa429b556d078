#include "tests/checker/operation.h"

#include <algorithm>

#include "engine/base/limits.h"
#include "tests/model/volume_model.h"

namespace baton::checker {

Operation Generator::Next() {
  Operation operation;
  operation.kind = DrawKind();
  operation.volume = static_cast<uint32_t>(Below(space_.volumes));
  operation.direct = OneIn(2);
  const uint64_t unit = OneIn(3) ? limits::kBlockBytes : model::kCellBytes;
  // Half of everything goes to the same eighth, so that operations meet each other.
  const uint64_t part = OneIn(2) ? space_.size_bytes : space_.size_bytes / 8;
  operation.offset = Below(part) / unit * unit;
  operation.length_bytes = std::min(DrawLength(unit), space_.size_bytes - operation.offset);
  return operation;
}

OperationKind Generator::DrawKind() {
  const uint64_t draw = Below(32);
  if (draw == 0) return OperationKind::kFlush;
  if (draw <= 2) return OperationKind::kDiscard;
  return draw <= 14 ? OperationKind::kRead : OperationKind::kWrite;
}

// Mostly short; now and then longer than a request and many extents.
uint64_t Generator::DrawLength(uint64_t unit) {
  const uint64_t most = OneIn(100) ? space_.size_bytes : OneIn(4) ? 64 * limits::kKiB : 4096;
  return std::max(unit, Below(most) / unit * unit);
}

}  // namespace baton::checker
