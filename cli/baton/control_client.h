// The client's end of the control socket: a typed request, a typed answer.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <string>

#include "cli/control/control.pb.h"
#include "ha/io/request_client.h"

namespace baton::control {

// Thread-safe.
class ControlClient {
 public:
  static absl::StatusOr<std::unique_ptr<ControlClient>> Make(std::string path);

  // The controller's answer, or its refusal as a status of its code.
  //   Unavailable       no controller is reachable; the message says how to start one
  //   DeadlineExceeded  it did not answer in time: 10 s for a question, 10 min for a change, which
  //                     may have taken effect
  absl::StatusOr<Response> Call(Request request);
  // Likewise; waits no longer than `timeout`.
  absl::StatusOr<Response> Call(Request request, absl::Duration timeout);

 private:
  ControlClient(std::string path, std::unique_ptr<ha::RequestClient> client)
      : path_(std::move(path)), client_(std::move(client)) {}

  const std::string path_;
  const std::unique_ptr<ha::RequestClient> client_;
};

}  // namespace baton::control
