#include "tests/sim/sim_runtime.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>

namespace baton::sim {
namespace {

// How often a waiting fiber is polled after something last happened. Two, because what one poll
// changes another may wait for; more before the run is declared stuck, because such changes can
// form a chain, and a jump of time too early does no harm while a false alarm does.
constexpr int kPollsBeforeTimeJumps = 2;
constexpr int kPollsBeforeStuck = 1000;

constexpr int64_t kBootNs = 1'000'000'000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

constexpr uint64_t kRunnableWeight = 4;
constexpr uint64_t kUnevenBits = 8;
constexpr uint64_t kSwitchesBetweenWeights = 64;

}  // namespace

class SimRuntime::JoiningThread final : public Thread {
 public:
  JoiningThread(SimRuntime& runtime, std::shared_ptr<Task> task)
      : runtime_(runtime), task_(std::move(task)) {}
  ~JoiningThread() override { runtime_.Join(*task_); }

 private:
  SimRuntime& runtime_;
  const std::shared_ptr<Task> task_;
};

SimRuntime::SimRuntime(const Options& options)
    : options_(options),
      random_(options.seed),
      uneven_(random_.OneIn(2)),
      mean_step_ns_(static_cast<uint64_t>(absl::ToInt64Nanoseconds(options.mean_step))),
      now_ns_(kBootNs + static_cast<int64_t>(random_.Below(kBootNs))),
      poll_limit_(kPollsBeforeTimeJumps) {
  auto main = std::make_shared<Task>();
  main->name = "main";
  main->fiber = &main_fiber_;
  running_ = main.get();
  tasks_.push_back(std::move(main));
}

SimRuntime::~SimRuntime() {
  if (tasks_.size() > 1) Die("destroyed while threads run");
}

void SimRuntime::Run(const std::function<void()>& body) {
  body();
  if (tasks_.size() > 1) Die("the run is over but not all threads are");
}

absl::Time SimRuntime::WallTime() const {
  return absl::FromUnixSeconds(1'700'000'000) + BootTime();
}

void SimRuntime::Trace(uint64_t what) {
  fingerprint_ = (fingerprint_ ^ what ^ running_->id << 56) * 0x100000001B3 + 1;
}

void SimRuntime::Die(const std::string& why) const {
  std::fprintf(stderr, "simulation with seed %llu: %s\n",
               static_cast<unsigned long long>(options_.seed), why.c_str());
  for (const auto& task : tasks_) {
    constexpr const char* kStates[] = {"runnable", "waiting", "joining", "done"};
    std::fprintf(stderr, "  %s%s: %s\n", task.get() == running_ ? "> " : "  ", task->name.c_str(),
                 kStates[static_cast<int>(task->state)]);
  }
  std::abort();
}

// ---- threads ----

std::unique_ptr<Thread> SimRuntime::StartThread(const std::string& name,
                                                std::function<void()> body) {
  auto task = std::make_shared<Task>();
  task->name = name;
  task->id = ++next_id_;
  task->fiber = FiberPool::OfThisThread().Take();
  if (uneven_) task->weight = uint64_t{1} << random_.Below(kUnevenBits);
  task->fiber->Prepare([this, body = std::move(body)]() mutable {
    std::exchange(body, nullptr)();  // what it holds goes while the thread still counts
    return EndTask();
  });
  tasks_.push_back(task);
  SomethingHappened();
  return std::make_unique<JoiningThread>(*this, std::move(task));
}

Fiber* SimRuntime::EndTask() {
  running_->state = State::kDone;
  FiberPool::OfThisThread().Return(running_->fiber);
  std::erase_if(tasks_, [this](const auto& task) { return task.get() == running_; });
  SomethingHappened();
  Task& next = ChooseNext();
  running_ = &next;
  return next.fiber;
}

void SimRuntime::Join(const Task& task) {
  while (task.state != State::kDone) {
    running_->state = State::kJoining;
    Block(&task, kNever);
  }
}

// ---- waiting ----

void SimRuntime::Yield() {
  now_ns_ += static_cast<int64_t>(random_.Below(2 * mean_step_ns_ + 1));
  SomethingHappened();
  Resume(ChooseNext());
  running_->waits_for = nullptr;  // whatever it does before it next waits is progress
}

void SimRuntime::SleepFor(absl::Duration duration) {
  const int64_t deadline_ns = now_ns_ + absl::ToInt64Nanoseconds(duration);
  running_->waits_for = nullptr;  // what it did before is progress, though it may sleep again
  while (now_ns_ < deadline_ns) {
    running_->state = State::kWaiting;
    Block(&deadline_ns, deadline_ns);
  }
}

void SimRuntime::Wait(absl::CondVar& condition, absl::Mutex& mutex) {
  WaitFor(condition, mutex, kNever);
}

void SimRuntime::WaitUntil(absl::CondVar& condition, absl::Mutex& mutex, absl::Duration deadline) {
  WaitFor(condition, mutex, absl::ToInt64Nanoseconds(deadline));
}

void SimRuntime::WaitFor(absl::CondVar& condition, absl::Mutex& mutex, int64_t deadline_ns) {
  mutex.Unlock();
  running_->state = State::kWaiting;
  Block(&condition, deadline_ns);
  if (!mutex.TryLock()) Die("a mutex is held over an I/O or a wait");
}

void SimRuntime::Block(const void* waits_for, int64_t deadline_ns) {
  // A fiber that was polled and now waits for something else has got on.
  if (waits_for != running_->waits_for) SomethingHappened();
  running_->waits_for = waits_for;
  running_->deadline_ns = deadline_ns;
  ++running_->polls;
  Resume(ChooseNext());
}

void SimRuntime::SomethingHappened() {
  for (const auto& task : tasks_) task->polls = 0;
  poll_limit_ = kPollsBeforeTimeJumps;
}

// ---- choosing ----

uint64_t SimRuntime::WeightOf(const Task& task) const {
  switch (task.state) {
    case State::kRunnable:
      return task.weight * kRunnableWeight;
    case State::kWaiting:
      return task.polls < poll_limit_ || task.deadline_ns <= now_ns_ ? task.weight : 0;
    case State::kJoining:
      return static_cast<const Task*>(task.waits_for)->state == State::kDone ? task.weight : 0;
    case State::kDone:
      break;
  }
  return 0;
}

SimRuntime::Task* SimRuntime::Choose() {
  uint64_t total = 0;
  for (const auto& task : tasks_) total += WeightOf(*task);
  if (total == 0) return nullptr;
  uint64_t ticket = random_.Below(total);
  for (const auto& task : tasks_) {
    const uint64_t weight = WeightOf(*task);
    if (ticket < weight) return task.get();
    ticket -= weight;
  }
  return nullptr;
}

SimRuntime::Task& SimRuntime::ChooseNext() {
  if (++switches_ > options_.max_switches) Die("too many switches: it goes round in circles");
  if (uneven_ && random_.OneIn(kSwitchesBetweenWeights)) DrawWeights();
  while (true) {
    if (Task* task = Choose()) return *task;
    JumpToNextDeadline();
  }
}

void SimRuntime::JumpToNextDeadline() {
  int64_t earliest = kNever;
  for (const auto& task : tasks_) {
    if (task->state == State::kWaiting) earliest = std::min(earliest, task->deadline_ns);
  }
  if (earliest < kNever) {
    now_ns_ = std::max(now_ns_, earliest);
    SomethingHappened();  // who is woken by the time may do what others wait for
  } else if (poll_limit_ < kPollsBeforeStuck) {
    ++poll_limit_;
  } else {
    Die("all threads wait and none has a deadline");
  }
}

void SimRuntime::Resume(Task& next) {
  Task& current = *running_;
  running_ = &next;
  if (&next != &current) current.fiber->SwitchTo(*next.fiber);
  running_->state = State::kRunnable;
}

void SimRuntime::DrawWeights() {
  for (const auto& task : tasks_) task->weight = uint64_t{1} << random_.Below(kUnevenBits);
}

}  // namespace baton::sim
