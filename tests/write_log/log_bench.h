// What tests of the write log need around it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/meta/pool_file.h"
#include "engine/write_log/write_log.h"
#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton {

inline constexpr uint64_t kLogBlock = limits::kBlockBytes;
inline constexpr WriteLogShape kSmallLog = {.segments = 4, .segment_blocks = 8};

// What stands behind the log.
class PlainVolume final : public VolumeIo {
 public:
  explicit PlainVolume(size_t blocks) : content_(Pattern(blocks * kLogBlock, 0)) {}
  uint64_t size_bytes() const override { return content_.size(); }
  absl::Status Read(uint64_t offset, MutableBytes out) override {
    std::copy_n(content_.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return absl::OkStatus();
  }
  absl::Status Write(uint64_t offset, Bytes data) override {
    std::copy(data.begin(), data.end(), content_.begin() + static_cast<ptrdiff_t>(offset));
    return absl::OkStatus();
  }
  absl::Status Flush() override { return absl::OkStatus(); }
  absl::Status Discard(uint64_t, uint64_t) override { return absl::OkStatus(); }

 private:
  std::vector<std::byte> content_;
};

// A write log on a simulated machine, and one volume.
class LogBench {
 public:
  explicit LogBench(uint64_t seed = 1) : machine_(seed) {}

  void Run(const std::function<void()>& body) {
    machine_.runtime().Run([&] {
      if (epoch_ == 0) MakePool();
      Open();
      body();
      log_.reset();
    });
  }
  void MakePool() {
    ASSERT_OK(InitPool(machine_.storage(), DURABILITY_NODE, machine_.runtime(), "sim"));
  }
  // The log of the next epoch, with room.
  void Open() {
    OpenWithoutRoom();
    log_->Enable();
    while (log_->segments() < shape_.segments) Rest();
    Rest();
  }
  // The same, and nobody has asked for room.
  void OpenWithoutRoom() {
    log_.reset();
    log_ = Must(WriteLog::Open({.storage = machine_.storage(),
                                .runtime = machine_.runtime(),
                                .fence = fence_,
                                .fault = fault_,
                                .epoch = ++epoch_,
                                .durable_writes = durable_,
                                .shape = shape_,
                                .meta_sequence = [this] { return meta_sequence_; },
                                .buffers = 2}));
  }
  void Rest() { machine_.runtime().SleepFor(absl::Milliseconds(20)); }

  LoggedVolume& Volume(uint64_t id = 1) { return log_->VolumeOf(id); }
  bool Append(uint64_t block, std::vector<std::byte> data, uint64_t volume = 1,
              WriteLog::Want want = WriteLog::Want::kFresh) {
    return Must(log_->Append(Volume(volume), block * kLogBlock, data, want));
  }
  std::vector<std::byte> Read(uint64_t offset, uint64_t length) {
    std::vector<std::byte> out(length);
    EXPECT_OK(log_->Read(Volume(), plain_, offset, out));
    return out;
  }
  // Brings the oldest batch to the volume.
  void DrainOne() {
    const std::optional<WriteLog::Batch> batch = log_->Take();
    ASSERT_TRUE(batch.has_value());
    for (const LogWrite& write : batch->writes) {
      for (uint64_t block = write.first_block(); block < write.first_block() + write.data_blocks();
           ++block) {
        if (!log_->IsNewest(*batch, write, block)) continue;
        alignas(4096) std::array<std::byte, kLogBlock> data;
        EXPECT_OK(log_->ReadData(*batch, write, block, data));
        EXPECT_OK(plain_.Write(block * kLogBlock, data));
      }
    }
    EXPECT_OK(log_->Free(*batch));
  }

  // Whatever was cached may be gone.
  void LosePower() {
    machine_.steps().CrashNow(sim::CrashKind::kPower);
    machine_.Restart();
  }

  sim::SimMachine machine_;
  OpenFence fence_;
  bool expects_fault_ = false;
  Fault fault_{[this](const absl::Status& why) {
    if (!expects_fault_) ADD_FAILURE() << why;
  }};
  bool durable_ = false;
  WriteLogShape shape_ = kSmallLog;
  uint64_t epoch_ = 0;
  uint64_t meta_sequence_ = 0;
  std::unique_ptr<WriteLog> log_;
  PlainVolume plain_{32};
};

}  // namespace baton
