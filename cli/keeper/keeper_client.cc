#include "cli/keeper/keeper_client.h"

#include <absl/time/clock.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <span>

#include "cli/keeper/child.h"
#include "cli/keeper/keeper_settings.h"
#include "engine/base/boot_time.h"
#include "engine/base/signals_blocked.h"
#include "engine/base/status.h"

namespace baton::keeper {
namespace {

constexpr size_t kDescriptorsOfBegin = 4;
// Who waits looks at the clock this often: timed waits of Abseil end by the wall clock.
constexpr absl::Duration kWaitStep = absl::Milliseconds(100);
constexpr size_t kNameBytes = 16;  // of a thread, and by its first one of a process

// How this process is called in lists of processes, while this lives.
class OtherName {
 public:
  explicit OtherName(const char* name) {
    ::pthread_getname_np(::pthread_self(), before_.data(), before_.size());
    ::pthread_setname_np(::pthread_self(), name);
  }
  ~OtherName() { ::pthread_setname_np(::pthread_self(), before_.data()); }
  OtherName(const OtherName&) = delete;
  OtherName& operator=(const OtherName&) = delete;

 private:
  std::array<char, kNameBytes> before_ = {};
};

// The first thread of a process that queues for a mutex behind another one measures the processor's
// clock, which takes some milliseconds; rather now than while hosts wait.
void QueueForAMutexOnce() {
  constexpr absl::Duration kBoth = absl::Milliseconds(20);
  absl::Mutex mutex;
  bool never = false;
  const auto wait = [&] {
    const absl::MutexLock lock(&mutex);
    mutex.AwaitWithTimeout(absl::Condition(&never), kBoth);
  };
  const SignalsBlocked blocked;  // the thread inherits that
  std::thread other(wait);
  wait();
  other.join();
}

absl::Status NoKeeper() {
  return Error(absl::StatusCode::kFailedPrecondition,
               "this process was not started by a keeper: start batond without {}",
               kChannelVariable);
}

UniqueFd ChannelFromEnvironment() {
  const char* text = std::getenv(kChannelVariable);
  int fd = -1;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), fd);
  ::unsetenv(kChannelVariable);  // NOLINT(concurrency-mt-unsafe): at the start, nobody else looks
  if (fd >= 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return UniqueFd(fd);
}

UniqueFd Duplicate(const UniqueFd& fd) { return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)); }

void AwaitReadable(std::span<pollfd> watched, absl::Duration timeout) {
  ::poll(watched.data(), watched.size(), static_cast<int>(absl::ToInt64Milliseconds(timeout)));
}

}  // namespace

bool KeeperClient::IsControllerProcess() { return std::getenv(kChannelVariable) != nullptr; }

absl::StatusOr<std::unique_ptr<KeeperClient>> KeeperClient::Connect() {
  UniqueFd socket = ChannelFromEnvironment();
  if (!socket.valid()) return NoKeeper();
  const Channel channel(UniqueFd(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0)));
  std::array<pollfd, 1> watched{pollfd{socket.get(), POLLIN, 0}};
  AwaitReadable(watched, kDefaultLivenessTimeout);
  BATON_ASSIGN_OR_RETURN(std::optional<Received> received, channel.Receive());
  if (!received || !received->message.has_begin() ||
      received->descriptors.size() != kDescriptorsOfBegin) {
    return NoKeeper();
  }
  std::unique_ptr<KeeperClient> client(
      new KeeperClient(std::move(socket), std::move(*received->message.mutable_begin()),
                       std::move(received->descriptors)));
  BATON_RETURN_IF_ERROR(client->wake_.status());
  return client;
}

KeeperClient::KeeperClient(UniqueFd socket, Begin begin, std::vector<UniqueFd> descriptors)
    : begin_(std::move(begin)),
      fuse_(std::move(descriptors[0])),
      listener_(std::move(descriptors[1])),
      listener_lock_(std::move(descriptors[2])),
      open_table_(std::move(descriptors[3])),
      keeper_pid_(begin_.keeper_pid()),
      channel_(std::make_shared<const Channel>(std::move(socket))),
      init_answer_(begin_.facts().init_answer()),
      restarts_(begin_.facts().restarts()) {}

KeeperClient::~KeeperClient() {
  ending_ = true;
  wake_.Wake();
  if (thread_.joinable()) thread_.join();
}

std::unique_ptr<fs::Mount> KeeperClient::AdoptMount() const {
  const Facts& facts = begin_.facts();
  return fs::Mount::Adopt(facts.mount_path(), facts.mount_device(), Duplicate(fuse_),
                          facts.init_request(), fs::AtEnd::kLeave);
}

std::unique_ptr<ha::UnixListener> KeeperClient::AdoptListener() const {
  return ha::UnixListener::Adopt(begin_.facts().control_path(), Duplicate(listener_lock_),
                                 Duplicate(listener_), ha::UnixListener::AtEnd::kLeave);
}

void KeeperClient::Start(Handlers handlers) {
  handlers_ = std::move(handlers);
  const SignalsBlocked blocked;  // the thread inherits that
  thread_ = std::thread([this] { Run(); });
}

// ---- the thread ----

void KeeperClient::Run() {
  pthread_setname_np(pthread_self(), "keeper");
  while (!ending_) {
    const std::shared_ptr<const Channel> channel = CurrentChannel();
    if (channel == nullptr) {
      AwaitKeeper();
    } else {
      Beat();
      std::array<pollfd, 2> watched{pollfd{wake_.fd(), POLLIN, 0},
                                    pollfd{channel->fd(), POLLIN, 0}};
      AwaitReadable(watched, kBeatPeriod);
      TakeMessages(*channel);
    }
  }
}

void KeeperClient::Beat() {
  {
    absl::MutexLock lock(&liveness_mutex_);
    if (liveness_check_) liveness_check_();
  }
  Packet message;
  message.mutable_beat();
  Send(message);
}

void KeeperClient::TakeMessages(const Channel& channel) {
  while (true) {
    const absl::StatusOr<std::optional<Received>> received = channel.Receive();
    if (absl::IsUnavailable(received.status())) return NoteKeeperGone();
    if (!received.ok() || !*received) return;
    TakeMessage((*received)->message);
  }
}

void KeeperClient::TakeMessage(const Packet& message) {
  if (message.has_stop()) handlers_.stop();
  if (message.has_drain()) handlers_.drain();
  absl::MutexLock lock(&mutex_);
  if (message.has_go()) {
    go_ = message.go();
    restarts_ = go_->restarts();
  }
  if (message.has_upgrade_answer()) upgrade_answer_ = message.upgrade_answer();
  changed_.SignalAll();
}

void KeeperClient::NoteKeeperGone() {
  const uint32_t pid = keeper_pid_.exchange(0);
  {
    absl::MutexLock lock(&mutex_);
    channel_ = nullptr;
    changed_.SignalAll();
    // Another one serves, and waits at the adoption socket.
    if (begin_.warm() && !go_) ending_ = true;
  }
  if (ending_) return;
  spdlog::warn("the keeper (process {}) is gone; going on without one: start batond again", pid);
  handlers_.orphaned();
}

// At the adoption socket, for another keeper.
void KeeperClient::AwaitKeeper() {
  if (adoption_ == nullptr) {
    absl::StatusOr<std::unique_ptr<AdoptionSocket>> socket =
        AdoptionSocket::Open(begin_.facts().control_path());
    if (!socket.ok()) spdlog::error("{}", Message(socket.status()));
    if (socket.ok()) adoption_ = *std::move(socket);
  }
  std::array<pollfd, 2> watched{pollfd{wake_.fd(), POLLIN, 0},
                                pollfd{adoption_ == nullptr ? -1 : adoption_->fd(), POLLIN, 0}};
  AwaitReadable(watched, kDefaultLivenessTimeout);
  if (adoption_ == nullptr || watched[1].revents == 0) return;
  absl::StatusOr<AdoptionSocket::Connection> connection = adoption_->Accept();
  if (!connection.ok()) return spdlog::warn("{}", Message(connection.status()));
  GiveFacts(*std::move(connection));
}

void KeeperClient::GiveFacts(AdoptionSocket::Connection connection) {
  auto channel = std::make_shared<const Channel>(std::move(connection.socket));
  Packet message;
  {
    absl::MutexLock lock(&mutex_);
    Facts& facts = *message.mutable_facts();
    facts = begin_.facts();
    facts.set_init_answer(init_answer_);
    facts.set_restarts(restarts_);
  }
  const absl::Status sent = channel->Send(
      message, {fuse_.get(), listener_.get(), listener_lock_.get(), open_table_.get()});
  if (!sent.ok()) return;
  spdlog::info("process {} is the keeper now", connection.pid);
  adoption_.reset();
  keeper_pid_ = static_cast<uint32_t>(connection.pid);
  handlers_.kept();
  absl::MutexLock lock(&mutex_);
  channel_ = std::move(channel);
}

// ---- for the controller ----

void KeeperClient::SetLivenessCheck(std::function<void()> proof) {
  absl::MutexLock lock(&liveness_mutex_);
  liveness_check_ = std::move(proof);
}

std::shared_ptr<const Channel> KeeperClient::CurrentChannel() {
  absl::MutexLock lock(&mutex_);
  return channel_;
}

// Where the keeper is gone nobody needs to know.
void KeeperClient::Send(const Packet& message) {
  if (const auto channel = CurrentChannel()) channel->Send(message).IgnoreError();
}

absl::StatusOr<Go> KeeperClient::AwaitGo(const std::string& version) {
  QueueForAMutexOnce();
  const OtherName waiting(kWarmName);
  Packet message;
  message.mutable_warm()->set_version(version);
  Send(message);
  absl::MutexLock lock(&mutex_);
  while (!go_ && channel_ != nullptr) changed_.Wait(&mutex_);
  if (go_) return *go_;
  return Error(absl::StatusCode::kUnavailable, "the keeper is gone before it said go");
}

void KeeperClient::SayServing(const std::string& init_answer, const std::string& version) {
  Packet message;
  message.mutable_serving()->set_init_answer(init_answer);
  message.mutable_serving()->set_version(version);
  {
    absl::MutexLock lock(&mutex_);
    init_answer_ = init_answer;
  }
  Send(message);
}

void KeeperClient::SayDraining() {
  Packet message;
  message.mutable_draining();
  Send(message);
}

void KeeperClient::SayGoodbye(Goodbye goodbye) {
  Packet message;
  *message.mutable_goodbye() = std::move(goodbye);
  Send(message);
}

absl::StatusOr<UpgradeAnswer> KeeperClient::AskForUpgrade() {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(upgrading_, true)) {
      return Error(absl::StatusCode::kFailedPrecondition, "an upgrade is under way");
    }
    upgrade_answer_.reset();
  }
  Packet message;
  message.mutable_upgrade();
  Send(message);
  const absl::Duration deadline = BootTime() + kWarmLimit + kDefaultLivenessTimeout;
  absl::MutexLock lock(&mutex_);
  while (!upgrade_answer_ && channel_ != nullptr && BootTime() < deadline) {
    changed_.WaitWithTimeout(&mutex_, kWaitStep);
  }
  upgrading_ = false;
  if (upgrade_answer_) return *upgrade_answer_;
  return Error(absl::StatusCode::kFailedPrecondition,
               "there is no keeper that could start another process: start batond again");
}

}  // namespace baton::keeper
