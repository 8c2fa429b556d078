#include "ha/core/coordinator.h"

#include "ha/core/machine.h"

namespace baton::ha {

Coordinator::Coordinator(CoordinatorOptions options, absl::Duration now)
    : machine_(std::make_unique<Machine>(std::move(options), now)) {}

Coordinator::~Coordinator() = default;

std::vector<Action> Coordinator::Step(const Event& event, absl::Duration now) {
  return machine_->Step(event, now);
}

State Coordinator::state() const { return machine_->state(); }
uint64_t Coordinator::epoch() const { return machine_->epoch(); }
std::optional<Proof> Coordinator::proof() const { return machine_->proof(); }
bool Coordinator::healthy() const { return machine_->Healthy(); }
bool Coordinator::eligible() const { return machine_->Eligible(); }
absl::Duration Coordinator::lease_unchanged() const { return machine_->facts().Unchanged(); }

std::string Coordinator::owner() const {
  const Facts& facts = machine_->facts();
  return facts.lease() == nullptr || facts.Released() ? "" : facts.lease()->record.node;
}

}  // namespace baton::ha
