#include "cli/control_client.h"

#include <absl/time/time.h>

#include "cli/control.h"
#include "engine/base/status.h"

namespace baton::control {
namespace {

// A change may have to allocate or to empty a volume; a question never waits for more than locks.
constexpr absl::Duration kQuestionTimeout = absl::Seconds(10);
constexpr absl::Duration kChangeTimeout = absl::Minutes(10);

absl::Duration TimeoutOf(Request::CommandCase command) {
  switch (command) {
    case Request::kStatus:
    case Request::kVolumeList:
    case Request::kVolumeShow:
    case Request::kCloneList:
    case Request::kCloneStatus:
    case Request::kCloneResidual:
    case Request::kVerifyStart:
    case Request::kVerifyPoll:
    case Request::kEvents:
    case Request::COMMAND_NOT_SET:
      return kQuestionTimeout;
    case Request::kVolumeCreate:
    case Request::kVolumeFinishImport:
    case Request::kVolumeDelete:
    case Request::kCloneCreate:
    case Request::kCloneActivate:
    case Request::kCloneStart:
    case Request::kClonePause:
    case Request::kCloneResume:
    case Request::kCloneStop:
    case Request::kCloneDelete:
    case Request::kCloneSet:
    case Request::kVerifyCancel:
    case Request::kUpgrade:
      return kChangeTimeout;
  }
  return kQuestionTimeout;
}

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
  request.set_version(kControlVersion);
  const absl::Duration timeout = TimeoutOf(request.command_case());
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
