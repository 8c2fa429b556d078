// The checked longjmp takes every jump to another stack for a mistake.
#undef _FORTIFY_SOURCE
#include "tests/sim/fiber.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#elif defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace baton::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
constexpr size_t kStackBytes = 1 << 20;
#else
constexpr bool kSanitized = false;
constexpr size_t kStackBytes = 256 << 10;
#endif

// Where the last switch came from: only the arriving side can finish it.
thread_local Fiber* left = nullptr;

void* MapStack(size_t bytes) {
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  void* memory = ::mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || ::mprotect(memory, page, PROT_NONE) != 0) {
    std::perror("mmap of a fiber's stack");
    std::abort();
  }
  return static_cast<char*>(memory) + page;
}

void UnmapStack(void* stack, size_t bytes) {
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  ::munmap(static_cast<char*>(stack) - page, bytes + page);
}

}  // namespace

Fiber::Fiber() : entered_(true) {
#if defined(__SANITIZE_THREAD__)
  sanitizer_fiber_ = __tsan_get_current_fiber();
#endif
}

Fiber::Fiber(size_t stack_bytes)
    : stack_(MapStack(stack_bytes)), stack_bytes_(stack_bytes), owns_stack_(true) {
  ::getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = stack_bytes_;
  context_.uc_link = nullptr;
  const auto self = reinterpret_cast<uintptr_t>(this);
  ::makecontext(&context_, reinterpret_cast<void (*)()>(&Fiber::Enter), 2,
                static_cast<unsigned>(self), static_cast<unsigned>(self >> 32));
#if defined(__SANITIZE_THREAD__)
  sanitizer_fiber_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  if (!owns_stack_) return;
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(sanitizer_fiber_);
#endif
  UnmapStack(stack_, stack_bytes_);
}

void Fiber::Enter(unsigned low, unsigned high) {
  const uintptr_t self = uintptr_t{low} | uintptr_t{high} << 32;
  reinterpret_cast<Fiber*>(self)->Serve();
}

void Fiber::Serve() {
  AfterSwitch();
  while (true) {
    Fiber* next = std::exchange(body_, nullptr)();
    SwitchTo(*next);
  }
}

// Without sanitizers setjmp and longjmp: swapcontext costs a system call each time.
void Fiber::Jump(Fiber& to) {
  if (kSanitized) {
    ::swapcontext(&context_, &to.context_);
    return;
  }
  if (_setjmp(stopped_at_) != 0) return;
  if (to.entered_) _longjmp(to.stopped_at_, 1);
  to.entered_ = true;
  ::setcontext(&to.context_);
}

void Fiber::SwitchTo(Fiber& to) {
  BeforeSwitch(to);
  Jump(to);
  AfterSwitch();
}

void Fiber::BeforeSwitch([[maybe_unused]] Fiber& to) {
  left = this;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fake_stack_, to.stack_, to.stack_bytes_);
#elif defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(to.sanitizer_fiber_, 0);
#endif
}

void Fiber::AfterSwitch() {
#if defined(__SANITIZE_ADDRESS__)
  // Tells also where the stack of the kernel thread is, which nobody else knows.
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &bytes);
  left->stack_ = const_cast<void*>(bottom);
  left->stack_bytes_ = bytes;
#endif
}

// Simulations allocate and free the same few megabytes thousands of times a second: malloc shall
// keep them instead of giving them back to the system each time.
FiberPool::FiberPool() {
  constexpr int kKeepBytes = 1 << 30;
  ::mallopt(M_TRIM_THRESHOLD, kKeepBytes);
  ::mallopt(M_MMAP_THRESHOLD, kKeepBytes);
}

FiberPool& FiberPool::OfThisThread() {
  thread_local FiberPool pool;
  return pool;
}

Fiber* FiberPool::Take() {
  if (idle_.empty()) {
    all_.push_back(std::make_unique<Fiber>(kStackBytes));
    idle_.push_back(all_.back().get());
  }
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  return fiber;
}

}  // namespace baton::sim
