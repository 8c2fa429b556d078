// Serves a mount: takes the kernel's requests and answers them from a VolumeDirectory.
#pragma once

#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/base/unique_fd.h"
#include "engine/base/volume_directory.h"
#include "fs/attributes.h"
#include "fs/io_counters.h"
#include "fs/mount_settings.h"
#include "fs/resident_buffer.h"
#include "fs/slow_requests.h"

namespace baton::fs {

class LockTable;
class OpenTable;
class RequestWorker;
struct Mounted;

struct SessionOptions {
  int fd = -1;               // Mount::fd(), in this process or handed over; duplicated
  std::string init_request;  // Mount::init_request()
  // A session before this one, in any process, may have served the mount. All that it read and did
  // not answer is delivered again. That session must be over before this one starts: a process
  // that was stopped and wakes later would overwrite what this one acknowledged.
  bool adopt = false;
  // How the first session answered FUSE_INIT: the kernel goes on by what it was told. Empty: this
  // is the first one.
  // Whoever knows all that was agreed to goes on with it, though it would agree to more.
  std::string init_answer;
  // OpenTable::MakeFile() of the mount, handed over likewise; duplicated. It keeps the locks that
  // programs hold, too. -1: one of this session's
  // own, which no successor sees.
  int open_table = -1;
  // What hosts have open is opened while requests are served already: the directory may have to
  // wait for somebody who serves. Otherwise before.
  bool open_later = false;
  Ownership ownership;
  int workers = kDefaultWorkers;
  absl::Duration slow = kSlowRequest;  // what takes so long is kept (Slow)
  // Given a handler that does nothing; must not be used for anything else in this process.
  int wake_signal = SIGUSR2;
  // Called at most once, from a worker, when the kernel has ended the connection (unmounted by
  // someone else, aborted), not because of Stop. It must not destroy the session.
  std::function<void()> on_disconnect;
  // Called when locks that programs of this mount hold were given to another node; the text says
  // which. From a thread of the session; takes note and returns. May be empty.
  std::function<void(const std::string& text)> on_locks_lost = {};
  // Called once, from a worker, right after the first answer to a request. `came`: the BootTime at
  // which the first request came; nullopt: one waited already when this session began to serve. It
  // must be quick.
  std::function<void(std::optional<absl::Duration> came)> on_first_answer;
};

struct SlowReport {
  std::vector<SlowRequest> requests;  // those under way, the oldest first; then the newest answered
  absl::Duration limit;               // from which on a request is slow
  uint64_t under_way = 0;             // of them there are so many, of the backlog at most `most`
  uint64_t answered = 0;              // that were slow, since this process began
  uint64_t dropped = 0;               // of them, those that are not kept any more
};

// The threads that serve one mount. `workers` of them serve, and each request is answered on the
// thread that received it, as long as one is free; while they wait for somebody who serves, one
// more thread reads on and keeps what comes (fs/backlog.h). Linux waits as long as it takes, so a
// VolumeIo may block for as long as there is a reason. A request whose asker is being killed may
// end earlier (fs/interrupts.h).
//
// A process that dies by SIGKILL with requests in flight harms nobody as long as someone else holds
// the descriptor and starts a session with `adopt`: the buffers are resident, node ids and file
// handles are volume ids, and the same request may be executed twice (it is positional).
class Session {
 public:
  // `directory` and `runtime` outlive the session.
  //  InvalidArgument     no usable descriptor, number of workers
  //  FailedPrecondition  this kernel cannot do it: too old, or cannot resend to an adopter; or
  //                      another `init_answer`
  //  ResourceExhausted   no memory for the buffers
  static absl::StatusOr<std::unique_ptr<Session>> Start(VolumeDirectory& directory,
                                                        Runtime& runtime, SessionOptions options);
  // Start in two steps, so that a successor can get ready while the session before it serves: Make
  // does all but touch the mount, and asks nothing of `directory`.
  static absl::StatusOr<std::unique_ptr<Session>> Make(VolumeDirectory& directory, Runtime& runtime,
                                                       SessionOptions options);
  absl::Status Serve();
  ~Session();  // as Stop
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The bytes that have answered FUSE_INIT, or will.
  const std::string& init_answer() const;

  // How many opens of hosts have not ended.
  size_t OpenFiles() const;

  // Finishes the requests that were begun and takes no more; those, and what the backlog has, wait
  // for another session as long as the descriptor is held. Waits for VolumeIo calls that are under
  // way; a discard of many pieces ends with the one that is, and is left to the next session.
  // Idempotent. Not from a worker.
  void Stop();

  // Content of the volume changed other than by writes through this mount: pages that the kernel
  // holds for memory maps are dropped. (Ordinary reads never come from pages.) Not while a lock is
  // held that a VolumeIo or the directory may want: dirty pages are written back first.
  absl::Status DropPages(uint64_t volume_id);
  // What hosts have asked for in this process. Never waits.
  MountIo Io() const;
  // Requests that were slow, or are: at most `most`. Never waits.
  SlowReport Slow(size_t most) const;
  // Another node has given back a lock of the volume: who waits for it here tries again. Never
  // waits.
  void RetryLocks(uint64_t volume_id);

 private:
  Session(VolumeDirectory& directory, Runtime& runtime, SessionOptions options,
          std::unique_ptr<OpenTable> opens, std::unique_ptr<LockTable> locks);

  absl::Status Prepare();
  absl::Status CheckDescriptor() const;
  const std::string& OwnInitAnswer() const;
  absl::Status CheckInitAnswer() const;
  absl::Status AnswerInit(const std::string& answer);
  absl::Status AskForResend();
  bool RequestWaits() const;
  absl::Status InstallWakeHandler();
  void StartThreads();
  void RunWorker(RequestWorker& worker);

  Runtime& runtime_;
  const SessionOptions options_;
  UniqueFd fd_;
  std::unique_ptr<Mounted> mounted_;
  std::unique_ptr<ResidentBuffer> memory_;  // of all workers
  std::vector<std::unique_ptr<RequestWorker>> workers_;
  std::atomic<bool> stopping_ = false;
  absl::Mutex mutex_;
  absl::CondVar worker_ended_;
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<Thread> watch_;
  std::vector<std::unique_ptr<Thread>> threads_;  // last: joined before anything goes
};

}  // namespace baton::fs
