// What a controller is to its pool: alone with it, or one of several.
#pragma once

#include <absl/status/status.h>

#include <atomic>
#include <string>
#include <utility>

#include "cli/batond/shutdown_monitor.h"
#include "cli/control/control.pb.h"
#include "ha/node/ha_node.h"
#include "ha/node/owned_epoch.h"

namespace baton {

// Thread-safe.
class PoolRole {
 public:
  virtual ~PoolRole() = default;

  virtual absl::Status RecordEvent(const std::string& kind, const std::string& text) = 0;
  // What is recorded is in the log, too.
  virtual bool LogsEvents() const = 0;
  // Role, owner, epoch, nodes and problems of `status`, whose node is set.
  virtual void Describe(control::ControllerStatus& status) const = 0;
  // The storage has failed under a request of a host. True: the request waits (StorageFailures).
  virtual bool StorageFailed(const absl::Status& status) = 0;
};

// All references outlive it.
class LoneRole final : public PoolRole {
 public:
  LoneRole(std::string node, ha::OwnedEpoch& epoch, const ShutdownMonitor& end)
      : node_(std::move(node)), epoch_(epoch), end_(end) {}

  absl::Status RecordEvent(const std::string& kind, const std::string& text) override {
    return epoch_.RecordEvent(kind, text);
  }
  bool LogsEvents() const override { return false; }
  void Describe(control::ControllerStatus& status) const override;
  bool StorageFailed(const absl::Status&) override { return false; }

 private:
  const std::string node_;
  ha::OwnedEpoch& epoch_;
  const ShutdownMonitor& end_;
};

class PeeredRole final : public PoolRole {
 public:
  explicit PeeredRole(ha::HaNode& node) : node_(node) {}

  absl::Status RecordEvent(const std::string& kind, const std::string& text) override {
    node_.Note(kind, text);
    return absl::OkStatus();
  }
  bool LogsEvents() const override { return true; }
  void Describe(control::ControllerStatus& status) const override;
  bool StorageFailed(const absl::Status& status) override { return node_.StorageFailed(status); }

 private:
  ha::HaNode& node_;
};

// The role, once it is known: for those who are made before. Thread-safe.
class RoleSlot {
 public:
  // Once. `role` outlives this.
  void Set(PoolRole& role) { role_ = &role; }
  // Null: it is not known yet.
  PoolRole* get() const { return role_; }
  // FailedPrecondition: it is not known yet.
  absl::Status RecordEvent(const std::string& kind, const std::string& text) const;
  // Of a command of `baton`, for the log and, where `in_events`, the events.
  void NoteCommand(const std::string& line, bool in_events) const;

 private:
  std::atomic<PoolRole*> role_ = nullptr;
};

}  // namespace baton
