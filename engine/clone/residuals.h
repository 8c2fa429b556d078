// What is left to copy of clones.
#pragma once

#include <string>

#include "engine/base/model.pb.h"
#include "engine/clone/copy_pipeline.h"
#include "engine/clone/relation.h"
#include "engine/meta/catalog.h"

namespace baton {

// Thread-safe; does no I/O.
class Residuals {
 public:
  Residuals(Catalog& catalog, const CopyPipeline& pipeline)
      : catalog_(catalog), pipeline_(pipeline) {}

  // As far as the newest metadata write. `with_extents`: with runs of extents, by state.
  Residual Of(const Relation& relation, bool with_extents) const;

  // One event that says what is left of a clone that has a run.
  void AddEvent(const std::string& kind, const RelationRecord& record, const Residual& residual,
                MetaBatch& batch) const;

 private:
  void AddExtents(const CloneRun& run, Residual& residual) const;

  Catalog& catalog_;
  const CopyPipeline& pipeline_;
};

}  // namespace baton
