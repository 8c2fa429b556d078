// What ends a copy without a command of a user: it is complete, or it has failed.
#pragma once

#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <deque>
#include <memory>
#include <string>

#include "engine/base/runtime.h"
#include "engine/clone/attached_runs.h"
#include "engine/clone/clone_failures.h"
#include "engine/clone/clone_locks.h"
#include "engine/clone/command_gate.h"
#include "engine/clone/copier.h"
#include "engine/clone/relation_changes.h"
#include "engine/clone/relation_table.h"
#include "engine/meta/catalog.h"

namespace baton {

// The copier and host writes only report. A thread of its own does what follows, because taking a
// plugin off a path waits for the host I/O inside it. Reports are thread-safe and never wait.
class CloneEndings {
 public:
  struct Parts {
    CloneLocks& locks;
    const CommandGate& gate;
    RelationTable& table;
    RelationChanges& changes;
    CloneFailures& failures;
    AttachedRuns& runs;
  };
  CloneEndings(Runtime& runtime, Catalog& catalog, const Parts& parts);
  ~CloneEndings() { Stop(); }
  CloneEndings(const CloneEndings&) = delete;
  CloneEndings& operator=(const CloneEndings&) = delete;

  // The copier has finished the job, or has given it up.
  void ReportJob(std::shared_ptr<CopyJob> job, const absl::Status& result);
  // The clone has failed, durably: what is left of its run goes away.
  void ReportFailure(uint64_t id, const absl::Status& why);

  // The end that is being worked on is finished, later ones are dropped. Not inside a command.
  void Stop();

 private:
  struct Ending {
    uint64_t id = 0;
    std::shared_ptr<CopyJob> job;  // null: the clone has failed already
    absl::Status result;
  };

  void Report(Ending ending);
  void Work();
  void Handle(const Ending& ending);
  absl::Status End(const CloneLocks::Command& command, const Ending& ending,
                   const absl::Status& result, const std::string& certificate);
  absl::Status Certify(CloneRun& run, std::string& certificate) const;
  absl::Status Complete(const CloneLocks::Command& command, const Relation& relation,
                        const std::string& certificate);
  void PauseOnError(const CloneLocks::Command& command, uint64_t id, const absl::Status& why);

  Runtime& runtime_;
  Catalog& catalog_;
  const Parts parts_;
  absl::Mutex mutex_;
  absl::CondVar reported_;
  std::deque<Ending> endings_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton
