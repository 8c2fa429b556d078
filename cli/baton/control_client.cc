#include "cli/baton/control_client.h"

#include <absl/time/time.h>

#include <utility>

#include "cli/control/control.h"
#include "cli/control/control_timeouts.h"
#include "engine/base/status.h"

namespace baton::control {
namespace {

absl::Status NoController(const absl::Status& status) {
  return Error(absl::StatusCode::kUnavailable,
               "no controller: {}; start one with batond, or name its socket with --control",
               Message(status));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlClient>> ControlClient::Make(std::string path) {
  BATON_ASSIGN_OR_RETURN(auto client, ha::RequestClient::Make(path));
  return std::unique_ptr<ControlClient>(new ControlClient(std::move(path), std::move(client)));
}

absl::StatusOr<Response> ControlClient::Call(Request request) {
  const absl::Duration timeout = TimeoutOf(request.command_case());
  return Call(std::move(request), timeout);
}

absl::StatusOr<Response> ControlClient::Call(Request request, absl::Duration timeout) {
  request.set_version(kControlVersion);
  absl::StatusOr<std::string> answer = client_->Call(Encode(request), timeout);
  if (absl::IsUnavailable(answer.status())) return NoController(answer.status());
  if (!answer.ok()) return answer.status();
  Response response;
  if (!Decode(*answer, response)) {
    return Error(absl::StatusCode::kInternal, "{} answers, but not as a controller does", path_);
  }
  if (response.code() == 0) return response;
  return absl::Status(static_cast<absl::StatusCode>(response.code()), response.message());
}

}  // namespace baton::control
