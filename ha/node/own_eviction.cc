#include "ha/node/own_eviction.h"

#include "ha/io/eviction_status.h"

namespace baton::ha {

absl::Status SettleOwnEviction(Engine& engine, const std::string& node, bool has_files) {
  for (const EvictionRecord& record : engine.EvictedNodes()) {
    if (record.node() != node) continue;
    if (has_files) return EvictedError(node, record.id());
    return engine.ReadmitNode(node, record.id());
  }
  return absl::OkStatus();
}

}  // namespace baton::ha
