#include "cli/batond/shutdown_monitor.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

// Whether the end is final is decided by it.
TEST(EndWatch, AFailedSyncCountsMoreThanTheFaultBeforeIt) {
  const absl::StatusOr<std::unique_ptr<EndWatch>> watch = EndWatch::Make();
  ASSERT_TRUE(watch.ok());
  (*watch)->NoteFault(absl::InternalError("metadata"));
  EXPECT_TRUE(absl::IsInternal((*watch)->fault()));
  (*watch)->NoteFault(absl::DataLossError("sync"));
  (*watch)->NoteFault(absl::AbortedError("lease"));
  EXPECT_EQ((*watch)->Await(), News::kFault);
  EXPECT_TRUE(absl::IsDataLoss((*watch)->fault()));
}

}  // namespace
}  // namespace baton
