// Nothing is wrong here.
#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <string>
#include <utility>
#include <vector>

namespace baton {

class Names {
 public:
  size_t Add(std::string name) {
    absl::MutexLock lock(&mutex_);
    names_.push_back(std::move(name));
    return names_.size();
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
};

size_t AddTwo(Names& names) {
  names.Add("left");
  return names.Add("right");
}

}  // namespace baton
