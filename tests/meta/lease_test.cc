#include "engine/lease/lease.h"

#include <atomic>

#include "engine/lease/lease_watch.h"
#include "engine/meta/file_copy.h"
#include "tests/meta/lease_support.h"

namespace baton {
namespace {

class LeaseTest : public testing::Test {
 protected:
  void Run(const std::function<void()>& body) {
    machine_.runtime().Run([&] {
      MakePoolDirectories(machine_.storage());
      body();
    });
  }
  absl::StatusOr<std::unique_ptr<Lease>> TryClaim(uint64_t epoch, const std::string& node = "a") {
    return Lease::Claim({.storage = machine_.storage(),
                         .runtime = machine_.runtime(),
                         .kill_timer = std::make_unique<RecordingKillTimer>(kill_time_),
                         .times = times_,
                         .pauses = &pauses_,
                         .on_lost =
                             [this](const absl::Status& why) {
                               ++lost_;
                               why_lost_ = why;
                             },
                         .on_renewed = [this] { ++renewed_; }},
                        RecordOf(epoch, node));
  }
  std::unique_ptr<Lease> Claim(uint64_t epoch) { return Must(TryClaim(epoch)); }
  LeaseRecord Newest() { return Must(ReadNewestLease(machine_.storage())).value(); }
  absl::Duration Now() const { return machine_.runtime().BootTime(); }
  void Sleep(absl::Duration time) { machine_.runtime().SleepFor(time); }
  void FailNow(bool sticky = true) { machine_.steps().Inject(FailRenewals(1, sticky)); }

  mutable sim::SimMachine machine_{1};
  const KillTime kill_time_ = MakeKillTime();
  LeaseTimes times_;
  absl::Duration paused_;  // of the whole machine, so far; its clock stands still meanwhile
  PauseMeter pauses_{machine_.runtime(),
                     std::make_unique<FakePauseClock>(machine_.runtime(), paused_)};
  int lost_ = 0;
  absl::Status why_lost_;
  int renewed_ = 0;
};

TEST_F(LeaseTest, IsRenewedTwiceASecondAsLongAsItLives) {
  Run([&] {
    const auto lease = Claim(1);
    for (int second = 1; second <= 60; ++second) {
      Sleep(absl::Seconds(1));
      ASSERT_OK(lease->Check());
      ASSERT_NEAR(static_cast<double>(Newest().counter), 2 * second, 3);
      ASSERT_GT(**kill_time_, Now() + absl::Seconds(3));
      ASSERT_LE(**kill_time_, Now() + absl::Seconds(4));
    }
    EXPECT_EQ(lost_, 0);
  });
}

TEST_F(LeaseTest, OneClaimerWins) {
  Run([&] {
    const auto lease = Claim(1);
    EXPECT_CODE(TryClaim(1, "b"), kAlreadyExists);
    EXPECT_EQ(Newest().node, "a");
    EXPECT_OK(TryClaim(2, "b"));
  });
}

TEST_F(LeaseTest, TellsOfRenewalsThatSucceededAndOfNoOther) {
  Run([&] {
    const auto lease = Claim(1);
    EXPECT_EQ(renewed_, 0);
    Sleep(absl::Seconds(4));
    const int renewed = renewed_;
    EXPECT_NEAR(renewed, 8, 1);
    FailNow();
    Sleep(absl::Seconds(4));
    EXPECT_EQ(renewed_, renewed);
  });
}

TEST_F(LeaseTest, AFailedRenewalIsTriedAgain) {
  Run([&] {
    const auto lease = Claim(1);
    for (int i = 0; i < 4; ++i) FailNow(/*sticky=*/false);
    Sleep(absl::Seconds(10));
    EXPECT_OK(lease->Check());
  });
}

TEST_F(LeaseTest, IsLostThreeSecondsAfterTheLastRenewalAndTheProcessDiesAfterFour) {
  Run([&] {
    const auto lease = Claim(1);
    Sleep(absl::Seconds(2) + times_.renew / 2);  // no renewal is in flight
    FailNow();
    const absl::Duration last_issued = **kill_time_ - times_.valid;
    Sleep(last_issued + times_.stop - absl::Milliseconds(20) - Now());
    EXPECT_OK(lease->Check());
    Sleep(absl::Milliseconds(40));
    EXPECT_CODE(lease->Check(), kAborted);
    Sleep(absl::Seconds(10));
    EXPECT_EQ(**kill_time_, last_issued + times_.valid);
    EXPECT_EQ(lost_, 1);
  });
}

TEST_F(LeaseTest, APauseInWhichAnotherNodeClaimedEndsItBeforeAnythingIsAcknowledged) {
  Run([&] {
    const auto lease = Claim(1);
    Sleep(absl::Seconds(5) + times_.renew / 2);
    paused_ += absl::Seconds(6);
    ASSERT_OK(CreateLease(machine_.storage(), RecordOf(2, "b")));
    EXPECT_CODE(lease->Check(), kAborted);
    EXPECT_CODE(lease->Check(), kAborted);
  });
}

// The standby had seen the lease run out before the pause was over.
TEST_F(LeaseTest, AClaimThatIsUnderWayWhenAPauseEndsIsSeen) {
  Run([&] {
    const auto lease = Claim(1);
    Sleep(absl::Seconds(5));
    paused_ += absl::Seconds(6);
    const auto claims = machine_.runtime().StartThread("b", [&] {
      Sleep(absl::Seconds(1));
      ASSERT_OK(CreateLease(machine_.storage(), RecordOf(2, "b")));
    });
    EXPECT_CODE(lease->Check(), kAborted);
  });
}

TEST_F(LeaseTest, APauseInWhichNobodyClaimedIsOverAfterAMoment) {
  Run([&] {
    const auto lease = Claim(1);
    Sleep(absl::Seconds(5));
    for (int pause = 0; pause < PauseMeter::kMaxDoubts + 2; ++pause) {
      const absl::Duration began = Now();
      paused_ += absl::Seconds(6);
      EXPECT_OK(lease->Check());
      const bool is_believed = pause < PauseMeter::kMaxDoubts;
      EXPECT_EQ(Now() - began >= Lease::kSettle, is_believed) << pause;
      EXPECT_LT(Now() - began, Lease::kSettle + times_.renew / 2);
      EXPECT_OK(lease->Check());
    }
    EXPECT_EQ(lost_, 0);
  });
}

// Of a hypervisor, or of a clock whose rate was taken for lower than it is.
TEST_F(LeaseTest, PausesWithoutEndLeadToNoDoubtWithoutEnd) {
  Run([&] {
    const auto lease = Claim(1);
    Sleep(absl::Seconds(5));
    std::atomic<bool> ends = false;
    const auto pausing = machine_.runtime().StartThread("pausing", [&] {
      while (!ends) {
        paused_ += absl::Seconds(6);
        Sleep(absl::Milliseconds(300));
      }
    });
    const absl::Duration began = Now();
    Sleep(absl::Milliseconds(1));
    EXPECT_OK(lease->Check());
    EXPECT_GE(Now() - began, Lease::kSettle);
    EXPECT_LT(Now() - began, PauseMeter::kMaxDoubts * (Lease::kSettle + times_.renew));
    EXPECT_THAT(pauses_.Warning(), testing::HasSubstr("seemed to be paused 3 times"));
    ends = true;
  });
}

TEST_F(LeaseTest, APauseRightAfterTheClaimIsNoticed) {
  Run([&] {
    Sleep(PauseMeter::kMinSpan);
    const auto lease = Claim(1);
    paused_ += absl::Seconds(6);
    const absl::Duration began = Now();
    EXPECT_OK(lease->Check());
    EXPECT_GE(Now() - began, Lease::kSettle);
  });
}

TEST_F(LeaseTest, InADoubtItIsReleasedAtOnceIfNobodyHasClaimed) {
  Run([&] {
    auto lease = Claim(1);
    Sleep(absl::Seconds(5));
    paused_ += absl::Seconds(6);
    const absl::Duration began = Now();
    EXPECT_OK(lease->Release());
    EXPECT_LT(Now() - began, absl::Milliseconds(100));
    EXPECT_TRUE(Newest().released);

    lease = Claim(2);
    paused_ += absl::Seconds(6);
    ASSERT_OK(CreateLease(machine_.storage(), RecordOf(3, "b")));
    EXPECT_CODE(lease->Release(), kAborted);
  });
}

TEST_F(LeaseTest, AShortPauseIsNone) {
  Run([&] {
    const auto lease = Claim(1);
    Sleep(absl::Seconds(5));
    const absl::Duration began = Now();
    paused_ += times_.stop - times_.renew - absl::Milliseconds(100);
    EXPECT_OK(lease->Check());
    EXPECT_LT(Now() - began, absl::Milliseconds(10));
  });
}

// As after a suspension of the whole machine, in which its clock stood still.
TEST_F(LeaseTest, AnOwnerThatWasTakenForDeadNoticesItAtItsNextRenewal) {
  Run([&] {
    const auto lease = Claim(1);
    Sleep(absl::Seconds(2));
    ASSERT_OK(CreateLease(machine_.storage(), RecordOf(2, "b")));
    ASSERT_OK(CreateLease(machine_.storage(), RecordOf(3, "c")));
    const int renewed = renewed_;
    Sleep(times_.renew + absl::Milliseconds(200));
    EXPECT_CODE(lease->Check(), kAborted);
    EXPECT_EQ(lost_, 1);
    EXPECT_EQ(std::string(why_lost_.message()), "node c has claimed epoch 3: epoch 1 is over");
    EXPECT_LE(renewed_, renewed + 1) << "nothing counts on a deposed owner";
    EXPECT_CODE(lease->Release(), kAborted);
    EXPECT_NE(*kill_time_, std::nullopt);
  });
}

TEST_F(LeaseTest, DoesNotComeBack) {
  Run([&] {
    const auto lease = Claim(1);
    FailNow();
    Sleep(absl::Seconds(4));
    machine_.steps().ClearFaults();
    Sleep(absl::Seconds(4));
    EXPECT_CODE(lease->Check(), kAborted);
    EXPECT_CODE(lease->Release(), kAborted);
    EXPECT_FALSE(Newest().released);
  });
}

// The record on storage was written, but its answer comes too late.
TEST_F(LeaseTest, ARenewalThatTakesTooLongRevivesNothing) {
  Run([&] {
    const auto lease = Claim(1);
    bool delayed = false;
    machine_.steps().Observe([&](const sim::Operation& operation) {
      if (delayed || operation.kind != sim::OperationKind::kWrite) return;
      delayed = true;
      Sleep(times_.stop);
    });
    const absl::Duration killed = **kill_time_;
    Sleep(absl::Seconds(10));
    machine_.steps().Observe({});
    EXPECT_TRUE(delayed);
    EXPECT_CODE(lease->Check(), kAborted);
    EXPECT_EQ(**kill_time_, killed);
    EXPECT_EQ(lost_, 1);
  });
}

TEST_F(LeaseTest, CountsFromBeforeTheRenewalIsIssued) {
  Run([&] {
    const auto lease = Claim(1);
    machine_.steps().Observe([&](const sim::Operation& operation) {
      if (operation.kind == sim::OperationKind::kWrite) Sleep(absl::Seconds(1));
    });
    Sleep(absl::Seconds(20));
    EXPECT_OK(lease->Check());
    // Never more than valid - 1 s are left when the answer is there.
    EXPECT_LE(**kill_time_ - Now(), times_.valid - absl::Seconds(1));
    machine_.steps().Observe({});
  });
}

TEST_F(LeaseTest, ReleaseTellsTheSuccessorNotToWait) {
  Run([&] {
    const auto lease = Claim(1);
    Sleep(absl::Seconds(1));
    EXPECT_OK(lease->Release());
    EXPECT_CODE(lease->Check(), kAborted);
    EXPECT_TRUE(Newest().released);
    EXPECT_EQ(*kill_time_, std::nullopt);
    EXPECT_OK(lease->Release());
    const LeaseRecord record = Newest();
    Sleep(absl::Seconds(5));
    EXPECT_EQ(Newest(), record);
    EXPECT_EQ(lost_, 0);
  });
}

TEST_F(LeaseTest, DestroyedWithoutReleaseItRunsOut) {
  Run([&] {
    Claim(1);
    EXPECT_EQ(*kill_time_, std::nullopt);
    const LeaseRecord record = Newest();
    EXPECT_FALSE(record.released);
    Sleep(absl::Seconds(5));
    EXPECT_EQ(Newest(), record);
  });
}

TEST_F(LeaseTest, CarriesUpToWhereMetadataIsDurable) {
  Run([&] {
    const auto lease = Claim(1);
    lease->NoteSynced(5);
    lease->NoteSynced(3);
    Sleep(absl::Seconds(1));
    EXPECT_EQ(Newest().meta_sequence, 5U);
    lease->NoteSynced(9);
    EXPECT_OK(lease->Release());
    EXPECT_EQ(Newest().meta_sequence, 9U);
  });
}

TEST_F(LeaseTest, UnsafeTimesAreRefused) {
  const std::vector<LeaseTimes> unsafe = {
      {.renew = absl::ZeroDuration()},        {.poll = absl::ZeroDuration()},
      {.renew = absl::Milliseconds(1001)},    {.stop = absl::Seconds(4)},
      {.takeover = absl::Milliseconds(4100)}, {.valid = absl::Milliseconds(4900)},
  };
  Run([&] {
    for (const LeaseTimes& times : unsafe) {
      times_ = times;
      EXPECT_CODE(TryClaim(1), kInvalidArgument);
    }
    times_ = LeaseTimes{};
    EXPECT_OK(TryClaim(1));
  });
}

TEST_F(LeaseTest, TheNewestEpochCountsAndOldOnesAreRemoved) {
  Run([&] {
    for (uint64_t epoch = 1; epoch <= 30; ++epoch) ASSERT_OK(Claim(epoch)->Release());
    EXPECT_EQ(Newest().epoch, 30U);
    ASSERT_OK(WriteNewFile(machine_.storage(), "lease/epoch-29.x.y.tmp", ""));
    ASSERT_OK(WriteNewFile(machine_.storage(), "lease/epoch-31.x.y.tmp", ""));
    ASSERT_OK(WriteNewFile(machine_.storage(), "lease/a.lock", ""));
    ASSERT_OK(RemoveOldLeases(machine_.storage(), 30));
    const std::vector<std::string> left = Must(machine_.storage().List("lease"));
    EXPECT_EQ(left.size(), limits::kLeaseRecordsKept + 2);
    EXPECT_THAT(left,
                testing::IsSupersetOf({"epoch-30", "epoch-15", "epoch-31.x.y.tmp", "a.lock"}));
    EXPECT_THAT(left, testing::Not(testing::Contains("epoch-14")));
  });
}

TEST_F(LeaseTest, AGarbledRecordIsNamed) {
  Run([&] {
    ASSERT_OK(Claim(1)->Release());
    ASSERT_OK(Claim(2)->Release());
    machine_.storage().Poke(LeasePath(2), 100, BytesOf("x"));
    const absl::Status status = ReadNewestLease(machine_.storage()).status();
    EXPECT_CODE(status, kDataLoss);
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("lease/epoch-2"));
  });
}

// At any moment and in any order: once the watch says "takeover", the owner has been told that it
// lost, and killed.
TEST(LeaseWatchTest, SaysTakeoverOnlyAfterTheOwnerIsGone) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    sim::SimMachine machine(seed);
    const LeaseTimes times;
    machine.runtime().Run([&] {
      MakePoolDirectories(machine.storage());
      const KillTime kill_time = MakeKillTime();
      const auto lease =
          Must(Lease::Claim({.storage = machine.storage(),
                             .runtime = machine.runtime(),
                             .kill_timer = std::make_unique<RecordingKillTimer>(kill_time),
                             .times = times,
                             .on_lost = {}},
                            RecordOf(1, "a")));
      LeaseWatch watch(machine.storage(), machine.runtime());
      const absl::Duration failing =
          machine.runtime().BootTime() + absl::Milliseconds(seed * 131 % 7000);
      bool failed = false;
      while (watch.unchanged() < times.takeover) {
        if (!failed && machine.runtime().BootTime() >= failing) {
          failed = true;
          machine.steps().Inject(FailRenewals(1));
        }
        ASSERT_OK(watch.Look());
        machine.runtime().SleepFor(absl::Milliseconds(50 + seed % 60));
      }
      EXPECT_TRUE(failed) << "of a live owner it says so never";
      EXPECT_CODE(lease->Check(), kAborted);
      EXPECT_GT(machine.runtime().BootTime(), **kill_time);
    });
  }
}

TEST(LeaseWatchTest, ALookThatFailedProvesNothing) {
  sim::SimMachine machine(1);
  machine.runtime().Run([&] {
    MakePoolDirectories(machine.storage());
    ASSERT_OK(CreateLease(machine.storage(), RecordOf(1, "a")));
    LeaseWatch watch(machine.storage(), machine.runtime());
    ASSERT_OK(watch.Look());
    machine.runtime().SleepFor(absl::Seconds(6));
    machine.steps().Inject({.matches = sim::Matching(sim::OperationKind::kRead),
                            .status = absl::UnavailableError("gone")});
    EXPECT_CODE(watch.Look(), kUnavailable);
    EXPECT_EQ(watch.unchanged(), absl::ZeroDuration());
    ASSERT_OK(watch.Look());
    EXPECT_GE(watch.unchanged(), absl::Seconds(6));
    EXPECT_EQ(watch.record(), RecordOf(1, "a"));
  });
}

}  // namespace
}  // namespace baton
