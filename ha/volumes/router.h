// Where the mount's requests go: to this controller's engine, to another controller, or nowhere
// for now.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "ha/volumes/volume_server.h"

namespace baton::ha {

// A VolumeDirectory in front of the one that serves now. What that one cannot answer (Aborted)
// waits for the next one and is asked again: requests are positional, so that one which was carried
// out already does no harm. There is one handle a volume; it stays valid over all changes, and each
// server is told which there are. Thread-safe.
class Router final : public VolumeDirectory {
 public:
  // `io_timeout`: how long a request waits for somebody who serves; then it fails with
  // DeadlineExceeded. `doubt`: for how long a change that was sent to a server and had no answer
  // may still take effect there (LongestDoubt in ha/node/owner_times.h).
  explicit Router(Runtime& runtime, absl::Duration io_timeout = absl::InfiniteDuration(),
                  absl::Duration doubt = absl::ZeroDuration())
      : runtime_(runtime), io_timeout_(io_timeout), doubt_ns_(absl::ToInt64Nanoseconds(doubt)) {}
  // It may be longer than that: an owner is judged by times of its own.
  void RaiseDoubt(absl::Duration doubt);

  // From now on requests go to `server`, which outlives the router; null: they wait. Those that are
  // under way with the one before end by themselves. What is open is closed there.
  void Route(VolumeServer* server);
  // While nobody serves, or who serves is silent: names and attributes are answered by `view`, at
  // once; content waits on. Null: that is over, as it is with Route to a server. `view` outlives
  // the router.
  void UseView(VolumeServer* view);
  // Tells whoever serves now what is open, unless that is known there, and opens it there. Waits
  // for that server. False: not all of it is known there; to be tried again.
  bool TellOpen();
  // A connection to `server` was lost and is back: what it knew may be gone.
  void TellAgain(const VolumeServer& server);
  // Not OK: whoever serves has evicted this mount while files were open in it. Their requests end
  // with this error, and so does whatever is asked from then on: the mount has to end. For good.
  absl::Status evicted() const;
  // Whether a file is open in the mount. One that is being opened and has no answer is none yet.
  bool HasFiles() const;
  // Whether `server` serves now and knows what is open in this mount.
  bool HasTold(const VolumeServer& server) const;
  // Whatever waits, now or later, ends with Aborted, and nobody is told of changes any more: what
  // is open stays so, for a successor. For good.
  void Shutdown();
  // After Shutdown(), when the mount is gone and all that was open with it: tells whoever serves.
  void Leave();

  absl::StatusOr<std::vector<VolumeName>> List(uint64_t after_id, size_t limit) const override;
  absl::StatusOr<VolumeEntry> Lookup(const std::string& name) const override;
  absl::StatusOr<VolumeEntry> Get(uint64_t id) const override;
  std::shared_ptr<const void> Hold(uint64_t id) override;
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t id) override;
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const override;
  absl::StatusOr<Capacity> GetCapacity() const override;
  absl::StatusOr<std::optional<FileLock>> SetLocks(uint64_t id, const FileLocks& locks) override;
  absl::StatusOr<std::vector<VolumeLocks>> SetAllLocks(
      const std::vector<VolumeLocks>& all) override;
  absl::StatusOr<std::optional<FileLock>> FindLock(uint64_t id,
                                                   const FileLock& wanted) const override;
  uint64_t Serving() const override;
  void WakeWaiting() override;
  absl::Duration LongestDoubt() const override { return absl::Nanoseconds(doubt_ns_.load()); }

  // Who serves, and since which change.
  struct Destination {
    VolumeServer* server = nullptr;
    uint64_t number = 0;
    bool is_view = false;
  };
  // Waits for one whose number is greater than `after`, or, from the second wait on, a moment for
  // the same one, which may be able to answer again; or for the view, where that will do.
  //   Aborted           shut down
  //   Cancelled         this thread's request was called off (HostRequest), and nothing that was
  //                     done for it can take effect any more
  //   DeadlineExceeded
  absl::StatusOr<Destination> Await(uint64_t after, absl::Duration deadline,
                                    bool view_will_do = false) const;
  absl::Duration Deadline() const { return runtime_.BootTime() + io_timeout_; }

 private:
  class Handle;

  // When the waiting request of this thread ends because it was called off; InfiniteDuration: it
  // was not.
  absl::Duration EndOfCalledOff() const;

  // What is open as of `order`, and who should know it.
  struct OpenSet {
    std::vector<std::shared_ptr<Handle>> handles;
    std::vector<uint64_t> ids;
    uint64_t order = 0;
    uint64_t lost_changes = 0;
    Destination destination;
    bool has_files = false;
  };

  std::shared_ptr<Handle> HandleOf(uint64_t id);
  std::vector<std::shared_ptr<Handle>> LiveHandles() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Whether somebody serves who does not know what is open.
  bool MustTell() const;
  OpenSet ListOpen();
  // Who serves now, and a number for what it is to be told. Aborted: nobody serves.
  struct Telling {
    VolumeServer* server = nullptr;
    uint64_t order = 0;
  };
  absl::StatusOr<Telling> BeginTelling();
  void AnswerEviction(VolumeServer& server, const absl::Status& evicted, uint64_t eviction);
  // A number for a change of what is open (VolumeServer).
  uint64_t NextOrder() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t OrderOfOpen();
  void NoteClosed(uint64_t id);

  // The answer of whoever serves: of the first one that has one.
  template <typename Call>
  auto Ask(Call call, bool view_will_do = false) const;

  Runtime& runtime_;
  const absl::Duration io_timeout_;
  std::atomic<int64_t> doubt_ns_;
  mutable absl::Mutex mutex_;
  mutable absl::CondVar changed_;
  Destination destination_ ABSL_GUARDED_BY(mutex_);
  VolumeServer* view_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status evicted_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, std::weak_ptr<Handle>> handles_ ABSL_GUARDED_BY(mutex_);  // by id
  uint64_t told_ ABSL_GUARDED_BY(mutex_) = 0;          // the destination that knows what is open
  uint64_t order_ ABSL_GUARDED_BY(mutex_) = 0;         // of the last change of what is open
  uint64_t lost_changes_ ABSL_GUARDED_BY(mutex_) = 0;  // of which the destination may not know
};

}  // namespace baton::ha
