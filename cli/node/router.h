// Where the mount's requests go: to this controller's engine, to another controller, or nowhere
// for now.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "fs/volume_directory.h"

namespace baton {

// A VolumeDirectory in front of the one that serves now. What that one cannot answer (Aborted)
// waits for the next one and is asked again: requests are positional, so that one which was carried
// out already does no harm. Handles stay valid over all changes. Thread-safe.
class Router final : public fs::VolumeDirectory {
 public:
  // `io_timeout`: how long a request waits for somebody who serves; then it fails with
  // DeadlineExceeded.
  explicit Router(Runtime& runtime, absl::Duration io_timeout = absl::InfiniteDuration())
      : runtime_(runtime), io_timeout_(io_timeout) {}

  // From now on requests go to `directory`, which outlives the router; null: they wait. Those that
  // are under way with the one before end by themselves. What is open is closed there.
  void Route(fs::VolumeDirectory* directory);
  // Opens what is open with whoever serves now, so that it counts as open there. (Each is opened
  // when it is used, at the latest.) True: all of it was done before, or is done now.
  bool Reopen();
  // Whatever waits, now or later, ends with Aborted. For good.
  void Shutdown();

  absl::StatusOr<std::vector<fs::VolumeEntry>> List() const override;
  absl::StatusOr<fs::VolumeEntry> Lookup(const std::string& name) const override;
  absl::StatusOr<fs::VolumeEntry> Get(uint64_t id) const override;
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t id) override;
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const override;
  absl::StatusOr<fs::Capacity> GetCapacity() const override;

  // Who serves, and since which change.
  struct Destination {
    fs::VolumeDirectory* directory = nullptr;
    uint64_t number = 0;
  };
  // Waits for one whose number is greater than `after`, or, from the second wait on, a moment for
  // the same one, which may be able to answer again. Aborted: shut down.
  absl::StatusOr<Destination> Await(uint64_t after, absl::Duration deadline) const;
  absl::Duration Deadline() const { return runtime_.BootTime() + io_timeout_; }

 private:
  class Handle;

  std::vector<std::shared_ptr<Handle>> LiveHandles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The answer of whoever serves: of the first one that has one.
  template <typename Call>
  auto Ask(Call call) const;

  Runtime& runtime_;
  const absl::Duration io_timeout_;
  mutable absl::Mutex mutex_;
  mutable absl::CondVar changed_;
  Destination destination_ ABSL_GUARDED_BY(mutex_);
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::weak_ptr<Handle>> handles_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
