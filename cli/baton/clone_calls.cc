#include "cli/baton/clone_calls.h"

#include <absl/strings/numbers.h>

#include "cli/baton/arguments.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {

using control::ControlClient;
using control::Request;
using control::Response;

namespace {

absl::Status AddCloneNames(const std::vector<std::string>& clones, control::CloneNames& names) {
  for (const std::string& clone : clones) {
    BATON_RETURN_IF_ERROR(CheckCloneName(clone));
    names.add_clones(clone);
  }
  return absl::OkStatus();
}

}  // namespace

std::string CloneNumber(uint64_t id) { return fmt::format("+{}", id); }

absl::Status CheckCloneName(const std::string& clone) {
  uint64_t number = 0;
  if (CheckName(clone).ok() || absl::SimpleAtoi(clone, &number)) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument,
               "clone \"{}\": must be a clone's number or its target's name", clone);
}

absl::StatusOr<uint64_t> CallCreateClone(ControlClient& client,
                                         const CreateCloneArguments& arguments) {
  Request request;
  auto& create = *request.mutable_clone_create();
  BATON_RETURN_IF_ERROR(CheckName(arguments.source));
  BATON_RETURN_IF_ERROR(CheckName(arguments.target));
  BATON_ASSIGN_OR_RETURN(const uint64_t extent_bytes, ParseSize(arguments.extent));
  BATON_ASSIGN_OR_RETURN(const uint64_t rate, ParseRate(arguments.rate));
  BATON_ASSIGN_OR_RETURN(const uint64_t target_us, ParseLatencyTarget(arguments.latency_target));
  create.set_source(arguments.source);
  create.set_target(arguments.target);
  create.set_extent_bytes(extent_bytes);
  create.set_rate_bytes_per_second(rate);
  create.set_latency_target_us(target_us);
  create.set_on_error(arguments.on_error == "fail-write" ? FAIL_WRITE : FAIL_CLONE);
  create.set_no_digests(arguments.no_digests);
  create.set_degraded(arguments.degraded);
  BATON_ASSIGN_OR_RETURN(const Response response, client.Call(request));
  return response.clone_id().id();
}

absl::StatusOr<control::CloneList> CallActivate(ControlClient& client,
                                                const std::vector<std::string>& clones,
                                                bool degraded) {
  Request request;
  BATON_RETURN_IF_ERROR(AddCloneNames(clones, *request.mutable_clone_activate()));
  request.mutable_clone_activate()->set_degraded(degraded);
  BATON_ASSIGN_OR_RETURN(const Response response, client.Call(request));
  return response.clones();
}

absl::StatusOr<control::CloneList> CallStart(ControlClient& client,
                                             const std::vector<std::string>& clones) {
  Request request;
  BATON_RETURN_IF_ERROR(AddCloneNames(clones, *request.mutable_clone_start()));
  BATON_ASSIGN_OR_RETURN(const Response response, client.Call(request));
  return response.clones();
}

absl::StatusOr<uint64_t> CallDeleteClone(ControlClient& client, const std::string& clone) {
  Request request;
  BATON_RETURN_IF_ERROR(CheckCloneName(clone));
  request.mutable_clone_delete()->set_clone(clone);
  BATON_ASSIGN_OR_RETURN(const Response response, client.Call(request));
  return response.clone_id().id();
}

absl::StatusOr<CloneStatus> CallCloneStatus(ControlClient& client, const std::string& clone) {
  Request request;
  BATON_RETURN_IF_ERROR(CheckCloneName(clone));
  request.mutable_clone_status()->set_clone(clone);
  BATON_ASSIGN_OR_RETURN(const Response response, client.Call(request));
  return response.clone();
}

absl::StatusOr<control::ResidualAnswer> CallResidual(ControlClient& client,
                                                     const std::string& clone, bool extents) {
  Request request;
  BATON_RETURN_IF_ERROR(CheckCloneName(clone));
  request.mutable_clone_residual()->set_clone(clone);
  request.mutable_clone_residual()->set_extents(extents);
  BATON_ASSIGN_OR_RETURN(const Response response, client.Call(request));
  return response.residual();
}

}  // namespace baton
