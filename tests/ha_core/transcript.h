// Transcripts: what a coordinator is told, line by line, and what it answers, indented below.
//
//   # what is shown
//   node B, peers A C, takeover fenced-only, fence 0.5, watchdog 5, no-certificate
//   0.0 storage ok                      TIME EVENT; `TIME EVENT; EVENT` for several
//     state: …                          an answer
//   0.1..5.0 lease 7 A 1                the same every 100 ms, both ends included
//     @4.6 state: …                     an answer within, with its time
#pragma once

#include <string>
#include <vector>

#include "ha/core/machine.h"

namespace baton::ha {

// "ask-owner-to-stop A, epoch 7", …
std::string Describe(const Action& action);

// `text` (a whole file) with the answers as they are now. The rows taken are marked in `taken`.
// Fails the test on a line that it cannot read.
std::string Replay(const std::string& text, std::vector<bool>& taken);

}  // namespace baton::ha
