#include "tests/sim/sim_steps.h"

namespace baton::sim {
namespace {

absl::Status Crashed() { return absl::AbortedError("simulated crash"); }

}  // namespace

void Steps::CrashAt(uint64_t step, CrashKind kind) {
  crash_at_ = step;
  crash_kind_ = kind;
}

void Steps::CrashNow(CrashKind kind) {
  crashed_ = true;
  crash_kind_ = kind;
}

void Steps::Restart() {
  crashed_ = false;
  crash_at_ = 0;
  ++boot_;
}

absl::Status Steps::FaultOf(const Operation& operation) {
  absl::Status status;
  for (Armed& armed : faults_) {
    const bool match = armed.fault.matches ? armed.fault.matches(operation)
                                           : operation.kind != OperationKind::kRead;
    if (!match) continue;
    const uint64_t seen = armed.seen++;
    if (seen == armed.fault.skip || (armed.fault.sticky && seen > armed.fault.skip)) {
      status.Update(armed.fault.status);
    }
  }
  return status;
}

Steps::Fate Steps::DrawFate() {
  constexpr Fate kFates[] = {Fate::kAll, Fate::kPart, Fate::kNothing};
  return kFates[random_.Below(3)];
}

Steps::Flight Steps::Begin(const Operation& operation, uint64_t boot) {
  if (Dead(boot)) return {Crashed(), Fate::kNothing, boot};
  runtime_.Trace(static_cast<uint64_t>(operation.kind) << 48 ^ operation.offset << 16 ^
                 operation.bytes);
  if (operation.kind != OperationKind::kRead && ++count_ == crash_at_) crashed_ = true;
  const absl::Status fault = FaultOf(operation);
  runtime_.Yield();
  Flight flight = {absl::OkStatus(), Fate::kAll, boot};
  Recheck(flight);
  if (flight.status.ok() && !fault.ok()) flight = {fault, DrawFate(), boot};
  return flight;
}

void Steps::Recheck(Flight& flight) {
  if (!Dead(flight.boot)) return;
  if (flight.boot != boot_) {
    flight = {Crashed(), Fate::kNothing, flight.boot};
  } else if (flight.status.ok()) {
    flight = {Crashed(), DrawFate(), flight.boot};
  }
}

absl::Status Steps::CheckAlive(uint64_t boot) const {
  return Dead(boot) ? Crashed() : absl::OkStatus();
}

bool Steps::Pause(const Flight& flight) {
  runtime_.Yield();
  return !Dead(flight.boot);
}

absl::Status Steps::End(const Operation& operation, const Flight& flight) {
  runtime_.Yield();
  if (Dead(flight.boot)) return Crashed();
  if (flight.status.ok() && observer_) observer_(operation);
  return flight.status;
}

}  // namespace baton::sim
