// What clones do, through the facade.
#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/engine/engine_pool.h"

namespace baton {
namespace {

class Clone : public EngineTest {
 protected:
  Clone() {
    MakeVolume("src");
    MakeVolume("dst");
    Fill("src", 1);
  }
};

TEST_F(Clone, TheTargetIsTheSourceAtT0) {
  const uint64_t id = Start("src", "dst");
  Fill("src", 2);
  EXPECT_EQ(Content("dst"), Filled(1)) << "from T0 on";
  Complete(id);
  EXPECT_EQ(Content("dst"), Filled(1));
  EXPECT_EQ(Content("src"), Filled(2));
  const CloneStatus status = Must(pool_->ShowClone(id));
  EXPECT_EQ(status.extents_copied(), kExtents);
  EXPECT_EQ(status.extents_pending() + status.extents_copying() + status.extents_landing(), 0u);
  EXPECT_EQ(status.certificate().size(), 32u);
  EXPECT_GT(status.completed_unix_us(), status.started_unix_us());
  EXPECT_EQ(status.error(), "");
}

TEST_F(Clone, EachExtentIsCopiedOnce) {
  const uint64_t id = Start("src", "dst");
  for (uint64_t extent = 0; extent < kExtents; extent += 3) {
    Write("src", extent * kExtent + 64, Pattern(64, 9));
  }
  Complete(id);
  EXPECT_EQ(Must(pool_->ShowClone(id)).copies_total(), kExtents);
}

TEST_F(Clone, WhatHostsWriteToTheTargetStays) {
  const uint64_t id = Start("src", "dst", kCrawl);
  Write("dst", 10 * kExtent + 64, Pattern(128, 9));
  ASSERT_OK(OpenByName("dst")->Discard(20 * kExtent, 2 * kExtent));
  std::vector<std::byte> expected = Filled(1);
  std::ranges::copy(Pattern(128, 9), expected.begin() + 10 * kExtent + 64);
  std::fill_n(expected.begin() + 20 * kExtent, 2 * kExtent, std::byte{0});
  EXPECT_EQ(Content("dst"), expected);
  Complete(id);
  EXPECT_EQ(Content("dst"), expected);
  EXPECT_EQ(Content("src"), Filled(1));
}

TEST_F(Clone, DiscardsOfTheSourceArePreservedToo) {
  const uint64_t id = Start("src", "dst", kCrawl);
  ASSERT_OK(OpenByName("src")->Discard(64, kSize - 128));
  EXPECT_EQ(Content("dst"), Filled(1));
  Complete(id);
  EXPECT_EQ(Content("dst"), Filled(1));
}

TEST_F(Clone, OldContentOfTheTargetIsDiscarded) {
  Fill("dst", 8);
  const uint64_t id = Create("src", "dst");
  EXPECT_EQ(Content("dst"), Filled(8)) << "a clone that was only created changes nothing";
  ASSERT_OK(pool_->ActivateClones({id}));
  EXPECT_TRUE(IsOffline("dst"));
  EXPECT_EQ(Must(pool_->ShowVolume("dst")).allocated_bytes(), 0u);
}

TEST_F(Clone, SeveralStartAtOneT0) {
  MakeVolume("src2");
  MakeVolume("dst2");
  Fill("src2", 2);
  const uint64_t first = Activate("src", "dst", kCrawl);
  const uint64_t second = Activate("src2", "dst2", kCrawl);
  ASSERT_OK(pool_->StartClones({first, second}));
  const CloneStatus status = Must(pool_->ShowClone(first));
  EXPECT_EQ(status.started_unix_us(), Must(pool_->ShowClone(second)).started_unix_us());
  Fill("src", 3);
  Fill("src2", 4);
  Complete(first);
  Complete(second);
  EXPECT_EQ(Content("dst"), Filled(1));
  EXPECT_EQ(Content("dst2"), Filled(2));
}

TEST_F(Clone, SeveralOfOneSourceEachShowTheirOwnT0) {
  MakeVolume("dst2");
  MakeVolume("dst3");
  const uint64_t first = Start("src", "dst", kCrawl);
  Fill("src", 2);
  const uint64_t second = Start("src", "dst2", kCrawl);
  Fill("src", 3);
  const uint64_t third = Start("src", "dst3", kCrawl);
  Fill("src", 4);
  for (const uint64_t id : {first, second, third}) Complete(id);
  EXPECT_EQ(Content("dst"), Filled(1));
  EXPECT_EQ(Content("dst2"), Filled(2));
  EXPECT_EQ(Content("dst3"), Filled(3));
}

TEST_F(Clone, OfATargetOnceThatIsComplete) {
  MakeVolume("dst2");
  Complete(Start("src", "dst"));
  Fill("src", 2);
  const uint64_t second = Start("dst", "dst2");
  Complete(second);
  EXPECT_EQ(Content("dst2"), Filled(1));
}

TEST_F(Clone, OntoATargetAgainOnceThatIsComplete) {
  const uint64_t first = Start("src", "dst");
  Complete(first);
  Fill("src", 2);
  const uint64_t second = Start("src", "dst");
  Complete(second);
  EXPECT_EQ(Content("dst"), Filled(2));
  EXPECT_EQ(Must(pool_->FindClone("dst")), second);
  EXPECT_EQ(Must(pool_->VerifyClone(first, nullptr)).extents_differing(), kExtents);
}

TEST_F(Clone, IsFoundByIdAndByTarget) {
  const uint64_t id = Create("src", "dst");
  EXPECT_EQ(Must(pool_->FindClone(std::to_string(id))), id);
  EXPECT_EQ(Must(pool_->FindClone("dst")), id);
}

TEST_F(Clone, PausedItStillPreserves) {
  const uint64_t id = Start("src", "dst", kCrawl);
  ASSERT_OK(pool_->PauseClone(id));
  Fill("src", 2);
  EXPECT_EQ(Content("dst"), Filled(1));
  EXPECT_EQ(StateOf(id), "paused");
  ASSERT_OK(pool_->ResumeClone(id));
  Complete(id);
  EXPECT_EQ(Content("dst"), Filled(1));
}

TEST_F(Clone, StoppedItsTargetIsOfflineUntilItBeginsAnew) {
  const uint64_t id = MakeIn("stopped");
  EXPECT_TRUE(IsOffline("dst"));
  EXPECT_CODE(OpenByName("dst")->Flush(), kFailedPrecondition);
  EXPECT_CODE(OpenByName("dst")->Discard(0, kExtent), kFailedPrecondition);
  Fill("src", 2);
  ASSERT_OK(pool_->ActivateClones({id}));
  EXPECT_TRUE(IsOffline("dst"));
  ASSERT_OK(pool_->StartClones({id}));
  Complete(id);
  EXPECT_EQ(Content("dst"), Filled(2));
}

TEST_F(Clone, DeletedBeforeItWasActivatedItsTargetKeepsItsContent) {
  Fill("dst", 8);
  ASSERT_OK(pool_->DeleteClone(MakeIn("created")));
  EXPECT_EQ(Content("dst"), Filled(8));
  EXPECT_TRUE(pool_->ListClones().empty());
}

TEST_F(Clone, DeletedUnfinishedItsTargetIsZeros) {
  const uint64_t id = Start("src", "dst", kCrawl);
  Fill("src", 2);
  ASSERT_OK(pool_->StopClone(id));
  ASSERT_OK(pool_->DeleteClone(id));
  EXPECT_FALSE(IsOffline("dst"));
  EXPECT_EQ(Content("dst"), Zeros());
  EXPECT_CODE(pool_->ShowClone(id), kNotFound);
  EXPECT_OK(pool_->DeleteVolume("dst"));
}

TEST_F(Clone, DeletedWhenCompleteItsTargetStays) {
  ASSERT_OK(pool_->DeleteClone(MakeIn("completed")));
  EXPECT_EQ(Content("dst"), Filled(1));
  EXPECT_OK(pool_->DeleteVolume("src"));
  EXPECT_EQ(Content("dst"), Filled(1));
}

TEST_F(Clone, HolesOfTheSourceAreHolesOfTheTarget) {
  MakeVolume("sparse", limits::kGiB);
  MakeVolume("copy", limits::kGiB);
  Write("sparse", 500 * limits::kMiB, Pattern(kExtent, 1));
  CloneOptions options = Options("sparse", "copy");
  options.extent_bytes = limits::kDefaultExtentBytes;
  const uint64_t id = Must(pool_->CreateClone(options));
  ASSERT_OK(pool_->ActivateClones({id}));
  ASSERT_OK(pool_->StartClones({id}));
  Complete(id);
  EXPECT_LE(Must(pool_->ShowVolume("copy")).allocated_bytes(), limits::kMiB);
  EXPECT_EQ(Must(pool_->ShowClone(id)).copies_total(), 1u);
  std::vector<std::byte> out(kExtent);
  ASSERT_OK(OpenByName("copy")->Read(500 * limits::kMiB, out));
  EXPECT_EQ(out, Pattern(kExtent, 1));
  EXPECT_EQ(Must(pool_->VerifyClone(id, nullptr)).extents_differing(), 0u);
}

TEST_F(Clone, WithoutDigestsThereIsNoCertificate) {
  CloneOptions options = Options("src", "dst");
  options.no_digests = true;
  const uint64_t id = Must(pool_->CreateClone(options));
  ASSERT_OK(pool_->ActivateClones({id}));
  ASSERT_OK(pool_->StartClones({id}));
  Complete(id);
  EXPECT_EQ(Content("dst"), Filled(1));
  EXPECT_EQ(Must(pool_->ShowClone(id)).certificate(), "");
}

TEST_F(Clone, KeepsToItsRate) {
  const absl::Time begin = absl::Now();
  const uint64_t id = Start("src", "dst", kSize);  // a second's worth
  AwaitState(id, "completed");
  const absl::Duration took = absl::Now() - begin;
  EXPECT_GT(took, absl::Milliseconds(600));
  EXPECT_LT(took, absl::Seconds(20)) << "and does not stand still";
}

TEST_F(Clone, TheRateIsShownAndKeptOverARestart) {
  const uint64_t id = Create("src", "dst", 1000);
  ASSERT_OK(pool_->SetCloneRate(id, 2000));
  pool_.Close();
  ASSERT_OK(pool_.Open());
  EXPECT_EQ(Must(pool_->ShowClone(id)).rate_bytes_per_second(), 2000u);
}

TEST_F(Clone, TheLatencyTargetIsShownAndKeptOverARestart) {
  CloneOptions options = Options("src", "dst");
  options.latency_target_us = 5000;
  const uint64_t id = Must(pool_->CreateClone(options));
  EXPECT_EQ(Must(pool_->ShowClone(id)).latency_target_us(), 5000u);
  ASSERT_OK(pool_->SetCloneLatencyTarget(id, 7000));
  pool_.Close();
  ASSERT_OK(pool_.Open());
  EXPECT_EQ(Must(pool_->ShowClone(id)).latency_target_us(), 7000u);
}

TEST_F(Clone, WithALatencyTargetItsStatusSaysWhatTheCopyDoes) {
  const uint64_t id = Start("src", "dst", kCrawl);
  ASSERT_OK(pool_->SetCloneLatencyTarget(id, 5000));
  const std::unique_ptr<VolumeIo> io = OpenByName("src");
  std::vector<std::byte> block(limits::kBlockBytes);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (Must(pool_->ShowClone(id)).host_p99_us() == 0 && absl::Now() < deadline) {
    ASSERT_OK(io->Read(0, block));
  }
  CloneStatus status = Must(pool_->ShowClone(id));
  EXPECT_GT(status.host_p99_us(), 0u);
  EXPECT_EQ(status.copy_limit_bytes_per_second(), kCrawl) << "the lower one of two limits";
  ASSERT_OK(pool_->SetCloneLatencyTarget(id, 0));
  status = Must(pool_->ShowClone(id));
  EXPECT_EQ(status.host_p99_us(), 0u);
  EXPECT_EQ(status.copy_limit_bytes_per_second(), 0u);
  Complete(id);
}

TEST_F(Clone, TheResidualListsWhatIsPending) {
  const uint64_t id = Activate("src", "dst", kCrawl);
  Residual residual = Must(pool_->CloneResidual(id, true));
  EXPECT_EQ(residual.extents_residual(), kExtents);
  EXPECT_EQ(residual.bytes_residual(), kSize);
  ASSERT_EQ(residual.pending_size(), 1);
  EXPECT_EQ(residual.pending(0).count(), kExtents);
  ASSERT_OK(pool_->StartClones({id}));
  Complete(id);
  residual = Must(pool_->CloneResidual(id, true));
  EXPECT_EQ(residual.extents_residual(), 0u);
  EXPECT_EQ(residual.pending_size(), 0);
}

TEST_F(Clone, EverythingThatHappenedIsAnEvent) {
  const uint64_t id = Start("src", "dst", kCrawl);
  ASSERT_OK(pool_->PauseClone(id));
  ASSERT_OK(pool_->ResumeClone(id));
  ASSERT_OK(pool_->SetCloneRate(id, 5));
  ASSERT_OK(pool_->StopClone(id));
  ASSERT_OK(pool_->ActivateClones({id}));
  ASSERT_OK(pool_->StartClones({id}));
  Complete(id);
  ASSERT_OK(pool_->DeleteClone(id));
  std::vector<std::string> kinds;
  uint64_t last = 0;
  for (const Event& event : Must(pool_->ListEvents(0, 100))) {
    EXPECT_GT(event.sequence(), std::exchange(last, event.sequence()));
    EXPECT_EQ(event.epoch(), pool_.epoch());
    EXPECT_EQ(event.node(), "test");
    EXPECT_GT(event.unix_us(), 0);
    if (event.clone_id() == id) kinds.push_back(event.kind());
  }
  EXPECT_THAT(kinds, testing::ElementsAre("clone-created", "clone-activated", "clone-started",
                                          "clone-paused", "clone-resumed", "clone-rate-set",
                                          "clone-stopped", "clone-activated", "clone-started",
                                          "clone-rate-set", "clone-completed", "clone-deleted"));
}

TEST_F(Clone, OwnEventsAreKept) {
  Event event;
  event.set_kind("controller-started");
  event.set_text("hello");
  ASSERT_OK(pool_->RecordEvent(event));
  const std::vector<Event> events = Must(pool_->ListEvents(0, 100));
  EXPECT_EQ(events.back().text(), "hello");
  EXPECT_EQ(Must(pool_->ListEvents(events.back().sequence(), 100)).size(), 0u);
}

}  // namespace
}  // namespace baton
