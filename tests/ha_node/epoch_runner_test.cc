// An epoch from its claim to its seal: who has it when, and what becomes of notes.
#include "ha/node/epoch_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/system_runtime.h"
#include "engine/meta/pool_file.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A test that waits for its turn on a busy machine loses no lease.
constexpr LeaseTimes kLongLease = {.renew = absl::Seconds(1),
                                   .stop = absl::Seconds(60),
                                   .valid = absl::Seconds(90),
                                   .takeover = absl::Seconds(120)};

class EpochRunnerTest : public testing::Test, protected EpochServices {
 protected:
  EpochRunnerTest() {
    const auto storage = Must(PosixStorage::Open(directory_.path()));
    EXPECT_OK(InitPool(*storage, DURABILITY_NODE, runtime_, "pool"));
    runner_ =
        std::make_unique<EpochRunner>(EpochWork::Options{.runtime = runtime_,
                                                         .identity = Must(MakeNodeIdentity("a")),
                                                         .peers = {"b"},
                                                         .lease_times = kLongLease,
                                                         .on_fault = [](const absl::Status&) {},
                                                         .on_lock_freed = [](uint64_t) {}},
                                      EpochWork::Surroundings{.watch = watch_,
                                                              .lease = lease_,
                                                              .router = router_,
                                                              .services = *this,
                                                              .feedback = feedback_,
                                                              .events = events_});
  }

  void Begin(OwnedEpoch&, OwnerPeers&) override {}
  void End() override { ++ends_; }
  absl::Status Readmit(const std::string&, uint64_t) override { return absl::OkStatus(); }

  void FindStorage() {
    watch_.Start();
    while (watch_.storage() == nullptr) absl::SleepFor(absl::Milliseconds(1));
  }
  template <typename Wanted>
  Wanted Await() {
    const absl::Duration deadline = runtime_.BootTime() + absl::Seconds(60);
    while (runtime_.BootTime() < deadline) {
      for (const Event& event : events_.Take(deadline)) {
        if (const Wanted* const found = std::get_if<Wanted>(&event)) return *found;
      }
    }
    ADD_FAILURE() << "the event does not come";
    return {};
  }
  LentEpoch Own(uint64_t after = 0, Proof proof = Proof::kNoneNeeded) {
    runner_->Claim({.epoch = after, .proof = proof});
    EXPECT_TRUE(Await<event::ClaimEnded>().ok);
    EXPECT_FALSE(runner_->TakeRecovered());
    runner_->Recover();
    EXPECT_TRUE(Await<event::RecoveryEnded>().ok);
    return runner_->TakeRecovered();
  }
  void Seal(LentEpoch epoch) {
    runner_->Seal(std::move(epoch));
    EXPECT_TRUE(Await<event::SealEnded>().ok);
  }
  // Of the events, when there are so many.
  std::vector<std::string> Kinds(const LentEpoch& epoch, size_t count) {
    const absl::Duration deadline = runtime_.BootTime() + absl::Seconds(60);
    std::vector<std::string> kinds;
    while (kinds.size() < count && runtime_.BootTime() < deadline) {
      absl::SleepFor(absl::Milliseconds(1));
      kinds.clear();
      for (const auto& event : Must(epoch->engine().ListEvents(0, 1000))) {
        kinds.push_back(event.kind());
      }
    }
    return kinds;
  }

  TemporaryDirectory directory_;
  SystemRuntime runtime_;
  EventQueue events_{runtime_};
  LatestLease lease_;
  Router router_{runtime_};
  SealFeedback feedback_;
  std::atomic<int> ends_ = 0;
  StorageWatch watch_{
      {.runtime = runtime_, .pool = directory_.path(), .pool_id = "pool", .node = "a"},
      {.on_lease = [](const std::optional<LeaseRecord>&, absl::Duration) {},
       .on_certificate = [](const DeathCertificate&) {},
       .on_space = [](const SpaceReading&) {}}};
  std::unique_ptr<EpochRunner> runner_;
};

TEST_F(EpochRunnerTest, LendsARecoveredEpochOnceUntilItIsSealed) {
  FindStorage();
  LentEpoch epoch = Own();
  ASSERT_TRUE(epoch);
  EXPECT_EQ(epoch->epoch(), 1u);
  EXPECT_FALSE(runner_->TakeRecovered());
  EXPECT_EQ(ends_, 0);
  Seal(std::move(epoch));
  EXPECT_FALSE(epoch);
  EXPECT_EQ(ends_, 1);
  EXPECT_EQ(feedback_.Own().epoch(), 1u);
}

TEST_F(EpochRunnerTest, SealsAnEpochThatNobodyHasServed) {
  FindStorage();
  runner_->Claim({.epoch = 0, .proof = Proof::kNoneNeeded});
  runner_->Recover();
  EXPECT_TRUE(Await<event::RecoveryEnded>().ok);
  Seal(LentEpoch());
  EXPECT_FALSE(runner_->TakeRecovered());
  EXPECT_EQ(feedback_.Own().epoch(), 1u);
}

TEST_F(EpochRunnerTest, ASealWithoutAnEpochIsDoneAtOnce) {
  Seal(LentEpoch());
  EXPECT_EQ(ends_, 0);
}

TEST_F(EpochRunnerTest, NotesWaitForAnEpochAndFollowItsClaim) {
  FindStorage();
  runner_->Note("before", "nobody owns the pool");
  LentEpoch epoch = Own();
  runner_->Note("recovered", "not served yet");
  runner_->RecordClaim();
  runner_->Note("after", "served");
  EXPECT_THAT(Kinds(epoch, 4), ElementsAre("epoch-claimed", "before", "recovered", "after"));
  Seal(std::move(epoch));
}

TEST_F(EpochRunnerTest, ClaimsNothingWithoutStorage) {
  runner_->Claim({.epoch = 0, .proof = Proof::kNoneNeeded});
  const event::ClaimEnded ended = Await<event::ClaimEnded>();
  EXPECT_FALSE(ended.ok);
  EXPECT_THAT(ended.text, HasSubstr("storage is not there"));
}

TEST_F(EpochRunnerTest, AnEpochThatIsNotAsItsOwnerSaidIsGivenBack) {
  FindStorage();
  Seal(Own());
  peer_api::Feedback said;
  said.set_epoch(1);
  said.add_residuals()->set_id(9);
  feedback_.KeepReceived(said);
  runner_->Claim({.epoch = 1, .proof = Proof::kHandover});
  EXPECT_TRUE(Await<event::ClaimEnded>().ok);
  runner_->Recover();
  const event::RecoveryEnded ended = Await<event::RecoveryEnded>();
  EXPECT_FALSE(ended.ok);
  EXPECT_THAT(ended.text, HasSubstr("something else than what was found"));
  EXPECT_FALSE(runner_->TakeRecovered());
}

TEST_F(EpochRunnerTest, ANodeThatWasProvenToBeOffIsNamedByTheEpochOfThatProofAlone) {
  FindStorage();
  Seal(Own());
  LeaseRecord record;
  record.epoch = 1;
  record.node = "b";
  lease_.Note(record);
  LentEpoch fenced = Own(1, Proof::kFence);
  EXPECT_EQ(fenced.off_node(), "b");
  Seal(std::move(fenced));
  record.epoch = 2;
  lease_.Note(record);
  LentEpoch handed = Own(2, Proof::kHandover);
  EXPECT_EQ(handed.off_node(), "");
  Seal(std::move(handed));
}

// The owner before may have ended between the eviction and what follows from it.
TEST_F(EpochRunnerTest, ANodeThatTheOwnerBeforeHasEvictedHoldsNoLocks) {
  FindStorage();
  LentEpoch epoch = Own();
  ASSERT_OK(epoch->engine().CreateVolume({.name = "v", .size_bytes = limits::kGiB}));
  const uint64_t volume = Must(epoch->engine().ShowVolume("v")).id();
  for (const uint64_t place : {1, 2}) {
    const std::string node = place == 1 ? "a" : "b";
    const FileLock lock{.exclusive = true, .first = place, .last = place, .owner = 1};
    ASSERT_OK(epoch->engine().EvictNode(node).status());
    ASSERT_OK(epoch->engine()
                  .SetAllLocks({.node = node, .boot_id = "boot", .order = 1},
                               {{.volume_id = volume, .locks = {lock}}})
                  .status());
  }
  Seal(std::move(epoch));
  LentEpoch next = Own(1, Proof::kHandover);
  EXPECT_EQ(next->engine().FindLock("c", volume, {.exclusive = true}), std::nullopt);
  Seal(std::move(next));
}

}  // namespace
}  // namespace baton::ha
