// Tells ThreadSanitizer what absl::Mutex and absl::CondVar do. Debian's Abseil is not built with
// -fsanitize=thread, so that every pair of accesses that a lock puts in order would be reported as
// a race. Linked into programs of the thread-sanitizer build only: the definitions here take the
// place of the library's for the program's own calls, and hand on to them.
#if defined(__SANITIZE_THREAD__)

#include <absl/synchronization/mutex.h>
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdlib>

namespace {

// The library's own definition of a symbol.
template <typename Function>
Function Next(const char* symbol) {
  void* const found = ::dlsym(RTLD_NEXT, symbol);
  if (found == nullptr) std::abort();
  return reinterpret_cast<Function>(found);
}

using Plain = void (*)(absl::Mutex*);
using Try = bool (*)(absl::Mutex*);

void Locked(absl::Mutex* mutex, unsigned flags, Plain lock) {
  __tsan_mutex_pre_lock(mutex, flags);
  lock(mutex);
  __tsan_mutex_post_lock(mutex, flags, 0);
}

bool TryLocked(absl::Mutex* mutex, unsigned flags, Try lock) {
  __tsan_mutex_pre_lock(mutex, flags | __tsan_mutex_try_lock);
  const bool locked = lock(mutex);
  __tsan_mutex_post_lock(
      mutex, flags | __tsan_mutex_try_lock | (locked ? 0 : __tsan_mutex_try_lock_failed), 0);
  return locked;
}

void Unlocked(absl::Mutex* mutex, unsigned flags, Plain unlock) {
  __tsan_mutex_pre_unlock(mutex, flags);
  unlock(mutex);
  __tsan_mutex_post_unlock(mutex, flags);
}

// A wait gives the lock up and takes it again.
template <typename Result, typename Wait>
Result Waited(absl::Mutex* mutex, Wait wait) {
  __tsan_mutex_pre_unlock(mutex, 0);
  __tsan_mutex_post_unlock(mutex, 0);
  struct Relock {
    absl::Mutex* const mutex;
    ~Relock() {
      __tsan_mutex_pre_lock(mutex, 0);
      __tsan_mutex_post_lock(mutex, 0, 0);
    }
  } relock{mutex};
  return wait();
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto next = Next<Plain>("_ZN4absl7debian35Mutex4LockEv");
  Locked(this, 0, next);
}
void Mutex::Unlock() {
  static const auto next = Next<Plain>("_ZN4absl7debian35Mutex6UnlockEv");
  Unlocked(this, 0, next);
}
bool Mutex::TryLock() {
  static const auto next = Next<Try>("_ZN4absl7debian35Mutex7TryLockEv");
  return TryLocked(this, 0, next);
}
void Mutex::ReaderLock() {
  static const auto next = Next<Plain>("_ZN4absl7debian35Mutex10ReaderLockEv");
  Locked(this, __tsan_mutex_read_lock, next);
}
void Mutex::ReaderUnlock() {
  static const auto next = Next<Plain>("_ZN4absl7debian35Mutex12ReaderUnlockEv");
  Unlocked(this, __tsan_mutex_read_lock, next);
}

void CondVar::Wait(Mutex* mutex) {
  static const auto next =
      Next<void (*)(CondVar*, Mutex*)>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  Waited<void>(mutex, [&] { next(this, mutex); });
}
bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const auto next = Next<bool (*)(CondVar*, Mutex*, Duration)>(
      "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  return Waited<bool>(mutex, [&] { return next(this, mutex, timeout); });
}

ABSL_NAMESPACE_END
}  // namespace absl

#endif
