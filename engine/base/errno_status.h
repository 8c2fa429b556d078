// errno becomes a status here and nowhere else.
#pragma once

#include <absl/status/status.h>

#include <string>

namespace baton {

// "OPERATION PATH: what the system says". ENOENT: NotFound, EEXIST: AlreadyExists, ENOSPC and its
// kin: ResourceExhausted, EIO: DataLoss, refusals: PermissionDenied, misuse: FailedPrecondition or
// InvalidArgument, the rest: Internal.
absl::Status ErrnoStatus(int error, const std::string& operation, const std::string& path);

// ResourceExhausted because this process or machine has no descriptor left: it says nothing of
// what was to be opened.
bool IsOutOfDescriptors(const absl::Status& status);

}  // namespace baton
