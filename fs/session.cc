#include "fs/session.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "fs/protocol.h"
#include "fs/request_worker.h"
#include "fs/volume_ops.h"

namespace baton::fs {
namespace {

// A notification is a header without a request: `unique` 0, its code in `error`.
absl::Status Notify(int fd, int32_t code, const void* body, size_t body_bytes) {
  fuse_out_header header = {};
  header.len = static_cast<uint32_t>(sizeof(header) + body_bytes);
  header.error = code;
  std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
  message.append(static_cast<const char*>(body), body_bytes);
  if (::write(fd, message.data(), message.size()) >= 0) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("send notification {} to", code), kFuseDevice);
}

absl::Status CheckOptions(const SessionOptions& options) {
  if (options.workers >= 1 && options.workers <= kMaxWorkers) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "{} workers: must be 1 to {}", options.workers,
               kMaxWorkers);
}

UniqueFd DuplicateOf(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

absl::StatusOr<UniqueFd> TableFile(const SessionOptions& options) {
  if (options.open_table >= 0) return DuplicateOf(options.open_table);
  return OpenTable::MakeFile();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Start(VolumeDirectory& directory,
                                                        Runtime& runtime, SessionOptions options) {
  BATON_ASSIGN_OR_RETURN(auto session, Make(directory, runtime, std::move(options)));
  BATON_RETURN_IF_ERROR(session->Serve());
  return session;
}

absl::StatusOr<std::unique_ptr<Session>> Session::Make(VolumeDirectory& directory, Runtime& runtime,
                                                       SessionOptions options) {
  BATON_RETURN_IF_ERROR(CheckOptions(options));
  BATON_ASSIGN_OR_RETURN(const UniqueFd file, TableFile(options));
  BATON_ASSIGN_OR_RETURN(auto opens, OpenTable::Map(DuplicateOf(file.get())));
  BATON_ASSIGN_OR_RETURN(auto locks, LockTable::Map(DuplicateOf(file.get())));
  std::unique_ptr<Session> session(
      new Session(directory, runtime, std::move(options), std::move(opens), std::move(locks)));
  BATON_RETURN_IF_ERROR(session->Prepare());
  return session;
}

Session::Session(VolumeDirectory& directory, Runtime& runtime, SessionOptions options,
                 std::unique_ptr<OpenTable> opens, std::unique_ptr<LockTable> locks)
    : runtime_(runtime),
      options_(std::move(options)),
      fd_(::fcntl(options_.fd, F_DUPFD_CLOEXEC, 0)),
      mounted_(std::make_unique<Mounted>(
          directory, runtime, options_.ownership, std::move(opens), std::move(locks), fd_.get(),
          static_cast<size_t>(options_.workers), options_.slow, options_.on_locks_lost)) {
  mounted_->on_first_answer = options_.on_first_answer;
}

Session::~Session() { Stop(); }

// The order matters: everything that can fail, and all memory, comes before the first request is
// read; the kernel resends only to a connection whose INIT is answered.
absl::Status Session::Prepare() {
  BATON_RETURN_IF_ERROR(CheckDescriptor());
  BATON_RETURN_IF_ERROR(InstallWakeHandler());
  const size_t workers = static_cast<size_t>(options_.workers) + 1;
  BATON_ASSIGN_OR_RETURN(memory_, ResidentBuffer::Make(workers * RequestWorker::kMemoryBytes));
  for (size_t i = 0; i < workers; ++i) {
    const MutableBytes memory = memory_->bytes().subspan(i * RequestWorker::kMemoryBytes);
    BATON_ASSIGN_OR_RETURN(auto worker,
                           RequestWorker::Make(fd_.get(), options_.init_request, *mounted_,
                                               mounted_->interrupts.request(i), memory));
    workers_.push_back(std::move(worker));
  }
  BATON_RETURN_IF_ERROR(CheckInitAnswer());
  spdlog::info("{}, {} workers", DescribeInit(options_.init_request, init_answer()),
               options_.workers);
  if (!memory_->locked()) {
    spdlog::warn(
        "request buffers could not be locked in memory: a kill under memory pressure may "
        "cost an application an I/O error (raise the limit on locked memory)");
  }
  return absl::OkStatus();
}

const std::string& Session::init_answer() const {
  return options_.init_answer.empty() ? OwnInitAnswer() : options_.init_answer;
}

const std::string& Session::OwnInitAnswer() const { return workers_.front()->init_answer(); }

absl::Status Session::CheckInitAnswer() const {
  if (options_.init_answer.empty() || GoesOnWith(options_.init_answer, OwnInitAnswer())) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition,
               "this version wants {}, but the mount was begun with {}: stop and start anew to "
               "change that",
               DescribeInit(options_.init_request, OwnInitAnswer()),
               DescribeInit(options_.init_request, options_.init_answer));
}

absl::Status Session::Serve() {
  mounted_->volumes.CountOpens();
  mounted_->locks.Load([this](uint64_t handle) { return mounted_->open_table->Has(handle); });
  if (!options_.open_later) mounted_->volumes.OpenCounted();
  BATON_RETURN_IF_ERROR(AnswerInit(init_answer()));
  if (options_.adopt) BATON_RETURN_IF_ERROR(AskForResend());
  mounted_->request_waited = RequestWaits();
  StartThreads();
  return absl::OkStatus();
}

absl::Status Session::CheckDescriptor() const {
  if (!fd_.valid()) {
    return Error(absl::StatusCode::kInvalidArgument, "{} is no descriptor of {}", options_.fd,
                 kFuseDevice);
  }
  if ((::fcntl(fd_.get(), F_GETFL) & O_NONBLOCK) == 0) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument,
               "the descriptor of {} does not block: workers could not wait for requests",
               kFuseDevice);
}

// An adopter answers again: the session before it may have died before it could. If it did not,
// nothing waits for this answer and the kernel says ENOENT.
absl::Status Session::AnswerInit(const std::string& answer) {
  if (::write(fd_.get(), answer.data(), answer.size()) >= 0) return absl::OkStatus();
  if (errno == ENOENT && options_.adopt) return absl::OkStatus();
  return ErrnoStatus(errno, "answer FUSE_INIT on", kFuseDevice);
}

absl::Status Session::AskForResend() {
  if (!CanResend(options_.init_request)) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "this kernel cannot deliver requests again to a restarted controller: Linux 6.9 "
                 "or later is needed; unmount and start anew");
  }
  return Notify(fd_.get(), kNotifyResend, nullptr, 0);
}

// What the kernel delivers again waits there, too.
bool Session::RequestWaits() const {
  pollfd requests = {.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&requests, 1, 0) > 0;
}

absl::Status Session::InstallWakeHandler() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  // Without SA_RESTART: what it is for is that read() returns.
  if (::sigaction(options_.wake_signal, &action, nullptr) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "install a handler for",
                     fmt::format("signal {}", options_.wake_signal));
}

void Session::StartThreads() {
  {
    absl::MutexLock lock(&mutex_);
    running_ = workers_.size();
  }
  mounted_->interrupts.Begin();
  mounted_->locks.Start();
  for (size_t i = 0; i < workers_.size(); ++i) {
    RequestWorker& worker = *workers_[i];
    threads_.push_back(
        runtime_.StartThread(fmt::format("fuse-{}", i), [this, &worker] { RunWorker(worker); }));
  }
  watch_ = runtime_.StartThread("fuse-watch", [this] { mounted_->interrupts.Watch(); });
  if (!options_.open_later) return;
  threads_.push_back(
      runtime_.StartThread("fuse-open", [this] { mounted_->volumes.OpenCounted(); }));
}

void Session::RunWorker(RequestWorker& worker) {
  const auto reads = &worker == workers_.back().get() ? RequestWorker::Reads::kWhenOthersWait
                                                      : RequestWorker::Reads::kAlways;
  const bool disconnected = worker.Run(stopping_, options_.wake_signal, reads);
  bool last = false;
  {
    absl::MutexLock lock(&mutex_);
    last = --running_ == 0;
    // The one that reads only when others wait ends with them.
    if (running_ == 1) mounted_->backlog.Close();
    worker_ended_.Signal();
  }
  if (last && disconnected && options_.on_disconnect) options_.on_disconnect();
}

size_t Session::OpenFiles() const { return mounted_->open_table->Count(); }

void Session::Stop() {
  stopping_ = true;
  mounted_->ending = true;
  mounted_->backlog.Close();
  {
    absl::MutexLock lock(&mutex_);
    while (running_ > 0) {
      for (const auto& worker : workers_) worker->Wake(options_.wake_signal);
      runtime_.WaitUntil(worker_ended_, mutex_, runtime_.BootTime() + kWakePeriod);
    }
  }
  threads_.clear();
  mounted_->locks.Stop();
  mounted_->interrupts.Stop();
  watch_ = nullptr;
}

MountIo Session::Io() const {
  // What is kept waits for the worker of another one that waits: maybe of a long discard.
  const uint64_t unserved = mounted_->interrupts.CountUnserved();
  MountIo io = {.volumes = mounted_->volumes.Counts(),
                .kinds = {},
                .waiting = unserved == 0 ? 0 : unserved + mounted_->backlog.size(),
                .last_stall = mounted_->stall.longest()};
  for (size_t i = 0; i < kIoKinds; ++i) io.kinds[i] = mounted_->times[i].Load();
  return io;
}

// Those under way come first: one that hangs is what is looked for.
SlowReport Session::Slow(size_t most) const {
  const absl::Duration before = runtime_.BootTime() - mounted_->slow.limit();
  SlowReport report = {.requests = mounted_->interrupts.IoSince(before),
                       .limit = mounted_->slow.limit(),
                       .answered = mounted_->slow.noted()};
  std::vector<SlowRequest> more = mounted_->backlog.IoSince(before, most);
  const std::vector<SlowRequest> answered = mounted_->slow.Newest();
  report.dropped = report.answered - std::min<uint64_t>(report.answered, answered.size());
  report.under_way = report.requests.size() + more.size();
  std::ranges::sort(report.requests, std::ranges::less(), &SlowRequest::came);
  for (const std::vector<SlowRequest>* part : {&std::as_const(more), &answered}) {
    report.requests.insert(report.requests.end(), part->begin(), part->end());
  }
  if (report.requests.size() > most) report.requests.resize(most);
  return report;
}

void Session::RetryLocks(uint64_t volume_id) { mounted_->locks.Retry(volume_id); }

absl::Status Session::DropPages(uint64_t volume_id) {
  fuse_notify_inval_inode_out body = {};
  body.ino = NodeOf(volume_id);
  const absl::Status status = Notify(fd_.get(), FUSE_NOTIFY_INVAL_INODE, &body, sizeof(body));
  // The kernel does not know the inode, so it has no pages of it.
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace baton::fs
