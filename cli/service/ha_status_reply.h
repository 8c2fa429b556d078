// A pair's state in the words of the control protocol.
#pragma once

#include "cli/control/control.pb.h"
#include "ha/node/ha_status.h"

namespace baton {

// Role, owner, nodes and problems of `status`, whose node is set.
void DescribeHa(const ha::HaStatus& pair, control::ControllerStatus& status);

}  // namespace baton
