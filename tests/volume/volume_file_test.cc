#include "engine/volume/volume_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "engine/base/limits.h"
#include "tests/volume/support.h"

namespace baton {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kBlock = limits::kBlockBytes;
constexpr uint64_t kSize = 16 * kBlock;
constexpr IoAlignment kDirect = {512, 512};

// A volume over a MemoryFile that takes only aligned calls.
class VolumeFileTest : public testing::Test {
 protected:
  VolumeFile& Open(Durability durability = DURABILITY_NODE, int fence_checks = 1 << 30,
                   IoAlignment alignment = kDirect, bool keeps_space = false) {
    fence_ = std::make_unique<ExpiringFence>(fence_checks);
    auto file = std::make_unique<MemoryFile>(kSize, alignment);
    file_ = file.get();
    volume_ = std::make_unique<VolumeFile>(
        VolumeFile::Options{.runtime = runtime_,
                            .fence = *fence_,
                            .bounce = bounce_,
                            .file = std::move(file),
                            .size_bytes = kSize,
                            .durability = durability,
                            .keeps_space = keeps_space,
                            .on_fault = [this](const absl::Status& status) {
                              EXPECT_TRUE(volume_->Health().ok()) << "the fault is told first";
                              faults_.push_back(status);
                            }});
    return *volume_;
  }

  void FailNext(FileCall::Kind kind, absl::Status status) {
    file_->set_hook([kind, status](const FileCall& call) {
      return call.kind == kind ? status : absl::OkStatus();
    });
  }

  CountingRuntime runtime_;
  BufferPool bounce_{runtime_, 2, 2 * kBlock};  // small, so that requests go in several pieces
  std::unique_ptr<ExpiringFence> fence_;
  MemoryFile* file_ = nullptr;
  std::unique_ptr<VolumeFile> volume_;
  std::vector<absl::Status> faults_;
  alignas(kBlock) std::array<std::byte, 4 * kBlock> aligned_ = {};
};

TEST_F(VolumeFileTest, RangesOutsideAreRefusedAndNothingIsDone) {
  VolumeFile& volume = Open();
  ByteVector bytes = Filled(100, 1);
  EXPECT_EQ(volume.Write(kSize - 99, bytes).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(volume.Read(kSize - 99, bytes).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(volume.Discard(kSize - 99, 100).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(volume.Discard(1, UINT64_MAX).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(volume.Write(UINT64_MAX, bytes).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(volume.Write(kSize + 1, {}).code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(file_->calls(FileCall::kWrite), IsEmpty());
  EXPECT_THAT(file_->calls(FileCall::kPunch), IsEmpty());
}

TEST_F(VolumeFileTest, ZeroLengthIsDoneAtOnce) {
  VolumeFile& volume = Open();
  EXPECT_TRUE(volume.Write(kSize, {}).ok());
  EXPECT_TRUE(volume.Read(7, {}).ok());
  EXPECT_TRUE(volume.Discard(7, 0).ok());
  EXPECT_THAT(file_->calls(FileCall::kWrite), IsEmpty());
  EXPECT_THAT(file_->calls(FileCall::kRead), IsEmpty());
}

TEST_F(VolumeFileTest, AlignedRequestsGoStraightThrough) {
  VolumeFile& volume = Open();
  ASSERT_TRUE(volume.Write(512, aligned_).ok());
  ASSERT_TRUE(volume.Read(512, aligned_).ok());
  EXPECT_THAT(file_->calls(FileCall::kWrite),
              ElementsAre(FileCall{FileCall::kWrite, 512, 4 * kBlock}));
  EXPECT_THAT(file_->calls(FileCall::kRead),
              ElementsAre(FileCall{FileCall::kRead, 512, 4 * kBlock}));
}

TEST_F(VolumeFileTest, UnalignedMemoryIsCarriedInPieces) {
  VolumeFile& volume = Open();
  const MutableBytes bytes = MutableBytes(aligned_).subspan(1, 3 * kBlock);
  ASSERT_TRUE(volume.Write(0, bytes).ok());
  EXPECT_THAT(file_->calls(FileCall::kRead), IsEmpty()) << "whole blocks need no reading";
  EXPECT_THAT(file_->calls(FileCall::kWrite),
              ElementsAre(FileCall{FileCall::kWrite, 0, 2 * kBlock},
                          FileCall{FileCall::kWrite, 2 * kBlock, kBlock}));
}

TEST_F(VolumeFileTest, UnalignedWriteKeepsWhatIsBesideIt) {
  VolumeFile& volume = Open();
  ASSERT_TRUE(volume.Write(0, Filled(kSize, 1)).ok());
  ASSERT_TRUE(volume.Write(100, Filled(3 * kBlock, 2)).ok());
  ASSERT_TRUE(volume.Write(5 * kBlock + 3, Filled(1, 3)).ok());
  ByteVector expected = Filled(kSize, 1);
  std::fill_n(expected.begin() + 100, 3 * kBlock, std::byte{2});
  expected[5 * kBlock + 3] = std::byte{3};
  EXPECT_EQ(file_->content(), expected);

  ByteVector read = Filled(kSize - 2, 0);
  ASSERT_TRUE(volume.Read(1, read).ok());
  EXPECT_EQ(read, ByteVector(expected.begin() + 1, expected.end() - 1));
}

TEST_F(VolumeFileTest, DiscardZeroesTheEdgesAndPunchesTheMiddle) {
  VolumeFile& volume = Open();
  ASSERT_TRUE(volume.Write(0, Filled(kSize, 1)).ok());
  ASSERT_TRUE(volume.Discard(kBlock - 10, 2 * kBlock + 30).ok());
  ASSERT_TRUE(volume.Discard(8 * kBlock + 5, 7).ok());
  ASSERT_TRUE(volume.Discard(11 * kBlock - 5, 10).ok());
  ByteVector expected = Filled(kSize, 1);
  std::fill_n(expected.begin() + kBlock - 10, 2 * kBlock + 30, std::byte{0});
  std::fill_n(expected.begin() + 8 * kBlock + 5, 7, std::byte{0});
  std::fill_n(expected.begin() + 11 * kBlock - 5, 10, std::byte{0});
  EXPECT_EQ(file_->content(), expected);
  EXPECT_THAT(file_->calls(FileCall::kPunch),
              ElementsAre(FileCall{FileCall::kPunch, kBlock, 2 * kBlock}));
}

TEST_F(VolumeFileTest, DurabilityChoosesHowWritesAreMade) {
  ASSERT_TRUE(Open(DURABILITY_NODE).Write(0, aligned_).ok());
  EXPECT_EQ(file_->calls(FileCall::kWrite).back().mode, WriteMode::kCached);
  ASSERT_TRUE(volume_->WriteDurable(0, aligned_).ok());
  EXPECT_EQ(file_->calls(FileCall::kWrite).back().mode, WriteMode::kDurable);
  ASSERT_TRUE(Open(DURABILITY_SYNC).Write(0, aligned_).ok());
  EXPECT_EQ(file_->calls(FileCall::kWrite).back().mode, WriteMode::kDurable);
  ASSERT_TRUE(volume_->Flush().ok());
  EXPECT_THAT(file_->calls(FileCall::kSync), SizeIs(1));
}

TEST_F(VolumeFileTest, ALostFenceStopsAWriteBeforeItIsIssued) {
  VolumeFile& volume = Open(DURABILITY_NODE, 0);
  EXPECT_TRUE(absl::IsAborted(volume.Write(0, aligned_)));
  EXPECT_TRUE(absl::IsAborted(volume.Write(5, Filled(3, 1))));
  EXPECT_TRUE(absl::IsAborted(volume.WriteDurable(0, aligned_)));
  EXPECT_TRUE(absl::IsAborted(volume.Discard(0, kBlock)));
  EXPECT_TRUE(absl::IsAborted(volume.Flush()));
  EXPECT_THAT(file_->calls(FileCall::kWrite), IsEmpty());
  EXPECT_THAT(file_->calls(FileCall::kPunch), IsEmpty());
  EXPECT_THAT(file_->calls(FileCall::kSync), IsEmpty());
}

TEST_F(VolumeFileTest, ALostFenceKeepsAReadFromBeingAnswered) {
  std::vector<std::byte> unaligned(3);
  EXPECT_TRUE(absl::IsAborted(Open(DURABILITY_NODE, 0).Read(0, aligned_)));
  EXPECT_TRUE(absl::IsAborted(Open(DURABILITY_NODE, 0).Read(5, unaligned)));
  EXPECT_TRUE(Open(DURABILITY_NODE, 1).Read(0, aligned_).ok());
}

TEST_F(VolumeFileTest, AFenceLostMeanwhileKeepsAWriteFromBeingAcknowledged) {
  EXPECT_TRUE(absl::IsAborted(Open(DURABILITY_NODE, 1).Write(0, aligned_)));
  EXPECT_THAT(file_->calls(FileCall::kWrite), SizeIs(1));
  EXPECT_TRUE(absl::IsAborted(Open(DURABILITY_NODE, 1).Write(5, Filled(3, 1))));
  EXPECT_THAT(file_->calls(FileCall::kWrite), SizeIs(1));
  EXPECT_TRUE(absl::IsAborted(Open(DURABILITY_NODE, 1).Discard(0, kBlock)));
  EXPECT_THAT(file_->calls(FileCall::kPunch), SizeIs(1));
  EXPECT_TRUE(absl::IsAborted(Open(DURABILITY_NODE, 1).Flush()));
  EXPECT_THAT(file_->calls(FileCall::kSync), SizeIs(1));
  EXPECT_TRUE(Open(DURABILITY_NODE, 2).Write(0, aligned_).ok());
  EXPECT_THAT(faults_, IsEmpty()) << "losing the fence is not the volume's fault";
}

TEST_F(VolumeFileTest, AWriteErrorIsReturnedAndTheVolumeGoesOn) {
  VolumeFile& volume = Open();
  FailNext(FileCall::kWrite, absl::ResourceExhaustedError("full"));
  EXPECT_TRUE(absl::IsResourceExhausted(volume.Write(0, aligned_)));
  FailNext(FileCall::kWrite, absl::DataLossError("broken"));
  EXPECT_TRUE(absl::IsDataLoss(volume.Write(0, aligned_)));
  file_->set_hook(nullptr);
  EXPECT_TRUE(volume.Write(0, aligned_).ok());
  EXPECT_TRUE(volume.Flush().ok());
  EXPECT_THAT(faults_, IsEmpty());
}

TEST_F(VolumeFileTest, AFailedSyncStopsTheVolumeForGood) {
  VolumeFile& volume = Open();
  FailNext(FileCall::kSync, absl::ResourceExhaustedError("disk on fire"));
  const absl::Status failure = volume.Flush();
  EXPECT_TRUE(absl::IsDataLoss(failure));
  EXPECT_THAT(std::string(failure.message()),
              HasSubstr("the volume stopped because a sync failed: disk on fire"));
  file_->set_hook(nullptr);
  EXPECT_EQ(volume.Flush(), failure);
  EXPECT_EQ(volume.Write(0, aligned_), failure);
  EXPECT_EQ(volume.WriteDurable(0, aligned_), failure);
  EXPECT_EQ(volume.Read(0, aligned_), failure);
  EXPECT_EQ(volume.Discard(0, kBlock), failure);
  EXPECT_EQ(volume.NextData(0).status(), failure);
  EXPECT_EQ(volume.Health(), failure);
  EXPECT_THAT(faults_, ElementsAre(failure));
  EXPECT_THAT(file_->calls(FileCall::kSync), SizeIs(1)) << "a sync is never repeated";
  EXPECT_THAT(file_->calls(FileCall::kWrite), IsEmpty());
}

TEST_F(VolumeFileTest, AWriteInFlightIsNotAcknowledgedAfterASyncHasFailed) {
  VolumeFile& volume = Open();
  absl::Notification writing;
  absl::Notification failed;
  file_->set_hook([&](const FileCall& call) {
    if (call.kind == FileCall::kSync) return absl::DataLossError("broken");
    writing.Notify();
    failed.WaitForNotification();
    return absl::OkStatus();
  });
  absl::Status written;
  std::jthread writer([&] { written = volume.Write(0, aligned_); });
  writing.WaitForNotification();
  EXPECT_FALSE(volume.Flush().ok());
  failed.Notify();
  writer.join();
  EXPECT_TRUE(absl::IsDataLoss(written));
}

TEST_F(VolumeFileTest, FlushesThatComeDuringASyncShareTheNextOne) {
  VolumeFile& volume = Open();
  absl::Notification syncing;
  absl::Notification go_on;
  file_->set_hook([&](const FileCall&) {
    if (!syncing.HasBeenNotified()) syncing.Notify();
    go_on.WaitForNotification();
    return absl::OkStatus();
  });
  std::vector<std::jthread> flushers;
  flushers.emplace_back([&] { EXPECT_TRUE(volume.Flush().ok()); });
  syncing.WaitForNotification();
  for (int i = 0; i < 4; ++i) {
    flushers.emplace_back([&] { EXPECT_TRUE(volume.Flush().ok()); });
  }
  runtime_.AwaitWaits(4);
  EXPECT_THAT(file_->calls(FileCall::kSync), SizeIs(1));
  go_on.Notify();
  flushers.clear();
  EXPECT_THAT(file_->calls(FileCall::kSync), SizeIs(2));
}

TEST_F(VolumeFileTest, AFailedSyncIsToldToAllWhoWaitForOne) {
  VolumeFile& volume = Open();
  absl::Notification syncing;
  absl::Notification go_on;
  file_->set_hook([&](const FileCall&) {
    syncing.Notify();
    go_on.WaitForNotification();
    return absl::DataLossError("broken");
  });
  std::vector<std::jthread> flushers;
  flushers.emplace_back([&] { EXPECT_TRUE(absl::IsDataLoss(volume.Flush())); });
  syncing.WaitForNotification();
  for (int i = 0; i < 4; ++i) {
    flushers.emplace_back([&] { EXPECT_TRUE(absl::IsDataLoss(volume.Flush())); });
  }
  runtime_.AwaitWaits(4);
  go_on.Notify();
  flushers.clear();
  EXPECT_THAT(file_->calls(FileCall::kSync), SizeIs(1));
  EXPECT_THAT(faults_, SizeIs(1));
}

TEST_F(VolumeFileTest, AnAlignedWriteWaitsForAReadModifyWriteOfTheSameBlock) {
  VolumeFile& volume = Open();
  absl::Notification reading;
  absl::Notification go_on;
  file_->set_hook([&](const FileCall& call) {
    if (call.kind == FileCall::kRead) {
      reading.Notify();
      go_on.WaitForNotification();
    }
    return absl::OkStatus();
  });
  std::ranges::fill(aligned_, std::byte{7});
  std::jthread partial([&] { EXPECT_TRUE(volume.Write(10, Filled(5, 9)).ok()); });
  reading.WaitForNotification();
  std::jthread whole([&] { EXPECT_TRUE(volume.Write(0, Bytes(aligned_).first(512)).ok()); });
  runtime_.AwaitWaits(1);
  EXPECT_THAT(file_->calls(FileCall::kWrite), IsEmpty());
  go_on.Notify();
  partial.join();
  whole.join();
  EXPECT_EQ(file_->content()[9], std::byte{7}) << "the partial write must not undo the whole one";
  EXPECT_EQ(file_->content()[15], std::byte{7});
}

TEST_F(VolumeFileTest, NextDataStaysInsideTheVolume) {
  VolumeFile& volume = Open();
  const auto range = volume.NextData(kBlock);
  ASSERT_TRUE(range.ok() && range->has_value());
  EXPECT_EQ((*range)->begin, kBlock);
  EXPECT_EQ((*range)->end, kSize);
  const auto end = volume.NextData(kSize);
  ASSERT_TRUE(end.ok());
  EXPECT_FALSE(end->has_value());
}

// The kernel would tell an O_DSYNC write of a write-back error that belongs to others.
TEST_F(VolumeFileTest, WithoutDirectIoADurableWriteIsAWriteAndASyncWhoseErrorIsFinal) {
  VolumeFile& volume = Open(DURABILITY_SYNC, 1 << 30, IoAlignment{});
  ASSERT_TRUE(volume.Write(0, Filled(kBlock, 1)).ok());
  EXPECT_THAT(file_->calls(FileCall::kWrite),
              ElementsAre(FileCall{FileCall::kWrite, 0, kBlock, WriteMode::kCached}));
  EXPECT_THAT(file_->calls(FileCall::kSync), SizeIs(1));
  FailNext(FileCall::kWrite, absl::DataLossError("input/output error"));
  EXPECT_FALSE(volume.Write(0, Filled(kBlock, 2)).ok());
  EXPECT_THAT(faults_, IsEmpty()) << "a write that fails is not final";
  FailNext(FileCall::kSync, absl::DataLossError("input/output error"));
  EXPECT_TRUE(absl::IsDataLoss(volume.WriteDurable(0, Filled(kBlock, 3))));
  EXPECT_THAT(faults_, SizeIs(1));
  FailNext(FileCall::kSync, absl::OkStatus());
  EXPECT_TRUE(absl::IsDataLoss(volume.Flush()));
}

TEST_F(VolumeFileTest, ADiscardOfAVolumeThatKeepsItsSpaceZeroesInPlace) {
  VolumeFile& volume = Open(DURABILITY_NODE, 1 << 30, kDirect, true);
  ASSERT_TRUE(volume.Write(0, Filled(kSize, 1)).ok());
  ASSERT_TRUE(volume.Discard(0, kSize).ok());
  EXPECT_THAT(file_->calls(FileCall::kPunch), IsEmpty());
  EXPECT_THAT(file_->calls(FileCall::kZero), ElementsAre(FileCall{FileCall::kZero, 0, kSize}));
  EXPECT_THAT(file_->calls(FileCall::kSync), SizeIs(1));
  EXPECT_EQ(file_->content(), ByteVector(kSize));
}

}  // namespace
}  // namespace baton
