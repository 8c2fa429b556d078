// A clone relation in memory.
#pragma once

#include <memory>

#include "engine/base/model.pb.h"
#include "engine/clone/clone_run.h"

namespace baton {

// What is known of a relation at one instant. The run lives on, also when the relation has ended.
struct Relation {
  RelationRecord record;          // as it is durable
  std::shared_ptr<CloneRun> run;  // from activation until completion or deletion
};

}  // namespace baton
