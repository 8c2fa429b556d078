#include "engine/base/fault.h"

#include <gtest/gtest.h>

#include <vector>

namespace baton {
namespace {

TEST(Fault, TheFirstOneIsToldAndWhatFollowsIsAnsweredWithIt) {
  std::vector<absl::Status> told;
  Fault fault([&](const absl::Status& why) { told.push_back(why); });
  EXPECT_TRUE(fault.Check().ok());
  EXPECT_EQ(fault.Report(absl::InternalError("metadata")).message(),
            "the engine stopped: metadata");
  EXPECT_EQ(fault.Report(absl::InternalError("other")).message(), "the engine stopped: metadata");
  EXPECT_TRUE(absl::IsAborted(fault.Check()));
  EXPECT_EQ(told, std::vector<absl::Status>{absl::InternalError("metadata")});
}

TEST(Fault, AFailedSyncIsToldAlsoWhenItComesAfterAnotherFault) {
  std::vector<absl::Status> told;
  Fault fault([&](const absl::Status& why) { told.push_back(why); });
  (void)fault.Report(absl::InternalError("metadata"));
  (void)fault.Report(absl::DataLossError("sync"));
  (void)fault.Report(absl::DataLossError("sync of another volume"));
  EXPECT_EQ(told, (std::vector<absl::Status>{absl::InternalError("metadata"),
                                             absl::DataLossError("sync")}));
}

}  // namespace
}  // namespace baton
