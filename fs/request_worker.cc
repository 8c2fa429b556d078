#include "fs/request_worker.h"

#include <absl/time/clock.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "engine/base/status.h"
#include "fs/mount_settings.h"
#include "fs/protocol.h"

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
    spdlog::debug("no IO_FLUSHER for a worker: {}", std::generic_category().message(errno));
  }
}

// Nodes are not counted, and nobody waits for an answer.
bool IsForget(Bytes request) {
  const uint32_t opcode = reinterpret_cast<const fuse_in_header*>(request.data())->opcode;
  return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RequestWorker>> RequestWorker::Make(int fd,
                                                                   const std::string& init_request,
                                                                   Mounted& mounted,
                                                                   ServedRequest& served,
                                                                   MutableBytes memory) {
  const MutableBytes receive = memory.first(kPageBytes + limits::kMaxRequestBytes);
  const MutableBytes answer = memory.subspan(receive.size(), limits::kMaxRequestBytes);
  BATON_ASSIGN_OR_RETURN(auto connection, Connection::Make(fd, init_request, mounted, answer));
  return std::unique_ptr<RequestWorker>(
      new RequestWorker(fd, mounted, served, receive, std::move(connection)));
}

RequestWorker::RequestWorker(int fd, Mounted& mounted, ServedRequest& served, MutableBytes receive,
                             std::unique_ptr<Connection> connection)
    : fd_(fd),
      mounted_(mounted),
      served_(served),
      connection_(std::move(connection)),
      request_room_(receive.subspan(kPageBytes - kWriteHeaderBytes)) {}

bool RequestWorker::Run(const std::atomic<bool>& stopping, int wake_signal, Reads reads) {
  PrepareThread(wake_signal);
  thread_ = pthread_self();
  const HostRequest::Scope scope(served_);
  while (!stopping) {
    MutableBytes request;
    if (reads == Reads::kWhenOthersWait) mounted_.backlog.AwaitNeed();
    switch (Receive(request)) {
      case Received::kRequest:
        Handle(request);
        break;
      case Received::kNothing:
        break;
      case Received::kEnd:
        return true;
    }
  }
  return false;
}

RequestWorker::Received RequestWorker::Receive(MutableBytes& request) {
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
  if (error == ENODEV || error == ECONNABORTED) {
    mounted_.backlog.Close();  // nobody waits for that any more, and it must not happen later
  } else {
    spdlog::error("reading requests from the kernel failed, a worker ends: {}",
                  std::generic_category().message(error));
  }
  return Received::kEnd;
}

void RequestWorker::Handle(MutableBytes request) {
  if (reinterpret_cast<const fuse_in_header*>(request.data())->opcode == FUSE_INTERRUPT) {
    TakeInterrupt(request);
    return;
  }
  if (IsForget(request)) return;
  NoteCame();
  const Backlog::Admitted admitted = mounted_.backlog.Admit(request);
  if (admitted == Backlog::Admitted::kKept) {
    EndLocksOf(request);
    mounted_.interrupts.Wake();
    return;
  }
  if (admitted == Backlog::Admitted::kServe) Serve(request, {});
  while (true) {
    const Backlog::Taken taken = mounted_.backlog.Next(request_room_);
    if (taken.length == 0) return;
    Serve(request_room_.first(taken.length), taken);
  }
}

void RequestWorker::NoteCame() {
  std::atomic<int64_t>& first = mounted_.first_came_ns;
  if (first.load(std::memory_order_relaxed) != 0) return;
  int64_t none = 0;
  first.compare_exchange_strong(none, absl::ToInt64Nanoseconds(mounted_.runtime.BootTime()));
}

// A file that is closed while nobody serves holds nothing any more, though its end is kept.
void RequestWorker::EndLocksOf(Bytes request) {
  const auto& header = *reinterpret_cast<const fuse_in_header*>(request.data());
  fuse_release_in body = {};
  if (header.opcode != FUSE_RELEASE || request.size() < sizeof(header) + sizeof(body)) return;
  std::memcpy(&body, request.data() + sizeof(header), sizeof(body));
  mounted_.locks.Release(VolumeOf(header.nodeid), body.fh);
}

void RequestWorker::Serve(MutableBytes request, const Backlog::Taken& taken) {
  served_.Begin(request, taken.interrupted, taken.queued);
  connection_->Serve(request);
  served_.End();
}

// There is no answer to it, but one: the kernel is to send it again, because another thread has
// read the request and not taken it up yet. What was left unanswered, for the next session, is
// never taken up; the kernel tells the next session of the signal, too.
void RequestWorker::TakeInterrupt(Bytes request) {
  fuse_interrupt_in body = {};
  if (request.size() < sizeof(fuse_in_header) + sizeof(body)) return;
  std::memcpy(&body, request.data() + sizeof(fuse_in_header), sizeof(body));
  if (mounted_.interrupts.Take(body.unique & ~kUniqueResent)) return;
  if (mounted_.left > 0 || mounted_.ending) return;
  absl::SleepFor(kInterruptRetry);
  fuse_out_header again = {};
  again.len = sizeof(again);
  again.error = -EAGAIN;
  again.unique = reinterpret_cast<const fuse_in_header*>(request.data())->unique;
  // It fails when the request has been answered meanwhile: then there is nothing to interrupt.
  (void)!::write(fd_, &again, sizeof(again));
}

void RequestWorker::Wake(int wake_signal) {
  if (waiting_) pthread_kill(thread_, wake_signal);
}

}  // namespace baton::fs
