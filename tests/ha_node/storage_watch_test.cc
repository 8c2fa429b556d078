// What counts as storage that has failed.
#include "ha/node/storage_watch.h"

#include <absl/time/clock.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <filesystem>

#include "engine/base/status.h"
#include "engine/base/system_runtime.h"
#include "engine/base/unique_fd.h"
#include "engine/meta/pool_file.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kEvery = absl::Milliseconds(100);

// No descriptor is left while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlimit used{static_cast<rlim_t>(next.get()), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &used);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_ = {};
};

class StorageWatchTest : public testing::Test {
 protected:
  StorageWatchTest() {
    const auto storage = Must(PosixStorage::Open(directory_.path()));
    EXPECT_OK(InitPool(*storage, DURABILITY_NODE, runtime_, "pool"));
    watch_ = std::make_unique<StorageWatch>(
        StorageWatch::Options{.runtime = runtime_,
                              .pool = directory_.path(),
                              .pool_id = "pool",
                              .node = "a",
                              .every = kEvery},
        StorageWatch::Handlers{
            .on_lease = [this](const std::optional<LeaseRecord>&, absl::Duration) { ++looks_; },
            .on_certificate = [](const DeathCertificate&) {},
            .on_space = [](const SpaceReading&) {}});
    watch_->Start();
    AwaitLook();
  }

  // Since now.
  void AwaitLook() {
    const int before = looks_;
    while (looks_ == before) absl::SleepFor(absl::Milliseconds(1));
  }
  // A directory that is not there is an error of each look.
  void Break() { std::filesystem::rename(Path("lease"), Path("away")); }
  void Mend() { std::filesystem::rename(Path("away"), Path("lease")); }
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

  TemporaryDirectory directory_;
  SystemRuntime runtime_;
  std::atomic<int> looks_ = 0;
  std::unique_ptr<StorageWatch> watch_;
};

TEST_F(StorageWatchTest, NothingIsKnownBeforeTheFirstLookHasEndedOrIsLate) {
  constexpr absl::Duration kPatience = absl::Milliseconds(200);
  const StorageWatch watch({.runtime = runtime_,
                            .pool = directory_.path(),
                            .pool_id = "pool",
                            .node = "b",
                            .every = kEvery,
                            .patience = kPatience},
                           {});
  const absl::Time made = absl::Now();
  if (const bool known = watch.IsKnown(); absl::Now() < made + kPatience) {
    EXPECT_FALSE(known);
  }
  EXPECT_FALSE(watch.Health().ok());
  absl::SleepFor(kPatience + absl::Milliseconds(1));
  EXPECT_TRUE(watch.IsKnown());
  EXPECT_THAT(Message(watch.Health()), testing::HasSubstr("has not answered for"));
}

TEST_F(StorageWatchTest, OneLookThatFailsIsNoFailureOfTheStorage) {
  AwaitLook();
  const absl::Time before = absl::Now();
  Break();
  while (absl::Now() < before + 1.3 * kEvery) {
    const absl::Status health = watch_->Health();
    // Later a third look may have failed: this thread does not always run when it wants to.
    if (absl::Now() < before + (StorageWatch::kFailedLooks - 1) * kEvery) {
      EXPECT_OK(health);
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
  Mend();
  AwaitLook();
  AwaitLook();  // the one before has been noted
  EXPECT_OK(watch_->Health());
}

TEST_F(StorageWatchTest, LooksThatGoOnFailingAre) {
  Break();
  const absl::Time limit = absl::Now() + absl::Seconds(5);
  while (watch_->Health().ok() && absl::Now() < limit) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_FALSE(watch_->Health().ok());
  Mend();
  AwaitLook();
  while (!watch_->Health().ok() && absl::Now() < limit) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_OK(watch_->Health());
}

TEST_F(StorageWatchTest, LooksThatLackADescriptorAreNone) {
  const absl::Time limit = absl::Now() + absl::Seconds(10);
  {
    const NoDescriptors none;
    while (watch_->Shortage().ok() && absl::Now() < limit) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_FALSE(watch_->Shortage().ok());
    for (int i = 0; i < 500; ++i) {
      EXPECT_OK(watch_->Health());
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  AwaitLook();
  while (!watch_->Shortage().ok() && absl::Now() < limit) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_OK(watch_->Shortage());
  EXPECT_OK(watch_->Health());
}

}  // namespace
}  // namespace baton::ha
