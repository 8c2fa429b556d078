// Whether the content of a block can be true.
#pragma once

#include <optional>
#include <string>

#include "tests/system/host/history.h"

namespace baton::host {

// What `block` may hold if its entry of the history was `before` when reading it began and `after`
// when that had ended: one of the writes from the last that was acknowledged before to the last
// that was begun; or, because a write under way is not one instant, bytes of several of them.
// Returns what is wrong.
std::optional<std::string> JudgeBlock(const Content& content, ConstBlock block, uint64_t index,
                                      const Entry& before, const Entry& after);

// Compares all of a volume with the history. No host may be writing. Prints a line of JSON; false
// if anything acknowledged is not there.
bool CheckPresent(const std::string& volume, const History& history);

// Compares all of a clone with the histories of just before and just after its start: it must hold
// the first N writes of each writer, for one N. Prints a line of JSON.
bool CheckInstant(const std::string& volume, const History& before, const History& after);

}  // namespace baton::host
