// Tells an owner what is open in this node's mount, and, as the owner, peers of locks that are
// free.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "engine/base/runtime.h"
#include "ha/io/peer_network.h"
#include "ha/volumes/remote_volumes.h"
#include "ha/volumes/router.h"

namespace baton::ha {

// The volumes of a pool as each peer serves them while it is the owner, by peer.
using RemotePeers = std::map<std::string, std::unique_ptr<RemoteVolumes>>;

// A thread, "tell-opens", waits for the owner or a peer. Thread-safe.
class OpensReporter {
 public:
  // `on_evicted`: the owner has evicted this mount, which has to end; told once, by the thread,
  // which tells nothing any more. The references outlive this.
  OpensReporter(Runtime& runtime, Router& router, const RemotePeers& peers, PeerNetwork& network,
                std::function<void(const absl::Status& why)> on_evicted)
      : runtime_(runtime),
        router_(router),
        peers_(peers),
        network_(network),
        on_evicted_(std::move(on_evicted)) {}
  ~OpensReporter() { Stop(); }
  OpensReporter(const OpensReporter&) = delete;
  OpensReporter& operator=(const OpensReporter&) = delete;

  void Start();
  // Returns when the thread has ended.
  void Stop();

  // Another one may serve the mount from now on. Returns at once.
  void Wake();
  // A connection to the peer was made anew, or it says something else than it should know: it is
  // told again at once. Returns at once.
  void TellAgain(const std::string& peer);
  // A lock of that volume which somebody was refused may be free. Returns at once.
  void TellLockFreed(uint64_t volume_id);

 private:
  struct Work {
    bool stopping = false;
    bool woken = false;
    std::set<std::string> again;  // peers
    std::set<uint64_t> freed;     // volumes

    bool IsUrgent() const { return stopping || woken || !again.empty() || !freed.empty(); }
  };

  void Run();
  // What there is to do, after a while at the latest.
  Work Next();
  void TellFreedLocks(const std::set<uint64_t>& volumes);

  Runtime& runtime_;
  Router& router_;
  const RemotePeers& peers_;
  PeerNetwork& network_;
  const std::function<void(const absl::Status& why)> on_evicted_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  Work work_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::ha
