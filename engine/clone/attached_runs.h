// What stands in the I/O paths of volumes and at the copier for the clones of a pool.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <map>
#include <memory>

#include "engine/clone/clone_locks.h"
#include "engine/clone/clone_run.h"
#include "engine/clone/copier.h"
#include "engine/clone/redirects.h"
#include "engine/volume/io_path.h"

namespace baton {

// Changes only inside a command. By the number of a clone.
class AttachedRuns {
 public:
  // See OnPreserveFailed in plugins.h.
  using OnPreserveFailed = std::function<absl::Status(uint64_t id, const absl::Status& why)>;
  AttachedRuns(Copier& copier, Redirects& redirects, OnPreserveFailed on_preserve_failed)
      : copier_(copier),
        redirects_(redirects),
        on_preserve_failed_(std::move(on_preserve_failed)) {}

  // The target shows the run's view, which is offline at first. It comes before the view of an
  // earlier run of the same clone, which stays until DropEarlierView.
  void ShowView(const CloneLocks::Command&, uint64_t id, std::shared_ptr<CloneRun> run);
  void DropEarlierView(const CloneLocks::Command&, uint64_t id);
  // Undoes ShowView: the target shows what it showed before.
  void WithdrawView(const CloneLocks::Command&, uint64_t id);
  // What hosts overwrite on the source is preserved first, once the run is active. REQUIRES:
  // ShowView.
  void Preserve(const CloneLocks::Command&, uint64_t id);
  // Nothing is pending: the source's path is as if there were no such clone, and its file has
  // everything that hosts have written.
  void LeaveSource(const CloneLocks::Command&, uint64_t id);
  // The volumes' paths are as if there were no such clone, and nothing is remembered of it.
  void Remove(const CloneLocks::Command&, uint64_t id);

  // How a run is copied in the background.
  struct Pace {
    uint64_t bytes_per_second = 0;                         // at most; 0: unlimited
    absl::Duration latency_target = absl::ZeroDuration();  // none
  };
  static Pace PaceOf(const RelationRecord& record) {
    return {record.rate_bytes_per_second(), absl::Microseconds(record.latency_target_us())};
  }
  // The copier works on the run. REQUIRES: ShowView.
  void StartJob(const CloneLocks::Command&, uint64_t id, const Pace& pace);
  // No thread of the copier works on the run any more.
  void StopJob(const CloneLocks::Command&, uint64_t id);
  // Takes effect at once; nothing happens when the copier does not work on the run.
  void SetRate(const CloneLocks::Command&, uint64_t id, uint64_t bytes_per_second);
  void SetLatencyTarget(const CloneLocks::Command&, uint64_t id, absl::Duration target);
  // It is the job that the clone has now.
  bool HasJob(const CloneLocks::Command&, uint64_t id, const CopyJob* job) const;

  // Ends the run's work: the copier's, copies in flight, the plugin of the source. The view stays.
  // REQUIRES: the run is not active any more. Aborted: the engine cannot go on.
  absl::Status Detach(const CloneLocks::Command&, uint64_t id);

 private:
  // A run and its view of the target.
  struct View {
    std::shared_ptr<CloneRun> run;
    std::shared_ptr<IoPlugin> plugin;
  };
  struct Attached {
    View view;
    View earlier;
    std::shared_ptr<IoPlugin> source_plugin;
    std::shared_ptr<CopyJob> job;
  };

  static void RemoveView(View& view);
  void RemoveSourcePlugin(const CloneLocks::Command&, Attached& attached);
  // Null: nothing stands for it. Valid until Remove.
  Attached* Find(uint64_t id);

  Copier& copier_;
  Redirects& redirects_;
  const OnPreserveFailed on_preserve_failed_;
  std::map<uint64_t, Attached> attached_;  // inside a command
};

}  // namespace baton
