// Work that several threads share until it is done.
#pragma once

#include <absl/functional/function_ref.h>

#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "engine/base/runtime.h"

namespace baton {

// Runs work(0) to work(count - 1) side by side: the first one here, each other one in a thread with
// this name. Where no thread can be started, the rest comes here, one after the other. Returns when
// all have ended.
inline void SideBySide(Runtime& runtime, const std::string& name, size_t count,
                       absl::FunctionRef<void(size_t)> work) {
  std::vector<std::unique_ptr<Thread>> threads;
  size_t next = 1;
  try {
    for (; next < count; ++next) {
      threads.push_back(runtime.StartThread(name, [work, i = next] { work(i); }));
    }
  } catch (const std::system_error&) {  // too many for the machine or the control group
  }
  if (count > 0) work(0);
  for (; next < count; ++next) work(next);
  threads.clear();  // waits for them
}

}  // namespace baton
