// A clone relation in memory.
#pragma once

#include <memory>

#include "engine/base/model.pb.h"
#include "engine/clone/clone_run.h"
#include "engine/clone/copier.h"
#include "engine/volume/io_path.h"

namespace baton {

// What a relation has while it is more than a record. `record` is what is durable; it changes
// under Clones::mutex_ after its commit. The rest changes only inside a command
// (Clones::commands_).
struct Relation {
  RelationRecord record;
  std::shared_ptr<CloneRun> run;            // from activation until completion or deletion
  std::shared_ptr<IoPlugin> source_plugin;  // while in the source's path
  std::shared_ptr<IoPlugin> target_plugin;  // while in the target's path
  std::shared_ptr<CopyJob> job;             // while in the copier's hands
};

}  // namespace baton
