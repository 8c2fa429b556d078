// Work that several threads share until it is done.
#pragma once

#include <absl/functional/function_ref.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/base/runtime.h"

namespace baton {

// Runs work(0) to work(count - 1) side by side: the first one here, each other one in a thread with
// this name. Returns when all have ended.
inline void SideBySide(Runtime& runtime, const std::string& name, size_t count,
                       absl::FunctionRef<void(size_t)> work) {
  std::vector<std::unique_ptr<Thread>> threads;
  for (size_t i = 1; i < count; ++i) {
    threads.push_back(runtime.StartThread(name, [work, i] { work(i); }));
  }
  if (count > 0) work(0);
  threads.clear();  // waits for them
}

}  // namespace baton
