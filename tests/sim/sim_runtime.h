// Runtime on fibers: one kernel thread, virtual time, every choice from a seed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "tests/sim/fiber.h"
#include "tests/sim/sim_random.h"

namespace baton::sim {

// Runs the threads that are started through it as fibers, one at a time; who goes on is chosen at
// every Yield, Wait and end of a thread, by the seed alone. Code between two of these is atomic.
// A mutex held there by another fiber would never be released: no mutex is held over I/O.
//
// Waiting fibers are polled: they wake without a reason, look at their predicate and wait again.
// When all wait and nobody's waking led to anything, time jumps to the earliest deadline. Without
// a deadline the simulation is stuck: it prints the seed and who waits, and aborts.
//
// Used by one kernel thread only, which is itself the fiber "main". All that is called here works
// outside Run too; Run also checks that nothing is left running.
class SimRuntime final : public Runtime {
 public:
  struct Options {
    uint64_t seed = 0;
    // Virtual time that a Yield takes: at random up to twice this.
    absl::Duration mean_step = absl::Microseconds(50);
    // More switches than this: abort, as if stuck.
    uint64_t max_switches = 50'000'000;
  };

  explicit SimRuntime(uint64_t seed) : SimRuntime(Options{.seed = seed}) {}
  explicit SimRuntime(const Options& options);
  ~SimRuntime() override;

  // Calls `body` as the fiber "main"; every thread started in it must have been joined.
  void Run(const std::function<void()>& body);

  // Lets others go on first, or not.
  void Yield();
  // Waits in virtual time.
  void SleepFor(absl::Duration duration);
  // Adds to the fingerprint of this run: what happened (`what`) in the running fiber.
  void Trace(uint64_t what);
  // Equal for equal runs.
  uint64_t fingerprint() const { return fingerprint_; }
  uint64_t seed() const { return options_.seed; }
  uint64_t switches() const { return switches_; }
  // Prints why, the seed and where every fiber is, and aborts.
  [[noreturn]] void Die(const std::string& why) const;

  absl::Duration BootTime() const override { return absl::Nanoseconds(now_ns_); }
  absl::Time WallTime() const override;
  std::unique_ptr<Thread> StartThread(const std::string& name, std::function<void()> body) override;
  void Wait(absl::CondVar& condition, absl::Mutex& mutex)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) override;
  void WaitUntil(absl::CondVar& condition, absl::Mutex& mutex, absl::Duration deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) override;

 private:
  class JoiningThread;
  enum class State { kRunnable, kWaiting, kJoining, kDone };
  struct Task {
    std::string name;
    uint64_t id = 0;
    Fiber* fiber = nullptr;
    State state = State::kRunnable;
    const void* waits_for = nullptr;  // a condition, or the task being joined
    int64_t deadline_ns = 0;
    int polls = 0;  // since something last happened
    uint64_t weight = 1;
  };

  void Block(const void* waits_for, int64_t deadline_ns);
  void WaitFor(absl::CondVar& condition, absl::Mutex& mutex, int64_t deadline_ns);
  void Join(const Task& task);
  Fiber* EndTask();
  void SomethingHappened();
  uint64_t WeightOf(const Task& task) const;
  Task* Choose();
  Task& ChooseNext();
  void JumpToNextDeadline();
  void Resume(Task& next);
  void DrawWeights();

  const Options options_;
  Random random_;
  const bool uneven_;  // some runs favour some fibers strongly for a while
  const uint64_t mean_step_ns_;
  int64_t now_ns_;
  Fiber main_fiber_;
  std::vector<std::shared_ptr<Task>> tasks_;
  Task* running_ = nullptr;
  uint64_t next_id_ = 0;
  uint64_t switches_ = 0;
  uint64_t fingerprint_ = 0;
  int poll_limit_;
};

}  // namespace baton::sim
