// How keys are spelled that both halves of the catalog use; the rows are listed in catalog.h.
#pragma once

#include <string>

#include "engine/base/checksum.h"
#include "engine/base/limits.h"
#include "engine/meta/table_keys.h"

namespace baton {

inline constexpr int kPageBytes = 4;
inline constexpr size_t kBitmapKeyBytes = 8 + kPageBytes;
inline constexpr int kFirstBytes = 8;
inline constexpr size_t kDigestKeyBytes = 8 + kFirstBytes;
inline constexpr size_t kDigestBytes = sizeof(Digest);
static_assert(limits::kMaxVolumeBytes / limits::kMinExtentBytes / limits::kExtentsPerBitmapPage <=
                  uint64_t{1} << (8 * kPageBytes),
              "every page has a number");

inline constexpr char kEpochKey[] = "epoch";
inline constexpr char kTimesKey[] = "times";

inline std::string CopiesKey(uint64_t run_id) { return "copies/" + KeyOf(run_id); }

}  // namespace baton
