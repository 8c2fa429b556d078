// An upgrade: a second process gets warm while the first one serves; then the first one drains and
// ends, and the second one goes on.
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include "cli/keeper/keeper.h"
#include "engine/base/status.h"

namespace baton::keeper {

void Keeper::StartUpgrade(bool asked_by_command) {
  upgrade_asked_by_command_ = asked_by_command;
  if (candidate_ != nullptr) return RefuseUpgrade("another one is under way");
  if (stop_ordered_ || controller_ == nullptr || !controller_->serving_since) {
    return RefuseUpgrade("no controller serves now");
  }
  spdlog::info("upgrade: starting {}", options_.program);
  DropSpare("an upgrade begins");
  absl::StatusOr<std::unique_ptr<Child>> child = Child::Spawn(options_.program, options_.arguments);
  if (!child.ok()) return RefuseUpgrade(Message(child.status()));
  candidate_ = *std::move(child);
  Begin(*candidate_, /*warm=*/true);
}

void Keeper::RefuseUpgrade(const std::string& why) {
  spdlog::error("no upgrade: {}; the controller goes on", why);
  ::sd_notifyf(0, "STATUS=no upgrade: %s; the controller goes on", why.c_str());
  if (controller_ == nullptr || !upgrade_asked_by_command_) return;
  Packet message;
  message.mutable_upgrade_answer()->set_refused(why);
  controller_->channel().Send(message).IgnoreError();
}

void Keeper::NoteCandidateEnded() {
  const std::unique_ptr<Child> child = std::move(candidate_);
  RefuseUpgrade(fmt::format("the new process {}", child->Reap().text));
}

// The spare, or one that was the spare until now, has nothing to do then.
void Keeper::NoteWarm(Child& child) {
  child.warm = true;
  if (&child == spare_.get()) {
    spares_.NoteWarm();
    spdlog::info("process {} (version {}) is the spare", child.pid(), child.version);
  }
  if (&child == candidate_.get()) Drain();
}

void Keeper::Drain() {
  spdlog::info("upgrade: process {} (version {}) is warm, process {} drains", candidate_->pid(),
               candidate_->version, controller_->pid());
  Packet answer;
  answer.mutable_upgrade_answer()->set_pid(static_cast<uint32_t>(candidate_->pid()));
  answer.mutable_upgrade_answer()->set_version(candidate_->version);
  if (upgrade_asked_by_command_) controller_->channel().Send(answer).IgnoreError();
  Packet drain;
  drain.mutable_drain();
  controller_->channel().Send(drain).IgnoreError();
  controller_->drain_began = Monotonic();
}

}  // namespace baton::keeper
