// The watchdog of this node: Linux' watchdog devices, as the owner of a pool uses one.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <string>

#include "engine/base/unique_fd.h"

namespace baton::ha {

// Resets the node when it was not fed for its time. It runs on when this object or the process
// ends without Stop, however that comes about. Thread-safe.
class Watchdog {
 public:
  struct Options {
    std::string device;  // fed after each renewal of the lease; empty: there is none
    absl::Duration time = absl::Seconds(5);  // until it resets the node; whole seconds

    // Zero where there is none.
    absl::Duration EffectiveTime() const { return device.empty() ? absl::ZeroDuration() : time; }
  };

  // InvalidArgument, NotFound: this is none, or one that could not be stopped, as far as can be
  // told without starting it.
  static absl::Status CheckDevice(const std::string& device);
  // From here on it runs. Errors: CheckDevice; InvalidArgument: it cannot be set to this time;
  // Unavailable: another process has it. After any error it stands.
  static absl::StatusOr<std::unique_ptr<Watchdog>> Start(const Options& options);
  // Stops what a process before this one has left running. Errors: as Start.
  static absl::Status StopLeftRunning(const Options& options);

  // The time begins anew. An error is logged: the node will be reset.
  void Feed();
  // The device stands. Once.
  absl::Status Stop();

 private:
  Watchdog(std::string device, UniqueFd fd) : device_(std::move(device)), fd_(std::move(fd)) {}
  static absl::StatusOr<std::unique_ptr<Watchdog>> Open(const std::string& device);
  absl::Status Set(absl::Duration time);
  absl::Status Write(char character);

  const std::string device_;
  UniqueFd fd_;
};

}  // namespace baton::ha
