// The spare: a second process of the program, as warm as the candidate of an upgrade, that waits
// for the controller to end. It saves its successor the start of a process.
#include <spdlog/spdlog.h>

#include "cli/keeper/keeper.h"
#include "engine/base/status.h"

namespace baton::keeper {

bool Keeper::WantsSpare() const {
  return spare_ == nullptr && candidate_ == nullptr && !stop_ordered_ && controller_ != nullptr &&
         controller_->serving_since && !controller_->drain_began;
}

void Keeper::StartSpare() {
  absl::StatusOr<std::unique_ptr<Child>> child = Child::Spawn(options_.program, options_.arguments);
  if (!child.ok()) {
    spdlog::warn("there is no spare: {}", Message(child.status()));
    return spares_.NoteLost(Monotonic());
  }
  spare_ = *std::move(child);
  Begin(*spare_, /*warm=*/true);
}

void Keeper::NoteSpareEnded() {
  const std::unique_ptr<Child> child = std::move(spare_);
  spdlog::warn("the spare, process {}, {}", child->pid(), child->Reap().text);
  spares_.NoteLost(Monotonic());
}

void Keeper::DropSpare(const std::string& why) {
  if (spare_ == nullptr) return;
  spdlog::info("the spare, process {}, is not used: {}", spare_->pid(), why);
  Discard(std::move(spare_));
  spares_.NoteLost(Monotonic());
}

// Whether it says that it is warm does not matter: it is further than a process that is started
// now. What does is that it would do as that one: it is of the program that lies there.
std::unique_ptr<Child> Keeper::TakeSpare() {
  if (spare_ == nullptr) return nullptr;
  const std::string there = IdentifyProgram(options_.program);
  if (!there.empty() && there != spare_->program()) {
    DropSpare("the program was replaced");
  } else if (Monotonic() - spare_->last_beat > kSpareSilence) {
    DropSpare("it is silent");
  }
  return std::move(spare_);
}

// The one before has ended and was reaped.
void Keeper::HandOver(std::unique_ptr<Child> successor) {
  controller_ = std::move(successor);
  controller_->last_beat = Monotonic();
  Packet message;
  *message.mutable_go()->mutable_predecessor() = predecessor_;
  message.mutable_go()->set_restarts(held_.restarts);
  const absl::Status sent = controller_->channel().Send(message);
  // Then it has ended already, which is seen.
  if (!sent.ok()) spdlog::debug("{}", Message(sent));
}

}  // namespace baton::keeper
