// A volume of the checker: what hosts may do with it at the moment, and what must be in it.
#pragma once

#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/volume_io.h"
#include "tests/model/volume_model.h"

namespace baton::checker {

// What hosts do and what they must be told. Only the commander changes it.
enum class Phase : uint32_t {
  kOpen,      // everything; all succeeds
  kClosed,    // nothing: an activation wants nobody to have the volume open
  kOffline,   // everything is refused
  kStarting,  // only reads; those that succeed show T0
  kEnding,    // only reads; what succeeds is right, the rest is refused
};

struct Volume {
  Volume(model::Clock& clock, std::string volume_name, uint64_t size_bytes, size_t hosts)
      : name(std::move(volume_name)), model(clock, size_bytes), handles(2 * hosts) {}

  // One number for each phase, ever, so that who looks twice sees whether anything happened.
  uint64_t moment() const { return moment_.load(); }
  static Phase PhaseOf(uint64_t moment) { return static_cast<Phase>(moment % 8); }
  Phase phase() const { return PhaseOf(moment()); }
  void Enter(Phase phase) { moment_ = (moment_ / 8 + 1) * 8 + static_cast<uint32_t>(phase); }

  // Enters the phase when no host operation is inside the volume.
  void EnterAlone(Phase phase) {
    absl::MutexLock lock(&gate);
    Enter(phase);
  }
  // As EnterAlone, and nobody has the volume open any more.
  void Close() {
    absl::MutexLock lock(&gate);
    Enter(Phase::kClosed);
    for (std::unique_ptr<VolumeIo>& handle : handles) handle.reset();
  }

  // A host has it open, and keeps it so until Close.
  bool IsOpen() {
    absl::MutexLock lock(&gate);
    return std::any_of(handles.begin(), handles.end(),
                       [](const auto& handle) { return handle != nullptr; });
  }

  const std::string name;
  model::VolumeModel model;
  absl::Mutex gate;  // hosts hold it shared during an operation
  // Two for each host: without and with O_DIRECT. Each is used by its host only, under the gate.
  std::vector<std::unique_ptr<VolumeIo>> handles;
  std::atomic<bool> was_changed{false};  // by a host, since its last T0

 private:
  std::atomic<uint64_t> moment_{0};
};

}  // namespace baton::checker
