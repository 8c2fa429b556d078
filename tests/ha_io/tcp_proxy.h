// A cable between two controllers that can be cut, held and listened to.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/unique_fd.h"

namespace baton::ha {

// A TCP connection to HOST:PORT of loopback; not valid when nobody listens.
UniqueFd ConnectTcp(const std::string& host, uint16_t port);

// Listens at 127.0.0.2:PORT and passes every connection on to 127.0.0.1:PORT.
class TcpProxy {
 public:
  explicit TcpProxy(uint16_t port);
  ~TcpProxy();

  // Ends the connections that there are.
  void Reset() { reset_ = true; }
  // Ends one of them.
  void ResetOne() { reset_one_ = true; }
  // While held, no byte passes and nobody is told.
  void Hold(bool held) { held_ = held; }
  // What was sent to 127.0.0.1, a string a connection.
  std::vector<std::string> Recorded() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Link {
    UniqueFd client;
    UniqueFd server;
    size_t record = 0;
  };
  void Loop();
  void Accept();
  bool Pass(const Link& link, int from, int to);

  const uint16_t port_;
  UniqueFd listener_;
  std::list<Link> links_;
  std::atomic<bool> reset_ = false;
  std::atomic<bool> reset_one_ = false;
  std::minstd_rand random_;
  std::atomic<bool> held_ = false;
  std::atomic<bool> stopping_ = false;
  absl::Mutex mutex_;
  std::vector<std::string> recorded_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace baton::ha
