// The procedure of a claim on the simulated machine: who may claim, and when.
#include "engine/lease/claim.h"

#include "engine/lease/lease_file.h"
#include "engine/meta/epoch_directory.h"
#include "engine/meta/file_copy.h"
#include "tests/meta/lease_support.h"

namespace baton {
namespace {

using testing::HasSubstr;

class ClaimTest : public testing::Test {
 protected:
  void Run(const std::function<void()>& body) {
    machine_.runtime().Run([&] {
      MakePoolDirectories(storage_);
      body();
    });
  }
  absl::StatusOr<OwnerGone> Await(const std::string& node, bool holds_node_lock = true) {
    return AwaitOwnerGone({.storage = storage_,
                           .runtime = machine_.runtime(),
                           .identity = IdentityOf(node),
                           .holds_node_lock = holds_node_lock,
                           .times = {}});
  }
  absl::StatusOr<ClaimedEpoch> Claim(const std::string& node, const OwnerGone& gone) {
    return ClaimNextEpoch({.storage = storage_,
                           .runtime = machine_.runtime(),
                           .identity = IdentityOf(node),
                           .times = {},
                           .kill_timer = std::make_unique<RecordingKillTimer>(kill_time_),
                           .on_lost = {}},
                          gone);
  }
  // A record as an owner leaves it that was killed.
  void LeaveRecord(uint64_t epoch, const std::string& node) {
    LeaseRecord record = RecordOf(epoch, node);
    record.meta_sequence = 77;
    ASSERT_OK(CreateLease(storage_, record));
  }
  absl::Duration Now() const { return machine_.runtime().BootTime(); }

  mutable sim::SimMachine machine_{1};
  sim::SimStorage& storage_ = machine_.storage();
  const KillTime kill_time_ = MakeKillTime();
};

TEST_F(ClaimTest, ANewPoolIsClaimedAtOnce) {
  Run([&] {
    const absl::Duration begun = Now();
    const OwnerGone gone = Must(Await("a"));
    EXPECT_EQ(gone.epoch, 0U);
    const ClaimedEpoch claimed = Must(Claim("a", gone));
    EXPECT_LT(Now() - begun, absl::Seconds(1));
    EXPECT_EQ(claimed.epoch, 1U);
    EXPECT_TRUE(claimed.create);
    EXPECT_OK(claimed.lease->Check());
    EXPECT_TRUE(Must(storage_.Exists(EpochDirectory(1))));
  });
}

TEST_F(ClaimTest, AfterAnOrderlyEndNobodyWaits) {
  Run([&] {
    ASSERT_OK(Must(Claim("a", Must(Await("a")))).lease->Release());
    const absl::Duration begun = Now();
    const OwnerGone gone = Must(Await("b"));
    EXPECT_LT(Now() - begun, absl::Seconds(1));
    EXPECT_EQ(gone.proof, Proof::kHandover);
    EXPECT_EQ(Must(Claim("b", gone)).epoch, 2U);
  });
}

TEST_F(ClaimTest, ThePredecessorOnThisNodeIsDeadWhenWeHoldItsLock) {
  Run([&] {
    LeaveRecord(3, "a");
    const absl::Duration begun = Now();
    const OwnerGone gone = Must(Await("a"));
    EXPECT_LT(Now() - begun, absl::Seconds(1));
    EXPECT_EQ(gone.proof, Proof::kCertificate);
    EXPECT_EQ(gone.epoch, 3U);
    EXPECT_EQ(gone.meta_sequence, 77U);
  });
}

TEST_F(ClaimTest, AnyOtherOwnerIsWaitedFor) {
  const auto await_takes_the_whole_time = [&](const std::string& node, bool holds_node_lock) {
    const absl::Duration begun = Now();
    EXPECT_EQ(Must(Await(node, holds_node_lock)).proof, Proof::kLease);
    EXPECT_GE(Now() - begun, absl::Seconds(5));
    EXPECT_LT(Now() - begun, absl::Seconds(6));
  };
  Run([&] {
    LeaveRecord(1, "a");
    await_takes_the_whole_time("b", true);
    await_takes_the_whole_time("a", false);
    LeaseRecord other_boot = RecordOf(2, "a");
    other_boot.boot_id = "an earlier boot";
    ASSERT_OK(CreateLease(storage_, other_boot));
    await_takes_the_whole_time("a", true);
  });
}

TEST_F(ClaimTest, AnOwnerIsJudgedByTheTimesThatItsRecordTells) {
  const auto wait_of = [&](uint64_t epoch, const OwnerTimes& times) {
    LeaseRecord record = RecordOf(epoch, "a");
    record.times = times;
    EXPECT_OK(CreateLease(storage_, record));
    const absl::Duration begun = Now();
    const Proof proof = Must(Await("b")).proof;
    EXPECT_EQ(proof, times.watchdog > absl::ZeroDuration() ? Proof::kWatchdog : Proof::kLease);
    return Now() - begun;
  };
  Run([&] {
    OwnerTimes times = OwnerTimesOf(LeaseTimes(), absl::ZeroDuration());
    times.takeover = absl::Seconds(20);
    EXPECT_GE(wait_of(1, times), absl::Seconds(20));
    times.takeover = absl::Seconds(1);
    EXPECT_LT(wait_of(2, times), absl::Seconds(2));
    times.watchdog = absl::Seconds(10);
    EXPECT_GE(wait_of(3, times), absl::Seconds(11));
  });
}

TEST_F(ClaimTest, AClaimRecordsTheTimesOfItsNode) {
  Run([&] {
    const ClaimedEpoch claimed = Must(Claim("a", Must(Await("a"))));
    EXPECT_EQ(Must(ReadNewestLease(storage_))->times,
              OwnerTimesOf(LeaseTimes(), absl::ZeroDuration()));
  });
}

TEST_F(ClaimTest, AnOwnerOfAnOlderProgramIsJudgedByTheDefaultsAtLeast) {
  const OwnerTimes defaults = OwnerTimesOf(LeaseTimes(), absl::ZeroDuration());
  OwnerTimes own = defaults;
  own.takeover = absl::Seconds(1);
  EXPECT_EQ(JudgeBy(std::nullopt, own), defaults);
  own.takeover = absl::Seconds(30);
  EXPECT_EQ(JudgeBy(std::nullopt, own), own);
  EXPECT_EQ(JudgeBy(defaults, own), defaults);
}

TEST_F(ClaimTest, AnOwnerThatRenewsIsNamedAndLeftAlone) {
  Run([&] {
    const ClaimedEpoch owner = Must(Claim("a", Must(Await("a"))));
    const absl::Status status = Await("b").status();
    EXPECT_CODE(status, kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("pool is owned by node a (epoch 1), which is alive"));
    EXPECT_OK(owner.lease->Check());
  });
}

TEST_F(ClaimTest, AnOwnerThatEndsInGoodOrderMeanwhileIsNotWaitedFor) {
  Run([&] {
    LeaveRecord(1, "a");
    const auto ending = machine_.runtime().StartThread("a", [&] {
      machine_.runtime().SleepFor(absl::Seconds(2));
      LeaseRecord record = RecordOf(1, "a");
      record.released = true;
      ASSERT_OK(Must(LeaseFile::Open(storage_, 1)).Write(record));
    });
    const absl::Duration begun = Now();
    EXPECT_EQ(Must(Await("b")).proof, Proof::kHandover);
    EXPECT_LT(Now() - begun, absl::Seconds(3));
  });
}

TEST_F(ClaimTest, AProofIsWorthNothingOnceSomebodyElseHasClaimed) {
  Run([&] {
    const OwnerGone seen_by_a = Must(Await("a"));
    const OwnerGone seen_by_b = Must(Await("b"));
    const ClaimedEpoch winner = Must(Claim("a", seen_by_a));
    const absl::Status status = Claim("b", seen_by_b).status();
    EXPECT_CODE(status, kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("node a"));
    EXPECT_OK(winner.lease->Check());
    EXPECT_TRUE(Must(storage_.Exists(EpochDirectory(1))));
  });
}

TEST_F(ClaimTest, AClaimThatFailsIsGivenBack) {
  Run([&] {
    machine_.steps().Inject({.matches = sim::Matching(sim::OperationKind::kMakeDirectory),
                             .status = absl::ResourceExhaustedError("full")});
    EXPECT_CODE(Claim("a", Must(Await("a"))), kResourceExhausted);
    EXPECT_EQ(*kill_time_, std::nullopt);
    const OwnerGone gone = Must(Await("b"));
    EXPECT_EQ(gone.proof, Proof::kHandover);
    EXPECT_EQ(Must(Claim("b", gone)).epoch, 2U);
  });
}

TEST_F(ClaimTest, WhatWasKnownToBeDurableIsPassedOnFromClaimToClaim) {
  Run([&] {
    LeaveRecord(1, "a");
    const ClaimedEpoch second = Must(Claim("a", Must(Await("a"))));
    EXPECT_EQ(second.known_sequence, 77U);
    ASSERT_OK(second.lease->Release());
    EXPECT_EQ(Must(Await("b")).meta_sequence, 77U);
  });
}

TEST_F(ClaimTest, AGarbledLeaseRecordIsNamedAndNothingChanged) {
  Run([&] {
    LeaveRecord(1, "a");
    storage_.Poke(LeasePath(1), 30, BytesOf("?"));
    const absl::Status status = Await("a").status();
    EXPECT_CODE(status, kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr("lease/epoch-1"));
    EXPECT_THAT(Must(storage_.List("meta")), testing::IsEmpty());
  });
}

TEST_F(ClaimTest, MetadataWithoutItsLeaseRecordIsRefused) {
  Run([&] {
    ASSERT_OK(storage_.MakeDirectory(EpochDirectory(4)));
    const absl::Status status = Await("a").status();
    EXPECT_CODE(status, kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr("lease/epoch-4"));
  });
}

}  // namespace
}  // namespace baton
