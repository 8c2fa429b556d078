#include "fs/errno.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace baton::fs {
namespace {

TEST(ErrnoTest, SuccessIsZero) { EXPECT_EQ(ErrnoOf(absl::OkStatus()), 0); }

TEST(ErrnoTest, SaysWhatAnApplicationCanUnderstand) {
  EXPECT_EQ(ErrnoOf(absl::NotFoundError("")), ENOENT);
  EXPECT_EQ(ErrnoOf(absl::PermissionDeniedError("")), EPERM);
  EXPECT_EQ(ErrnoOf(absl::OutOfRangeError("")), EINVAL);
  EXPECT_EQ(ErrnoOf(absl::InvalidArgumentError("")), EINVAL);
  EXPECT_EQ(ErrnoOf(absl::ResourceExhaustedError("")), ENOSPC);
  EXPECT_EQ(ErrnoOf(absl::DeadlineExceededError("")), ETIMEDOUT);
}

TEST(ErrnoTest, WhatWasCalledOffWasInterrupted) {
  EXPECT_EQ(ErrnoOf(absl::CancelledError("")), EINTR);
}

TEST(ErrnoTest, EverythingElseIsAnInputOutputError) {
  EXPECT_EQ(ErrnoOf(absl::FailedPreconditionError("volume is offline")), EIO);
  EXPECT_EQ(ErrnoOf(absl::AbortedError("epoch lost")), EIO);
  EXPECT_EQ(ErrnoOf(absl::DataLossError("")), EIO);
  EXPECT_EQ(ErrnoOf(absl::InternalError("")), EIO);
}

}  // namespace
}  // namespace baton::fs
