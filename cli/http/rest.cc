#include "cli/http/rest.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>

#include <vector>

#include "cli/control/fetch_all.h"
#include "cli/control/json.h"
#include "cli/http/embedded.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton::http {
namespace {

using control::Request;
using control::Response;

constexpr char kStatusPath[] = "/v1/status";
constexpr char kOpenApiPath[] = "/v1/openapi.json";
constexpr char kSlowPath[] = "/v1/trace/slow";

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
      return 409;
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return 503;  // another controller, or this one a moment later, can answer
    default:
      return 500;
  }
}

std::string JsonOf(const google::protobuf::Message& message) { return ToJson(message) + "\n"; }

absl::StatusOr<uint64_t> NumberOf(const HttpRequest& request, const std::string& name) {
  const auto found = request.query.find(name);
  uint64_t number = 0;
  if (found == request.query.end() || absl::SimpleAtoi(found->second, &number)) return number;
  return Error(absl::StatusCode::kInvalidArgument, "{}=\"{}\": must be a whole number", name,
               found->second);
}

absl::StatusOr<uint32_t> LimitOf(const HttpRequest& request) {
  BATON_ASSIGN_OR_RETURN(const uint64_t limit, NumberOf(request, "limit"));
  if (limit > UINT32_MAX) return absl::InvalidArgumentError("limit: too large");
  return static_cast<uint32_t>(limit);
}

absl::StatusOr<bool> SwitchOf(const HttpRequest& request, const std::string& name) {
  const auto found = request.query.find(name);
  if (found == request.query.end() || found->second == "false") return false;
  if (found->second == "true") return true;
  return Error(absl::StatusCode::kInvalidArgument, "{}=\"{}\": must be true or false", name,
               found->second);
}

absl::Status CheckClone(const std::string& clone) {
  uint64_t number = 0;
  if (absl::SimpleAtoi(clone, &number)) return absl::OkStatus();
  return CheckName(clone);
}

absl::Status NoSuchPath(const std::string& path) {
  return Error(absl::StatusCode::kNotFound, "there is no {}; {} lists what there is", path,
               kOpenApiPath);
}

}  // namespace

bool Rest::MayWait(const HttpRequest& request) {
  return request.path != kStatusPath && request.path != kOpenApiPath && request.path != kSlowPath;
}

HttpAnswer Rest::Answer(const HttpRequest& request) const {
  if (request.path == kOpenApiPath) return {.type = "application/json", .body = kOpenApi};
  absl::StatusOr<std::string> body = Body(request);
  if (!body.ok()) return RefusalAnswer(body.status());
  return {.type = "application/json", .body = *std::move(body)};
}

absl::StatusOr<std::string> Rest::Body(const HttpRequest& request) const {
  const std::vector<std::string> words =
      absl::StrSplit(request.path.substr(1), '/');  // "v1", "clones", "7", "residual"
  if (words.size() == 2 && words[1] == "status") return Status();
  if (words.size() == 2 && words[1] == "volumes") return Volumes();
  if (words.size() == 3 && words[1] == "volumes") return Volume(words[2]);
  if (words.size() == 2 && words[1] == "clones") return Clones();
  if (words.size() == 3 && words[1] == "clones") return Clone(words[2]);
  if (words.size() == 4 && words[1] == "clones" && words[3] == "residual") {
    return Residual(words[2], request);
  }
  if (words.size() == 2 && words[1] == "events") return Events(request);
  if (request.path == kSlowPath) return TraceSlow(request);
  return NoSuchPath(request.path);
}

absl::StatusOr<control::ControllerStatus> AskStatus(const AskController& ask) {
  Request request;
  request.mutable_status();
  BATON_ASSIGN_OR_RETURN(Response response, ask(request));
  return std::move(*response.mutable_status());
}

absl::StatusOr<std::string> Rest::Status() const {
  BATON_ASSIGN_OR_RETURN(const control::ControllerStatus status, AskStatus(ask_));
  return JsonOf(status);
}

absl::StatusOr<std::string> Rest::Volumes() const {
  BATON_ASSIGN_OR_RETURN(const control::VolumeList all, control::FetchAllVolumes(ask_));
  return JsonOf(all);
}

absl::StatusOr<std::string> Rest::Volume(const std::string& name) const {
  BATON_RETURN_IF_ERROR(CheckName(name));
  Request request;
  request.mutable_volume_show()->set_name(name);
  BATON_ASSIGN_OR_RETURN(const Response response, ask_(request));
  return JsonOf(response.volume());
}

absl::StatusOr<std::string> Rest::Clones() const {
  BATON_ASSIGN_OR_RETURN(const control::CloneList all, control::FetchAllClones(ask_));
  return JsonOf(all);
}

absl::StatusOr<std::string> Rest::Clone(const std::string& clone) const {
  BATON_RETURN_IF_ERROR(CheckClone(clone));
  Request request;
  request.mutable_clone_status()->set_clone(clone);
  BATON_ASSIGN_OR_RETURN(const Response response, ask_(request));
  return JsonOf(response.clone());
}

absl::StatusOr<std::string> Rest::Residual(const std::string& clone,
                                           const HttpRequest& http) const {
  BATON_RETURN_IF_ERROR(CheckClone(clone));
  BATON_ASSIGN_OR_RETURN(const bool extents, SwitchOf(http, "extents"));
  Request request;
  request.mutable_clone_residual()->set_clone(clone);
  request.mutable_clone_residual()->set_extents(extents);
  BATON_ASSIGN_OR_RETURN(const Response response, ask_(request));
  return JsonOf(response.residual().residual());
}

absl::StatusOr<std::string> Rest::Events(const HttpRequest& http) const {
  BATON_ASSIGN_OR_RETURN(const uint64_t after, NumberOf(http, "after"));
  BATON_ASSIGN_OR_RETURN(const uint32_t limit, LimitOf(http));
  BATON_ASSIGN_OR_RETURN(const bool newest, SwitchOf(http, "newest"));
  Request request;
  request.mutable_events()->set_after_sequence(after);
  request.mutable_events()->set_limit(limit);
  request.mutable_events()->set_newest(newest);
  BATON_ASSIGN_OR_RETURN(const Response response, ask_(request));
  return JsonOf(response.events());
}

absl::StatusOr<std::string> Rest::TraceSlow(const HttpRequest& http) const {
  BATON_ASSIGN_OR_RETURN(const uint32_t limit, LimitOf(http));
  Request request;
  request.mutable_trace_slow()->set_limit(limit);
  BATON_ASSIGN_OR_RETURN(const Response response, ask_(request));
  return JsonOf(response.slow());
}

HttpAnswer RefusalAnswer(const absl::Status& status) {
  return ErrorAnswer(HttpStatusOf(status.code()), absl::StatusCodeToString(status.code()),
                     Message(status));
}

}  // namespace baton::http
