// The client's end of requests and answers; see request_server.h.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <string>

#include "ha/io/zmq_socket.h"

namespace baton::ha {

// Sends requests to the server at a Unix socket, one connection each, so that nothing that comes
// late from one call can be taken for the answer of another. Thread-safe.
class RequestClient {
 public:
  static absl::StatusOr<std::unique_ptr<RequestClient>> Make(std::string path);

  // The answer, or
  //   Unavailable       nobody listens there, or the connection was lost before the answer (the
  //                     message says which; in the second case the request may have taken effect)
  //   DeadlineExceeded  somebody listens but did not answer in time; it may have taken effect
  //   InvalidArgument   the request is longer than limits::kMaxMessageBytes
  //   anything else     the system's refusal, such as PermissionDenied
  absl::StatusOr<std::string> Call(const std::string& request, absl::Duration timeout);

 private:
  RequestClient(std::string path, std::unique_ptr<ZmqContext> context)
      : path_(std::move(path)), context_(std::move(context)) {}
  absl::StatusOr<std::string> AwaitAnswer(ZmqSocket& socket, absl::Duration timeout);

  const std::string path_;
  const std::unique_ptr<ZmqContext> context_;
};

}  // namespace baton::ha
