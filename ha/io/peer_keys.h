// Which of its allowed keys each peer has at the moment.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <map>
#include <optional>
#include <string>

#include "ha/io/keys.h"

namespace baton::ha {

// Whoever connects must know the key of the one that listens; while a key is being replaced a peer
// has one of several. The one that was tried last counts until it turns out not to be the one.
// Thread-safe.
class PeerKeys {
 public:
  // `allowed` outlives it.
  explicit PeerKeys(const AllowedKeys& allowed) : allowed_(allowed) {}

  // nullopt: it has none.
  std::optional<std::string> Current(const std::string& peer) const {
    const std::vector<std::string>& keys = allowed_.KeysOf(peer);
    if (keys.empty()) return std::nullopt;
    absl::MutexLock lock(&mutex_);
    const auto turn = turns_.find(peer);
    return keys[(turn == turns_.end() ? 0 : turn->second) % keys.size()];
  }
  // No connection could be made with it.
  void TryNext(const std::string& peer) {
    absl::MutexLock lock(&mutex_);
    ++turns_[peer];
  }

 private:
  const AllowedKeys& allowed_;
  mutable absl::Mutex mutex_;
  std::map<std::string, size_t> turns_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::ha
