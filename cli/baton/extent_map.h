// A clone's extents as a line of characters.
#pragma once

#include <string>

#include "engine/base/model.pb.h"

namespace baton {

// `width` cells, each for an equal share of the extents: '#' all copied, '+' some are copying or
// landing, '.' some are pending. `residual` with its extents.
std::string ExtentMap(const Residual& residual, uint64_t extents_total, size_t width);

}  // namespace baton
