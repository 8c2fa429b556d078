// What is shown of the clones of a pool.
#pragma once

#include <absl/status/statusor.h>

#include <vector>

#include "engine/base/model.pb.h"
#include "engine/clone/relation_table.h"
#include "engine/clone/residuals.h"

namespace baton {

// Thread-safe. What is returned of one clone belongs together: no change is half in it.
class CloneQueries {
 public:
  CloneQueries(const RelationTable& table, const Residuals& residuals)
      : table_(table), residuals_(residuals) {}

  std::vector<CloneStatus> List() const;  // by number
  // NotFound.
  absl::StatusOr<CloneStatus> Show(uint64_t id) const;
  absl::StatusOr<Residual> ShowResidual(uint64_t id, bool with_extents) const;

 private:
  CloneStatus ViewOf(const Relation& relation) const;

  const RelationTable& table_;
  const Residuals& residuals_;
};

}  // namespace baton
