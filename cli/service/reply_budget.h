// Keeps a response within one message.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/repeated_ptr_field.h>

#include "cli/control/control.pb.h"
#include "engine/base/limits.h"

namespace baton::control {

// What the elements of lists may add up to; the rest of the message is room for everything else.
inline constexpr size_t kMaxListBytes = limits::kMaxMessageBytes - 64 * limits::kKiB;

// Counts what is put into a list. The first element always fits.
class ReplyBudget {
 public:
  bool Take(const google::protobuf::Message& element) {
    constexpr size_t kOverheadBytes = 8;  // of tag and length
    const size_t bytes = element.ByteSizeLong() + kOverheadBytes;
    if (used_bytes_ > 0 && used_bytes_ + bytes > kMaxListBytes) return false;
    used_bytes_ += bytes;
    return true;
  }

 private:
  size_t used_bytes_ = 0;
};

// Shortens `runs` to what `budget` takes; answers with how many were cut off.
inline uint64_t CutRuns(ReplyBudget& budget, google::protobuf::RepeatedPtrField<ExtentRun>& runs) {
  int kept = 0;
  while (kept < runs.size() && budget.Take(runs[kept])) ++kept;
  const int cut = runs.size() - kept;
  runs.DeleteSubrange(kept, cut);
  return static_cast<uint64_t>(cut);
}

}  // namespace baton::control
