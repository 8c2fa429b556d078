// A controller's connection with its keeper.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cli/keeper/adoption_socket.h"
#include "cli/keeper/channel.h"
#include "engine/base/unique_fd.h"
#include "engine/base/wake_fd.h"
#include "fs/mount.h"
#include "ha/io/unix_listener.h"

namespace baton::keeper {

// The name, in lists of processes, of one that is warm and waits for its turn.
inline constexpr char kWarmName[] = "batond-warm";

// A thread of its own beats, and tells of what the keeper wants. When the keeper dies the
// controller goes on: it then waits at CONTROL.keeper for another one, and gives it all that the
// first one held.
class KeeperClient {
 public:
  // Called by the link's thread; they take note and return.
  struct Handlers {
    std::function<void()> stop;
    std::function<void()> drain;
    std::function<void()> orphaned;  // the keeper is dead: signals are orders from here on
    std::function<void()> kept;      // another one is there
  };

  // Was this process started by a keeper?
  static bool IsControllerProcess();
  // Takes what the keeper says first. FailedPrecondition: nobody says anything.
  static absl::StatusOr<std::unique_ptr<KeeperClient>> Connect();
  ~KeeperClient();
  KeeperClient(const KeeperClient&) = delete;
  KeeperClient& operator=(const KeeperClient&) = delete;

  const Begin& begin() const { return begin_; }
  // The keeper's, with descriptors of this process's own: call each once at most.
  std::unique_ptr<fs::Mount> AdoptMount() const;
  std::unique_ptr<ha::UnixListener> AdoptListener() const;
  int open_table() const { return open_table_.get(); }

  void Start(Handlers handlers);
  // What a beat proves: called before each one, it returns only if the controller can still take
  // its locks. Empty: the process alone is alive. Waits for a call that is under way.
  void SetLivenessCheck(std::function<void()> proof);

  // Says that all is prepared, and waits for the order to go on, as kWarmName. The main thread's.
  // Unavailable: it will not come.
  absl::StatusOr<Go> AwaitGo(const std::string& version);
  void SayServing(const std::string& init_answer, const std::string& version);
  void SayDraining();
  // `goodbye`: what the keeper is to know of the end that follows now.
  void SayGoodbye(Goodbye goodbye);
  // Waits for the keeper's answer.
  absl::StatusOr<UpgradeAnswer> AskForUpgrade();

  // 0 while there is none.
  uint32_t keeper_pid() const { return keeper_pid_; }

 private:
  KeeperClient(UniqueFd socket, Begin begin, std::vector<UniqueFd> descriptors);

  void Run();
  void Beat();
  void TakeMessages(const Channel& channel);
  void TakeMessage(const Packet& message);
  void NoteKeeperGone();
  void AwaitKeeper();
  void GiveFacts(AdoptionSocket::Connection connection);
  void Send(const Packet& message);
  std::shared_ptr<const Channel> CurrentChannel();

  const Begin begin_;
  const UniqueFd fuse_;
  const UniqueFd listener_;
  const UniqueFd listener_lock_;
  const UniqueFd open_table_;
  WakeFd wake_;
  Handlers handlers_;
  std::atomic<uint32_t> keeper_pid_;

  absl::Mutex liveness_mutex_;
  std::function<void()> liveness_check_ ABSL_GUARDED_BY(liveness_mutex_);

  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::shared_ptr<const Channel> channel_ ABSL_GUARDED_BY(mutex_);  // null: no keeper
  std::optional<Go> go_ ABSL_GUARDED_BY(mutex_);
  std::optional<UpgradeAnswer> upgrade_answer_ ABSL_GUARDED_BY(mutex_);
  bool upgrading_ ABSL_GUARDED_BY(mutex_) = false;
  std::string init_answer_ ABSL_GUARDED_BY(mutex_);
  uint64_t restarts_ ABSL_GUARDED_BY(mutex_) = 0;

  std::atomic<bool> ending_ = false;
  std::unique_ptr<AdoptionSocket> adoption_;  // of the thread
  std::thread thread_;
};

}  // namespace baton::keeper
