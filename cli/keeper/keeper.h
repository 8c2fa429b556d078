// The process that mounts, holds /dev/fuse, and outlives its controllers.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/keeper/child.h"
#include "cli/keeper/keeper_settings.h"
#include "cli/keeper/mount_state.h"
#include "cli/keeper/restart_policy.h"
#include "cli/keeper/spare_policy.h"
#include "engine/base/system_runtime.h"
#include "engine/base/unique_fd.h"
#include "fs/mount.h"
#include "ha/io/request_server.h"
#include "ha/io/unix_listener.h"

namespace baton::keeper {

struct KeeperOptions {
  std::string program;                 // absolute; what lies there is what an upgrade starts
  std::vector<std::string> arguments;  // of this process
  absl::Duration liveness_timeout = kDefaultLivenessTimeout;  // zero: a controller may be silent
  // How long I/O may wait for a controller that ends again and again; infinite: for ever.
  absl::Duration give_up_after = absl::InfiniteDuration();
  // Answers `baton` while nobody else does. `problem`: why, in one line. Called by any thread.
  std::function<std::optional<std::string>(const std::string& request, const std::string& problem)>
      answer;
};

// Starts a controller, reaps it when it has ended, lets the spare go on or starts the next one; no
// more. It never uses the mount (that would wait for the controller that it has to start) and never
// does I/O on the pool.
// One thread; others only while `baton` is answered for a controller that ends again and again.
//
// Signals: SIGTERM, SIGINT: the controller is told to stop in order; a second one, more than
// kSameSignal later: it is killed. SIGUSR1: likewise, but the mount is left to the service manager,
// where that has stored it, for the keeper that it starts next: requests wait meanwhile. SIGHUP: an
// upgrade, or the next attempt at once.
class Keeper {
 public:
  // Takes the signals above, in this thread and those it starts.
  static absl::StatusOr<std::unique_ptr<Keeper>> Make(KeeperOptions options, MountState held);
  // Until the end; the exit code of the process. The mount is gone then.
  int Run();

 private:
  Keeper(KeeperOptions options, MountState held, UniqueFd signals);

  // Starting.
  void StartNext();
  void Begin(Child& child, bool warm);

  // One turn of the loop.
  void AwaitSomething();
  absl::Duration SilenceLimit(const Child& child) const;
  absl::Duration NextDeadline() const;
  void TakeSignals();
  void TakeSignal(int signal);
  void TakeMessages(std::unique_ptr<Child>& child);
  void TakeMessage(Child& child, const Packet& message);
  void LookForEnd(std::unique_ptr<Child>& child);
  void LookAtClock();
  void Discard(std::unique_ptr<Child> child);
  void ReapDiscarded();

  // What a message or an end means.
  void NoteServing(Child& child, const Serving& serving);
  void SayReady();
  void NoteWarm(Child& child);
  void Drain();
  void OrderStop(bool leave_mount);
  void EndMount();
  void StartUpgrade(bool asked_by_command);
  void RefuseUpgrade(const std::string& why);
  void NoteCandidateEnded();
  void NoteControllerEnded();
  void HandOver(std::unique_ptr<Child> successor);
  void PlanRestart(const Child& child, const Ending& ending);
  void End(int exit_code) { exit_code_ = exit_code; }

  // The spare.
  bool WantsSpare() const;
  void StartSpare();
  void NoteSpareEnded();
  void DropSpare(const std::string& why);
  std::unique_ptr<Child> TakeSpare();  // null: there is none that could go on

  void AnswerForController();
  std::string Problem() const;

  const KeeperOptions options_;
  MountState held_;
  const UniqueFd signals_;

  std::unique_ptr<Child> controller_;              // null: between two of them
  std::unique_ptr<Child> candidate_;               // of an upgrade
  std::unique_ptr<Child> spare_;                   // waits for the controller's end
  std::vector<std::unique_ptr<Child>> discarded_;  // killed, and of no use any more
  SparePolicy spares_;
  bool upgrade_asked_by_command_ = false;
  std::optional<absl::Duration> stop_ordered_;
  bool leave_mount_ = false;
  bool mount_is_stored_ = false;  // by the service manager
  absl::Duration next_start_ = absl::InfiniteDuration();
  Predecessor predecessor_;  // of the next one
  bool said_ready_ = false;
  RestartPolicy policy_;
  std::optional<absl::Duration> outage_began_;  // the first death of those in a row
  std::string last_ending_;
  std::optional<int> exit_code_;

  std::atomic<uint64_t> garbled_{0};
  // Answers `baton` while controllers end again and again. No fork while it is there.
  struct Answering {
    SystemRuntime runtime;
    std::unique_ptr<ha::RequestServer> server;
  };
  std::unique_ptr<Answering> answering_;
};

}  // namespace baton::keeper
