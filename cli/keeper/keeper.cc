#include "cli/keeper/keeper.h"

#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "cli/keeper/fd_store.h"
#include "engine/base/errno_status.h"
#include "engine/base/standard_streams.h"
#include "engine/base/status.h"

namespace baton::keeper {
namespace {

constexpr int kFailed = 1;

absl::StatusOr<UniqueFd> TakeKeeperSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "make a signalfd for", "SIGTERM");
  return fd;
}

Cause CauseOf(const Child& child, const Ending& ending) {
  if (child.hung) return CAUSE_HUNG;
  return child.drain_began && ending.exit_code == 0 ? CAUSE_UPGRADED : CAUSE_ENDED;
}

Predecessor Describe(const Child& child, const Ending& ending) {
  Predecessor predecessor;
  predecessor.set_pid(static_cast<uint32_t>(child.pid()));
  predecessor.set_ended(ending.text);
  predecessor.set_cause(CauseOf(child, ending));
  predecessor.set_waiting_since_boot_ns(child.waiting_since_boot_ns);
  predecessor.set_version(child.version);
  return predecessor;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Keeper>> Keeper::Make(KeeperOptions options, MountState held) {
  BATON_ASSIGN_OR_RETURN(UniqueFd signals, TakeKeeperSignals());
  return std::unique_ptr<Keeper>(
      new Keeper(std::move(options), std::move(held), std::move(signals)));
}

Keeper::Keeper(KeeperOptions options, MountState held, UniqueFd signals)
    : options_(std::move(options)),
      held_(std::move(held)),
      signals_(std::move(signals)),
      controller_(std::move(held_.child)) {
  if (controller_ != nullptr) {
    controller_->serving_since = controller_->started;
    spares_.NoteServing(controller_->started);
  }
  if (held_.init_answer.empty() || controller_ != nullptr) return;
  // The mount is older than this process: requests may wait already.
  predecessor_.set_ended("ended together with its keeper");
  predecessor_.set_cause(CAUSE_ENDED);
  predecessor_.set_waiting_since_boot_ns(BootNanoseconds());
  ++held_.restarts;
}

int Keeper::Run() {
  if (controller_ == nullptr) {
    StartNext();
  } else {
    SayReady();
  }
  while (!exit_code_) {
    AwaitSomething();
    TakeSignals();
    for (auto* child : {&candidate_, &spare_, &controller_}) TakeMessages(*child);
    for (auto* child : {&candidate_, &spare_, &controller_}) LookForEnd(*child);
    ReapDiscarded();
    LookAtClock();
  }
  EndMount();
  return *exit_code_;
}

// What is stored stays so, too, where the mount is left.
void Keeper::EndMount() {
  if (leave_mount_ && held_.mount->Connected()) return held_.mount->Leave();
  ForgetStoredMount();
}

// ---- starting ----

void Keeper::StartNext() {
  next_start_ = absl::InfiniteDuration();
  answering_.reset();  // whoever asks from here on waits for the controller
  if (auto spare = TakeSpare()) return HandOver(std::move(spare));
  absl::StatusOr<std::unique_ptr<Child>> child = Child::Spawn(options_.program, options_.arguments);
  if (child.ok()) {
    controller_ = *std::move(child);
    Begin(*controller_, /*warm=*/false);
    return;
  }
  last_ending_ = "could not be started: " + Message(child.status());
  spdlog::error("the controller {}", last_ending_);
  if (held_.init_answer.empty()) return End(kFailed);
  next_start_ = Monotonic() + policy_.WaitAfter({});
  if (policy_.looping()) AnswerForController();
}

void Keeper::Begin(Child& child, bool warm) {
  Packet message;
  keeper::Begin& begin = *message.mutable_begin();
  Facts& facts = *begin.mutable_facts();
  facts.set_mount_path(held_.mount->path());
  facts.set_mount_device(held_.mount->device());
  facts.set_init_request(held_.mount->init_request());
  facts.set_init_answer(held_.init_answer);
  facts.set_control_path(held_.listener->path());
  facts.set_restarts(held_.restarts);
  facts.set_pool(held_.pool);
  facts.set_writes_end_with_process(held_.writes_end_with_process);
  facts.set_node(held_.node);
  facts.set_pool_directory(held_.pool_directory);
  if (warm && controller_ != nullptr) {
    begin.set_serving_pid(static_cast<uint32_t>(controller_->pid()));
  }
  begin.set_keeper_pid(static_cast<uint32_t>(::getpid()));
  begin.set_warm(warm);
  *begin.mutable_predecessor() = predecessor_;
  const absl::Status sent = child.channel().Send(
      message,
      {held_.mount->fd(), held_.listener->fd(), held_.listener->lock_fd(), held_.open_table.get()});
  // Then it has ended already, which is seen.
  if (!sent.ok()) spdlog::debug("{}", Message(sent));
}

// ---- the loop ----

void Keeper::AwaitSomething() {
  std::array<pollfd, 7> watched;
  size_t count = 0;
  watched[count++] = {signals_.get(), POLLIN, 0};
  for (const Child* child : {controller_.get(), candidate_.get(), spare_.get()}) {
    if (child == nullptr) continue;
    watched[count++] = {child->pidfd(), POLLIN, 0};
    watched[count++] = {child->channel().fd(), POLLIN, 0};
  }
  const absl::Duration wanted = std::max(NextDeadline() - Monotonic(), absl::ZeroDuration());
  const absl::Duration before = Monotonic();
  const absl::Duration longest = absl::Minutes(1);
  const timespec timeout = absl::ToTimespec(std::min(wanted, longest));
  ::ppoll(watched.data(), count, &timeout, nullptr);
  // It was this process that did not run; what the others missed meanwhile says nothing of them.
  if (Monotonic() - before > std::min(wanted, longest) + kOwnDelay && controller_ != nullptr) {
    controller_->last_beat = Monotonic();
  }
}

absl::Duration Keeper::SilenceLimit(const Child& child) const {
  if (options_.liveness_timeout == absl::ZeroDuration()) return absl::InfiniteDuration();
  return child.has_spoken ? options_.liveness_timeout
                          : std::max(options_.liveness_timeout, kFirstBeatLimit);
}

absl::Duration Keeper::NextDeadline() const {
  absl::Duration next = next_start_;
  if (controller_ != nullptr && !controller_->hung) {
    next = std::min(next, controller_->last_beat + SilenceLimit(*controller_));
    if (controller_->drain_began) {
      next = std::min(next, *controller_->drain_began + kDrainLimit);
    }
  }
  for (const Child* child : {candidate_.get(), spare_.get()}) {
    if (child != nullptr && !child->warm) next = std::min(next, child->started + kWarmLimit);
  }
  if (WantsSpare()) next = std::min(next, spares_.next());
  if (outage_began_) next = std::min(next, *outage_began_ + options_.give_up_after);
  return next;
}

void Keeper::TakeSignals() {
  signalfd_siginfo taken;
  while (::read(signals_.get(), &taken, sizeof(taken)) == sizeof(taken)) {
    TakeSignal(static_cast<int>(taken.ssi_signo));
  }
}

void Keeper::TakeSignal(int signal) {
  if (signal == SIGHUP) {
    if (controller_ == nullptr) next_start_ = Monotonic();
    if (controller_ != nullptr) StartUpgrade(/*asked_by_command=*/false);
    return;
  }
  if (!stop_ordered_) return OrderStop(/*leave_mount=*/signal == SIGUSR1);
  if (Monotonic() - *stop_ordered_ < kSameSignal || controller_ == nullptr) return;
  spdlog::warn("asked to stop again: killing the controller");
  controller_->Kill();
}

void Keeper::TakeMessages(std::unique_ptr<Child>& child) {
  while (child != nullptr) {
    const absl::StatusOr<std::optional<Received>> received = child->channel().Receive();
    if (!received.ok() && absl::IsDataLoss(received.status())) continue;
    if (!received.ok() || !*received) return;  // where it is gone, so is the process
    TakeMessage(*child, (*received)->message);
  }
}

void Keeper::TakeMessage(Child& child, const Packet& message) {
  child.last_beat = Monotonic();
  child.has_spoken = true;
  switch (message.body_case()) {
    case Packet::kBeat:
      break;
    case Packet::kServing:
      NoteServing(child, message.serving());
      break;
    case Packet::kWarm:
      child.version = message.warm().version();
      NoteWarm(child);
      break;
    case Packet::kUpgrade:
      StartUpgrade(/*asked_by_command=*/true);
      break;
    case Packet::kDraining:
      child.waiting_since_boot_ns = BootNanoseconds();
      break;
    case Packet::kGoodbye:
      child.goodbye = message.goodbye();
      break;
    case Packet::kBegin:
    case Packet::kGo:
    case Packet::kStop:
    case Packet::kDrain:
    case Packet::kUpgradeAnswer:
    case Packet::kFacts:
    case Packet::BODY_NOT_SET:
      break;
  }
}

// What it said last is read first: the messages of one that has ended are all there.
void Keeper::LookForEnd(std::unique_ptr<Child>& child) {
  if (child == nullptr || !child->HasEnded()) return;
  TakeMessages(child);
  if (child == candidate_) return NoteCandidateEnded();
  if (child == spare_) return NoteSpareEnded();
  NoteControllerEnded();
}

// It may hang in the kernel, where its death does not reach it yet: nothing waits for that.
void Keeper::Discard(std::unique_ptr<Child> child) {
  if (child == nullptr) return;
  child->Kill();
  discarded_.push_back(std::move(child));
}

void Keeper::ReapDiscarded() {
  std::erase_if(discarded_, [](const auto& child) { return child->HasEnded(); });
}

void Keeper::LookAtClock() {
  if (exit_code_) return;
  const absl::Duration now = Monotonic();
  if (controller_ != nullptr && !controller_->hung) {
    const bool silent = now >= controller_->last_beat + SilenceLimit(*controller_);
    const bool drains = controller_->drain_began && now >= *controller_->drain_began + kDrainLimit;
    if (silent || drains) {
      spdlog::error("controller process {} {}: killing it", controller_->pid(),
                    silent ? "does not answer" : "does not finish");
      controller_->hung = true;
      controller_->waiting_since_boot_ns = BootNanoseconds();
      controller_->Kill();
    }
  }
  if (candidate_ != nullptr && !candidate_->warm && now >= candidate_->started + kWarmLimit) {
    Discard(std::move(candidate_));
    RefuseUpgrade("the new process was not warm in time");
  }
  if (spare_ != nullptr && !spare_->warm && now >= spare_->started + kWarmLimit) {
    DropSpare("it was not warm in time");
  }
  if (outage_began_ && now >= *outage_began_ + options_.give_up_after) {
    spdlog::critical("giving up: the controller {}", last_ending_);
    return End(kFailed);
  }
  if (controller_ == nullptr && now >= next_start_) StartNext();
  if (WantsSpare() && now >= spares_.next()) StartSpare();
}

// ---- what messages and ends mean ----

void Keeper::NoteServing(Child& child, const Serving& serving) {
  child.serving_since = Monotonic();
  spares_.NoteServing(*child.serving_since);
  child.version = serving.version();
  if (held_.init_answer.empty()) held_.init_answer = serving.init_answer();
  SayReady();
}

void Keeper::SayReady() {
  if (std::exchange(said_ready_, true)) return;
  SayNotice("ready");
  ::sd_notify(0, "READY=1");
  mount_is_stored_ = StoreMount(held_);
}

void Keeper::OrderStop(bool leave_mount) {
  stop_ordered_ = Monotonic();
  leave_mount_ = leave_mount && mount_is_stored_;
  ::sd_notify(0, "STOPPING=1");
  Discard(std::move(candidate_));
  Discard(std::move(spare_));
  if (controller_ == nullptr) {
    spdlog::error("stopping while there is no controller: the pool was not sealed");
    return End(kFailed);
  }
  Packet message;
  if (leave_mount_) {
    message.mutable_drain();
  } else {
    message.mutable_stop();
  }
  const absl::Status sent = controller_->channel().Send(message);
  if (!sent.ok()) spdlog::debug("{}", Message(sent));
}

void Keeper::NoteControllerEnded() {
  const int64_t noticed = BootNanoseconds();
  const std::unique_ptr<Child> child = std::move(controller_);
  const Ending ending = child->Reap();
  last_ending_ = ending.text;
  if (stop_ordered_) {
    if (!ending.exit_code)
      spdlog::error("stopping: the controller {}, the pool is not sealed", ending.text);
    return End(ending.exit_code.value_or(kFailed));
  }
  if (held_.init_answer.empty()) {  // it has said why, unless it could not
    if (!ending.exit_code) SayError("batond: the controller " + ending.text);
    return End(ending.exit_code.value_or(kFailed));
  }
  if (child->goodbye && child->goodbye->final()) {
    spdlog::critical("the controller {}: no other one may go on, the mount ends", ending.text);
    return End(kFailed);
  }
  if (!held_.mount->Connected()) return End(kFailed);  // unmounted by someone else
  if (child->waiting_since_boot_ns == 0) child->waiting_since_boot_ns = noticed;
  predecessor_ = Describe(*child, ending);
  ++held_.restarts;
  if (candidate_ != nullptr && candidate_->warm) return HandOver(std::move(candidate_));
  Discard(std::move(candidate_));
  PlanRestart(*child, ending);
}

void Keeper::PlanRestart(const Child& child, const Ending& ending) {
  const absl::Duration now = Monotonic();
  const absl::Duration served_for =
      child.serving_since ? now - *child.serving_since : absl::ZeroDuration();
  if (child.serving_since && served_for >= kHealthyAfter) outage_began_.reset();
  const absl::Duration wait = policy_.WaitAfter({.served = child.serving_since.has_value(),
                                                 .served_for = served_for,
                                                 .killed = ending.killed});
  if (!ending.killed && !outage_began_) outage_began_ = now;
  spdlog::error("controller process {} {}; another one goes on{}", child.pid(), ending.text,
                wait == absl::ZeroDuration() ? "" : " in " + absl::FormatDuration(wait));
  next_start_ = now + wait;
  if (policy_.looping()) return AnswerForController();
  if (wait == absl::ZeroDuration()) StartNext();
}

// ---- a crash loop ----

std::string Keeper::Problem() const {
  return fmt::format(
      "the controller ended {} times in a row, last: it {}; I/O waits; next attempt in at most {}, "
      "or at once after SIGHUP to process {}",
      policy_.deaths(), last_ending_, absl::FormatDuration(kLoopPause), ::getpid());
}

void Keeper::AnswerForController() {
  const std::string problem = Problem();
  spdlog::critical("{}", problem);
  ::sd_notifyf(0, "STATUS=%s", problem.c_str());
  auto answering = std::make_unique<Answering>();
  auto server = ha::RequestServer::Start(
      *held_.listener, {.runtime = answering->runtime, .dropped = garbled_, .workers = {1}},
      [this, problem](const std::string& request, const ha::RequestServer::Sender&) {
        return options_.answer(request, problem);
      });
  if (!server.ok()) return spdlog::error("{}", Message(server.status()));
  answering->server = *std::move(server);
  answering_ = std::move(answering);
}

}  // namespace baton::keeper
