// What an engine finds when it opens: relations, bitmaps, intent slots; and how it goes on.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/fault.h"
#include "engine/base/runtime.h"
#include "engine/clone/attached_runs.h"
#include "engine/clone/clone_locks.h"
#include "engine/clone/copy_pipeline.h"
#include "engine/clone/relation_table.h"
#include "engine/clone/residuals.h"
#include "engine/clone/run_factory.h"
#include "engine/meta/catalog.h"
#include "engine/volume/volume_table.h"

namespace baton {

// Used once, before there is host I/O or a command.
class CloneRecovery {
 public:
  struct Parts {
    const Fault& fault;
    CloneLocks& locks;
    const VolumeTable& volumes;
    RelationTable& table;
    CopyPipeline& pipeline;
    const RunFactory& factory;
    const Residuals& residuals;
    AttachedRuns& runs;
    Redirects& redirects;
  };
  CloneRecovery(Runtime& runtime, Catalog& catalog, const Parts& parts)
      : runtime_(runtime), catalog_(catalog), parts_(parts) {}

  // All relations are in the table, their runs in the paths of their volumes and at the copier.
  // DataLoss: a record, the bitmap or a slot is garbled. After an error nothing of it can be used.
  absl::Status Run();

 private:
  absl::Status Load(const CloneLocks::Command& command, const RelationRecord& record);
  absl::Status LoadBits(uint64_t id, CloneRun& run);
  absl::Status RecoverSlots();
  void FailMisfits(MetaBatch& batch);
  void RecordFailure(const CloneLocks::Change& change, uint64_t run_id, const absl::Status& why,
                     MetaBatch& batch);
  void AddEvents(MetaBatch& batch);
  void Revive(const CloneLocks::Command& command, const Relation& relation);

  Runtime& runtime_;
  Catalog& catalog_;
  const Parts parts_;
};

}  // namespace baton
