// What the slots of the intent log say of one run.
#pragma once

#include <span>
#include <vector>

#include "engine/clone/bitmap.h"
#include "engine/clone/extents.h"
#include "engine/clone/intent_slot.h"

namespace baton {

// The extents whose bits are clear and that a slot of the run names: ascending, disjoint.
std::vector<ExtentSpan> NamedExtents(std::span<const IntentSlot> slots, uint64_t run_id,
                                     const Bitmap& copied);

}  // namespace baton
