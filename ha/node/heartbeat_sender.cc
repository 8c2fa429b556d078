#include "ha/node/heartbeat_sender.h"

#include <string>
#include <utility>

#include "engine/base/status.h"
#include "ha/node/owner_times.h"

namespace baton::ha {

void HeartbeatSender::Beat(const Coordinator& coordinator, const LentEpoch& served,
                           const absl::Status& storage) {
  const absl::Duration now = runtime_.BootTime();
  if (now < next_) return;
  next_ = now + options_.period;
  Heartbeat heartbeat;
  heartbeat.set_state(Name(coordinator.state()));
  heartbeat.set_epoch(coordinator.epoch());
  if (!coordinator.healthy()) {
    heartbeat.set_health(storage.ok() ? "it is about to end" : Message(storage));
  }
  heartbeat.set_owner(static_cast<bool>(served));
  heartbeat.set_eligible(coordinator.eligible());
  AddTimes(options_.times, heartbeat);
  if (served) {
    heartbeat.set_proof(Name(served->proof()));
    heartbeat.set_recovery_us(
        static_cast<uint64_t>(absl::ToInt64Microseconds(served->ExpectedRecovery())));
    for (const std::string& node : served_.Evicted()) heartbeat.add_evicted(node);
  }
  heartbeat.set_certificate_epoch(certificate_);
  network_.Publish(std::move(heartbeat));
}

void HeartbeatSender::TellCertificate(uint64_t epoch) {
  certificate_ = epoch;
  next_ = absl::ZeroDuration();
}

}  // namespace baton::ha
