// Stacks that take turns on one kernel thread.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <functional>
#include <memory>
#include <vector>

namespace baton::sim {

// One stack and where it stopped. The stack of the kernel thread is a fiber too (the default
// constructor); others are made by FiberPool. Address and thread sanitizers are told of every
// switch.
class Fiber {
 public:
  Fiber();
  explicit Fiber(size_t stack_bytes);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // What runs when the fiber is next switched to; it returns the fiber that goes on after it.
  // REQUIRES: the fiber came from FiberPool::Take() and has no body yet.
  void Prepare(std::function<Fiber*()> body) { body_ = std::move(body); }

  // Stops here and goes on where `to` stopped; returns when somebody switches back.
  void SwitchTo(Fiber& to);

 private:
  static void Enter(unsigned low, unsigned high);
  [[noreturn]] void Serve();
  void Jump(Fiber& to);
  void BeforeSwitch(Fiber& to);
  void AfterSwitch();

  void* stack_ = nullptr;  // lowest address, above the guard page
  size_t stack_bytes_ = 0;
  bool owns_stack_ = false;
  bool entered_ = false;
  std::function<Fiber*()> body_;
  ucontext_t context_;
  jmp_buf stopped_at_;
  void* fake_stack_ = nullptr;       // address sanitizer's
  void* sanitizer_fiber_ = nullptr;  // thread sanitizer's
};

// Fibers of the calling kernel thread that wait for a body: a simulation makes none once its
// predecessors have.
class FiberPool {
 public:
  FiberPool();
  static FiberPool& OfThisThread();

  Fiber* Take();
  // May be called by the fiber's own body just before it returns.
  void Return(Fiber* fiber) { idle_.push_back(fiber); }

 private:
  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> idle_;
};

}  // namespace baton::sim
