// Two controllers' networks on loopback, and what they need around them.
#pragma once

#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/base/system_runtime.h"
#include "ha/io/keys.h"
#include "ha/io/peer_network.h"

namespace baton::ha {

constexpr char kPool[] = "0123456789abcdef0123456789abcdef";
constexpr absl::Duration kPatience = absl::Seconds(20);  // of calls that are answered

// Keys of nodes, drawn when they are first asked for; all know each other.
class KeyRing {
 public:
  explicit KeyRing(const std::vector<std::string>& names);
  PeerSecurity SecurityOf(const std::string& name) const;
  const KeyPair& keys(const std::string& name) const { return keys_.at(name); }
  const AllowedKeys& allowed() const { return allowed_; }

 private:
  std::map<std::string, KeyPair> keys_;
  AllowedKeys allowed_;
};

// True within `timeout`.
bool Eventually(const std::function<bool()>& condition, absl::Duration timeout = absl::Seconds(10));

// The content of volumes in memory: one volume of every id, one epoch.
class MemoryTarget final : public ForwardTarget {
 public:
  explicit MemoryTarget(uint64_t size_bytes) : content_(size_bytes) {}

  absl::Status Read(const std::string& peer, const ForwardScope& scope, uint64_t offset,
                    MutableBytes out) override;
  absl::Status Write(const std::string& peer, const ForwardScope& scope, uint64_t offset,
                     Bytes data) override;
  absl::Status Flush(const std::string& peer, const ForwardScope& scope) override;
  absl::Status Discard(const std::string& peer, const ForwardScope& scope, uint64_t offset,
                       uint64_t length_bytes) override;

  void set_epoch(uint64_t epoch) { epoch_ = epoch; }
  // Called at the beginning of each request, on its worker.
  void set_hook(std::function<void()> hook);
  int flushes() const { return flushes_; }
  uint64_t requests() const { return requests_; }
  bool saw_unaligned() const { return saw_unaligned_; }
  std::vector<std::byte> content();

 private:
  absl::Status Begin(const ForwardScope& scope, uint64_t offset, uint64_t length_bytes);

  std::atomic<uint64_t> epoch_ = 1;
  std::atomic<int> flushes_ = 0;
  std::atomic<uint64_t> requests_ = 0;
  std::atomic<bool> saw_unaligned_ = false;
  absl::Mutex mutex_;
  std::vector<std::byte> content_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> hook_ ABSL_GUARDED_BY(mutex_);
};

// One controller that a test plays. Answers calls with "PEER: REQUEST" unless told otherwise.
struct Player {
  absl::Mutex mutex;
  std::vector<Heartbeat> heartbeats ABSL_GUARDED_BY(mutex);

  size_t heard() {
    absl::MutexLock lock(&mutex);
    return heartbeats.size();
  }
  Heartbeat last() {
    absl::MutexLock lock(&mutex);
    return heartbeats.empty() ? Heartbeat() : heartbeats.back();
  }

  std::unique_ptr<PeerNetwork> network;  // ends first: its threads use the rest
};

// Options of `node` at any port of loopback; `peers` may be given later through Start.
PeerNetwork::Options OptionsOf(const std::string& node, PeerSecurity security);

absl::Status Start(Runtime& runtime, Player& player, PeerNetwork::Options options,
                   ForwardTarget* target = nullptr,
                   std::function<std::string(const std::string&, const std::string&)> on_call = {});

// A free port of loopback that the kernel gives to no client: a network that is started again comes
// back to it.
std::string FreeEndpoint();

// "a" and "b", each the other's peer, with keys unless `insecure`; b serves `target`.
class Pair {
 public:
  enum class Mode { kKeys, kPlaintext };
  explicit Pair(Mode mode, ForwardTarget* target = nullptr,
                std::function<std::string(const std::string&, const std::string&)> on_call = {});

  bool AwaitConnection();
  bool AwaitForwarding();
  void StartB();
  void StopB() { b.network = nullptr; }

  SystemRuntime runtime;
  KeyRing keys{{"a", "b"}};
  Player a;
  Player b;
  PeerNetwork& network() { return *a.network; }

  PeerNetwork::Options a_options;
  PeerNetwork::Options b_options;

 private:
  ForwardTarget* const target_;
  const std::function<std::string(const std::string&, const std::string&)> on_call_;
};

}  // namespace baton::ha
