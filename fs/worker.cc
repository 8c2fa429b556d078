#include "fs/worker.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/base/status.h"
#include "fs/protocol.h"
#include "fs/settings.h"

namespace baton::fs {
namespace {

void PrepareThread(int wake_signal) {
  sigset_t wake;
  sigemptyset(&wake);
  sigaddset(&wake, wake_signal);
  pthread_sigmask(SIG_UNBLOCK, &wake, nullptr);
  // A file system on a loop device on a volume writes its dirty pages through this thread. Memory
  // that the thread needs for that must not be got by writing such pages. (Needs
  // CAP_SYS_RESOURCE; without it only memory pressure with such a stack is at risk.)
  if (::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0) {
    spdlog::debug("no IO_FLUSHER for a worker: {}", std::strerror(errno));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> Worker::Make(int fd, const std::string& init_request,
                                                     Mounted& mounted, MutableBytes memory) {
  const MutableBytes receive = memory.first(kPageBytes + limits::kMaxRequestBytes);
  const MutableBytes answer = memory.subspan(receive.size(), limits::kMaxRequestBytes);
  BATON_ASSIGN_OR_RETURN(auto connection, Connection::Make(fd, init_request, mounted, answer));
  return std::unique_ptr<Worker>(new Worker(fd, receive, std::move(connection)));
}

Worker::Worker(int fd, MutableBytes receive, std::unique_ptr<Connection> connection)
    : fd_(fd),
      connection_(std::move(connection)),
      request_room_(receive.subspan(kPageBytes - kWriteHeaderBytes)) {}

bool Worker::Run(const std::atomic<bool>& stopping, int wake_signal) {
  PrepareThread(wake_signal);
  thread_ = pthread_self();
  while (!stopping) {
    MutableBytes request;
    switch (Receive(request)) {
      case Received::kRequest:
        connection_->Serve(request);
        break;
      case Received::kNothing:
        break;
      case Received::kEnd:
        return true;
    }
  }
  return false;
}

Worker::Received Worker::Receive(MutableBytes& request) {
  waiting_ = true;
  const ssize_t length = ::read(fd_, request_room_.data(), request_room_.size());
  const int error = errno;
  waiting_ = false;
  if (length >= static_cast<ssize_t>(sizeof(fuse_in_header))) {
    request = request_room_.first(static_cast<size_t>(length));
    return Received::kRequest;
  }
  if (length >= 0) {
    spdlog::error("a request of {} bytes from the kernel is too short: leaving it out", length);
    return Received::kNothing;
  }
  // ENOENT: the request was called off while it was copied to us.
  if (error == EINTR || error == EAGAIN || error == ENOENT) return Received::kNothing;
  if (error != ENODEV && error != ECONNABORTED) {
    spdlog::error("reading requests from the kernel failed, a worker ends: {}",
                  std::strerror(error));
  }
  return Received::kEnd;
}

void Worker::Wake(int wake_signal) {
  if (waiting_) pthread_kill(thread_, wake_signal);
}

}  // namespace baton::fs
