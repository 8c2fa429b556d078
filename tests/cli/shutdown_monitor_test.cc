#include "cli/batond/shutdown_monitor.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

// Whether the end is final is decided by it.
TEST(ShutdownMonitor, AFailedSyncCountsMoreThanTheFaultBeforeIt) {
  const absl::StatusOr<std::unique_ptr<ShutdownMonitor>> watch = ShutdownMonitor::Make();
  ASSERT_TRUE(watch.ok());
  (*watch)->NoteFault(absl::InternalError("metadata"));
  EXPECT_TRUE(absl::IsInternal((*watch)->fault()));
  (*watch)->NoteFault(absl::DataLossError("sync"));
  (*watch)->NoteFault(absl::AbortedError("lease"));
  EXPECT_EQ((*watch)->Await(), ProcessEvent::kFault);
  EXPECT_TRUE(absl::IsDataLoss((*watch)->fault()));
}

}  // namespace
}  // namespace baton
