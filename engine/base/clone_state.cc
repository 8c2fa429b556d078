#include "engine/base/clone_state.h"

#include <cctype>

namespace baton {

std::string Name(RelationState state) {
  std::string name = RelationState_Name(state);
  for (char& c : name) c = static_cast<char>(std::tolower(c));
  return name;
}

RelationState StateOf(const CloneStatus& clone) {
  for (const RelationState state :
       {CREATED, ACTIVATED, COPYING, PAUSED, COMPLETED, STOPPED, FAILED}) {
    if (clone.state() == Name(state)) return state;
  }
  return RELATION_STATE_UNSPECIFIED;
}

}  // namespace baton
