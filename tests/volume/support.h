// What the tests of the floor share: bytes from a seed, and fakes that tests can hold and fail.
#pragma once

#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "engine/base/fence.h"
#include "engine/base/storage.h"
#include "tests/base/forwarding_runtime.h"

namespace baton {

using ByteVector = std::vector<std::byte>;
using Random = std::mt19937_64;

inline uint64_t Below(Random& random, uint64_t bound) { return random() % bound; }

inline ByteVector RandomBytes(Random& random, size_t length) {
  ByteVector bytes(length);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

inline ByteVector Filled(size_t length, int value) {
  return ByteVector(length, static_cast<std::byte>(value));
}

// The real runtime, and tells how often somebody began to wait.
class CountingRuntime final : public ForwardingRuntime {
 public:
  void Wait(absl::CondVar& condition, absl::Mutex& mutex) override {
    waits_.fetch_add(1);
    ForwardingRuntime::Wait(condition, mutex);
  }
  void WaitUntil(absl::CondVar& condition, absl::Mutex& mutex, absl::Duration deadline) override {
    waits_.fetch_add(1);
    ForwardingRuntime::WaitUntil(condition, mutex, deadline);
  }

  int waits() const { return waits_.load(); }
  // Returns when Wait has been called `count` times since construction; a failure when it is not.
  void AwaitWaits(int count) const {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (waits() < count && absl::Now() < deadline) absl::SleepFor(absl::Microseconds(50));
    EXPECT_GE(waits(), count) << "nobody waits";
  }

 private:
  std::atomic<int> waits_ = 0;
};

// OK for the first `checks` calls, then Aborted.
class ExpiringFence final : public Fence {
 public:
  explicit ExpiringFence(int checks) : left_(checks) {}
  absl::Status Check() const override {
    return left_.fetch_sub(1) > 0 ? absl::OkStatus() : absl::AbortedError("lease lost");
  }

 private:
  mutable std::atomic<int> left_;
};

// What reached a MemoryFile.
struct FileCall {
  enum Kind { kRead, kWrite, kSync, kPunch, kZero } kind;
  uint64_t offset = 0;
  uint64_t length = 0;
  WriteMode mode = WriteMode::kCached;
  bool operator==(const FileCall&) const = default;
};

// A file in memory that refuses what is not aligned, records what reaches it, and asks `hook`
// before each call: an error is returned, and a hook that waits holds the call.
class MemoryFile final : public File {
 public:
  using Hook = std::function<absl::Status(const FileCall&)>;

  MemoryFile(size_t size_bytes, IoAlignment alignment) : alignment_(alignment), data_(size_bytes) {}

  void set_hook(Hook hook) { hook_ = std::move(hook); }
  ByteVector content() const {
    absl::MutexLock lock(&mutex_);
    return data_;
  }
  std::vector<FileCall> calls(FileCall::Kind kind) const {
    absl::MutexLock lock(&mutex_);
    std::vector<FileCall> found;
    for (const FileCall& call : calls_) {
      if (call.kind == kind) found.push_back(call);
    }
    return found;
  }

  absl::Status Read(uint64_t offset, MutableBytes out) const override {
    const absl::Status status = Begin({FileCall::kRead, offset, out.size()}, out.data());
    if (!status.ok()) return status;
    absl::MutexLock lock(&mutex_);
    std::copy_n(data_.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return status;
  }
  absl::Status Write(uint64_t offset, Bytes data, WriteMode mode) override {
    const absl::Status status = Begin({FileCall::kWrite, offset, data.size(), mode}, data.data());
    if (!status.ok()) return status;
    absl::MutexLock lock(&mutex_);
    std::copy(data.begin(), data.end(), data_.begin() + static_cast<ptrdiff_t>(offset));
    return status;
  }
  absl::Status Sync() override { return Begin({FileCall::kSync}, nullptr); }
  absl::Status PunchHole(uint64_t offset, uint64_t length_bytes) override {
    const absl::Status status = Begin({FileCall::kPunch, offset, length_bytes}, nullptr);
    if (!status.ok()) return status;
    absl::MutexLock lock(&mutex_);
    std::fill_n(data_.begin() + static_cast<ptrdiff_t>(offset), length_bytes, std::byte{0});
    return status;
  }
  absl::Status ZeroRange(uint64_t offset, uint64_t length_bytes) override {
    const absl::Status status = Begin({FileCall::kZero, offset, length_bytes}, nullptr);
    if (!status.ok()) return status;
    absl::MutexLock lock(&mutex_);
    std::fill_n(data_.begin() + static_cast<ptrdiff_t>(offset), length_bytes, std::byte{0});
    return status;
  }
  absl::Status Allocate(uint64_t, uint64_t) override { return absl::OkStatus(); }
  absl::Status Truncate(uint64_t) override { return absl::UnimplementedError("truncate"); }
  absl::Status Grow(uint64_t) override { return absl::UnimplementedError("grow"); }
  absl::StatusOr<uint64_t> SizeBytes() const override { return content().size(); }
  absl::StatusOr<uint64_t> AllocatedBytes() const override { return content().size(); }
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t offset) const override {
    if (offset >= content().size()) return std::optional<DataRange>();
    return std::optional<DataRange>({offset, content().size()});
  }
  IoAlignment alignment() const override { return alignment_; }

 private:
  absl::Status Begin(const FileCall& call, const std::byte* address) const {
    const uint64_t unit = call.kind == FileCall::kPunch ? 4096 : alignment_.offset_bytes;
    if (call.offset % unit != 0 || call.length % unit != 0 ||
        reinterpret_cast<uintptr_t>(address) % alignment_.memory_bytes != 0) {
      return absl::InvalidArgumentError("not aligned");
    }
    {
      absl::MutexLock lock(&mutex_);
      calls_.push_back(call);
    }
    return hook_ ? hook_(call) : absl::OkStatus();
  }

  const IoAlignment alignment_;
  Hook hook_;
  mutable absl::Mutex mutex_;
  ByteVector data_ ABSL_GUARDED_BY(mutex_);
  mutable std::vector<FileCall> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
