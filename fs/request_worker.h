// A thread that takes requests from the kernel and answers them, one at a time.
#pragma once

#include <absl/status/statusor.h>
#include <pthread.h>

#include <atomic>
#include <memory>
#include <string>

#include "fs/backlog.h"
#include "fs/connection.h"
#include "fs/mount_settings.h"

namespace baton::fs {

class RequestWorker {
 public:
  static constexpr size_t kMemoryBytes = kPageBytes + 2 * limits::kMaxRequestBytes;
  // `fd` is borrowed and blocking; `memory`, kMemoryBytes of a ResidentBuffer, and `served`, which
  // is this worker's alone, too.
  static absl::StatusOr<std::unique_ptr<RequestWorker>> Make(int fd,
                                                             const std::string& init_request,
                                                             Mounted& mounted,
                                                             ServedRequest& served,
                                                             MutableBytes memory);
  RequestWorker(const RequestWorker&) = delete;
  RequestWorker& operator=(const RequestWorker&) = delete;

  const std::string& init_answer() const { return connection_->init_answer(); }

  // Serves until `stopping`, or until the kernel ends the connection: then true. `wake_signal`
  // must have a handler that was installed without SA_RESTART.
  enum class Reads { kAlways, kWhenOthersWait };
  bool Run(const std::atomic<bool>& stopping, int wake_signal, Reads reads);

  // From another thread: interrupts the wait for a request, if it is waiting. A signal that comes
  // just before the wait begins is lost, so the caller repeats this until Run has returned.
  void Wake(int wake_signal);

 private:
  enum class Received { kRequest, kNothing, kEnd };

  RequestWorker(int fd, Mounted& mounted, ServedRequest& served, MutableBytes receive,
                std::unique_ptr<Connection> connection);

  Received Receive(MutableBytes& request);
  void Handle(MutableBytes request);
  void NoteCame();
  void EndLocksOf(Bytes request);
  void Serve(MutableBytes request, const Backlog::Taken& taken);
  void TakeInterrupt(Bytes request);

  const int fd_;
  Mounted& mounted_;
  ServedRequest& served_;
  const std::unique_ptr<Connection> connection_;
  // Where a request is received: so that the data of a WRITE begins at a page and can go on to
  // storage by direct I/O without a copy.
  const MutableBytes request_room_;
  pthread_t thread_ = {};              // written before waiting_ is set for the first time
  std::atomic<bool> waiting_ = false;  // between requests: a signal would disturb nothing
};

}  // namespace baton::fs
