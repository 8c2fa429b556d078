#include "cli/service/replies.h"

#include "cli/control/control.h"
#include "engine/base/status.h"

namespace baton::control {
namespace {

// The client takes these two for the state of the connection.
absl::StatusCode CodeForClient(absl::StatusCode code) {
  const bool reserved =
      code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kDeadlineExceeded;
  return reserved ? absl::StatusCode::kAborted : code;
}

}  // namespace

Response EmptyResponse() {
  Response response;
  response.set_version(kControlVersion);
  return response;
}

Response Refusal(const absl::Status& status) {
  Response response = EmptyResponse();
  response.set_code(static_cast<uint32_t>(CodeForClient(status.code())));
  response.set_message(Message(status));
  return response;
}

std::optional<Response> RefusedVersion(const Request& request) {
  if (request.version() == kControlVersion) return std::nullopt;
  return Refusal(Error(
      absl::StatusCode::kFailedPrecondition,
      "the controller speaks version {} of the control protocol, the client {}; install the same "
      "version of both",
      kControlVersion, request.version()));
}

}  // namespace baton::control
