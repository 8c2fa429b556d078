// Enums in the words of the command line.
#pragma once

#include <string>

#include "engine/base/model.pb.h"

namespace baton {

inline std::string NameOf(Durability durability) {
  switch (durability) {
    case DURABILITY_NODE:
      return "node";
    case DURABILITY_SYNC:
      return "sync";
    case DURABILITY_NONE:
      return "none";
    case Durability_INT_MIN_SENTINEL_DO_NOT_USE_:
    case Durability_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return "unknown";
}

namespace control {

// A controller's part, as NodeStatus and ControllerStatus have it.
enum class Role { kOwner, kStandby, kNone };

inline std::string NameOf(Role role) {
  switch (role) {
    case Role::kOwner:
      return "owner";
    case Role::kStandby:
      return "standby";
    case Role::kNone:
      break;
  }
  return "none";
}

}  // namespace control
}  // namespace baton
