// The checker once more: its hosts use files of a real mount, with and without O_DIRECT, and the
// engine is sealed and opened again under them. The environment is that of checker_test.cc.
#include <gtest/gtest.h>

#include "tests/checker/mounted_backend.h"
#include "tests/checker/world.h"

namespace baton::checker {
namespace {

TEST(MountedChecker, EveryAnswerOfTheMountIsRight) {
  if (!fs::CanMount()) GTEST_SKIP() << "mounting needs root and /dev/fuse";
  EXPECT_EQ(RunCampaign("mount", [](uint64_t) { return std::make_unique<MountedBackend>(); }), "");
}

}  // namespace
}  // namespace baton::checker
