// The states of a clone as people and scripts see them.
#pragma once

#include <string>

#include "engine/base/model.pb.h"

namespace baton {

// "created", "copying", …
std::string Name(RelationState state);
// What CloneStatus::state says; RELATION_STATE_UNSPECIFIED: none of the names.
RelationState StateOf(const CloneStatus& clone);

}  // namespace baton
