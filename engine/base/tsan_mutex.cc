// What the thread sanitizer cannot see for itself: the distribution's libabsl is not built for it,
// so that everything guarded by an absl::Mutex would look like a race. In a build with
// -fsanitize=thread the linker sends our calls through here (--wrap), and the sanitizer is told
// that what happened before an Unlock happened before the next Lock. Empty in every other build.
#if defined(__SANITIZE_THREAD__)

#include <absl/synchronization/mutex.h>
#include <sanitizer/tsan_interface.h>

#define BATON_ABSL_(name) _ZN4absl7debian3##name
#define BATON_REAL_(name) BATON_REAL__(BATON_ABSL_(name))
#define BATON_REAL__(name) BATON_REAL___(name)
#define BATON_REAL___(name) __real_##name
#define BATON_WRAP_(name) BATON_WRAP__(BATON_ABSL_(name))
#define BATON_WRAP__(name) BATON_WRAP___(name)
#define BATON_WRAP___(name) __wrap_##name

// `name`: the mangled one, after the namespace.
#define BATON_WRAP_LOCK(name)                   \
  void BATON_REAL_(name)(absl::Mutex * mutex);  \
  void BATON_WRAP_(name)(absl::Mutex * mutex) { \
    BATON_REAL_(name)(mutex);                   \
    __tsan_acquire(mutex);                      \
  }
#define BATON_WRAP_TRY_LOCK(name)                 \
  bool BATON_REAL_(name)(absl::Mutex * mutex);    \
  bool BATON_WRAP_(name)(absl::Mutex * mutex) {   \
    const bool locked = BATON_REAL_(name)(mutex); \
    if (locked) __tsan_acquire(mutex);            \
    return locked;                                \
  }
#define BATON_WRAP_UNLOCK(name)                 \
  void BATON_REAL_(name)(absl::Mutex * mutex);  \
  void BATON_WRAP_(name)(absl::Mutex * mutex) { \
    __tsan_release(mutex);                      \
    BATON_REAL_(name)(mutex);                   \
  }
#define BATON_WRAP_TIMED_WAIT(name, Until)                                              \
  bool BATON_REAL_(name)(absl::CondVar * condition, absl::Mutex * mutex, Until until);  \
  bool BATON_WRAP_(name)(absl::CondVar * condition, absl::Mutex * mutex, Until until) { \
    __tsan_release(mutex);                                                              \
    const bool timed_out = BATON_REAL_(name)(condition, mutex, until);                  \
    __tsan_acquire(mutex);                                                              \
    return timed_out;                                                                   \
  }

extern "C" {

BATON_WRAP_LOCK(5Mutex4LockEv)
BATON_WRAP_LOCK(5Mutex10ReaderLockEv)
BATON_WRAP_TRY_LOCK(5Mutex7TryLockEv)
BATON_WRAP_TRY_LOCK(5Mutex13ReaderTryLockEv)
BATON_WRAP_UNLOCK(5Mutex6UnlockEv)
BATON_WRAP_UNLOCK(5Mutex12ReaderUnlockEv)
BATON_WRAP_TIMED_WAIT(7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE, absl::Duration)
BATON_WRAP_TIMED_WAIT(7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE, absl::Time)

void BATON_REAL_(7CondVar4WaitEPNS0_5MutexE)(absl::CondVar* condition, absl::Mutex* mutex);
void BATON_WRAP_(7CondVar4WaitEPNS0_5MutexE)(absl::CondVar* condition, absl::Mutex* mutex) {
  __tsan_release(mutex);
  BATON_REAL_(7CondVar4WaitEPNS0_5MutexE)(condition, mutex);
  __tsan_acquire(mutex);
}

}  // extern "C"

#endif  // __SANITIZE_THREAD__
