// A pair's state in the words of the control protocol.
#pragma once

#include "cli/control.pb.h"
#include "cli/node/pair_status.h"

namespace baton {

// Role, owner, nodes and problems of `status`, whose node is set.
void DescribePair(const PairStatus& pair, control::ControllerStatus& status);

}  // namespace baton
