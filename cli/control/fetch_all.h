// Lists that come in pages.
#pragma once

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include "cli/control/control.pb.h"
#include "engine/base/status.h"

namespace baton::control {

// `call` asks the controller: Request -> absl::StatusOr<Response>. Its error is the result.
template <typename Call>
absl::StatusOr<VolumeList> FetchAllVolumes(const Call& call) {
  VolumeList all;
  while (true) {
    Request request;
    Page& page = *request.mutable_volume_list();
    if (!all.volumes().empty()) page.set_after(all.volumes().rbegin()->name());
    BATON_ASSIGN_OR_RETURN(const Response response, call(request));
    if (response.volumes().volumes().empty()) return all;
    all.mutable_volumes()->MergeFrom(response.volumes().volumes());
  }
}

template <typename Call>
absl::StatusOr<CloneList> FetchAllClones(const Call& call) {
  CloneList all;
  while (true) {
    Request request;
    Page& page = *request.mutable_clone_list();
    if (!all.clones().empty()) page.set_after(fmt::format("{}", all.clones().rbegin()->id()));
    BATON_ASSIGN_OR_RETURN(const Response response, call(request));
    if (response.clones().clones().empty()) return all;
    all.mutable_clones()->MergeFrom(response.clones().clones());
  }
}

}  // namespace baton::control
