#include "engine/base/errno_status.h"

#include <cerrno>
#include <system_error>

#include "engine/base/status.h"

namespace baton {
namespace {

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
      return absl::StatusCode::kResourceExhausted;
    case EIO:
    case EUCLEAN:
    case EBADMSG:
      return absl::StatusCode::kDataLoss;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ELOOP:  // a symbolic link in the path: openat2 refuses it
    case EXDEV:  // a path that leaves the directory, or a mount point in between
    case EINVAL:
    case ENAMETOOLONG:
      return absl::StatusCode::kInvalidArgument;
    case ENOTEMPTY:
    case ENOTDIR:
    case EISDIR:
    case EBUSY:
    case ETXTBSY:
      return absl::StatusCode::kFailedPrecondition;
    case EOPNOTSUPP:
    case ENOSYS:
      return absl::StatusCode::kUnimplemented;
    case ENODEV:
    case ENXIO:
    case ESTALE:
    case ETIMEDOUT:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

constexpr char kOutOfDescriptors[] = "baton/out-of-descriptors";

}  // namespace

absl::Status ErrnoStatus(int error, const std::string& operation, const std::string& path) {
  absl::Status status =
      Error(CodeOf(error), "{} {}: {}", operation, path, std::generic_category().message(error));
  if (error == EMFILE || error == ENFILE) status.SetPayload(kOutOfDescriptors, absl::Cord());
  return status;
}

bool IsOutOfDescriptors(const absl::Status& status) {
  return status.GetPayload(kOutOfDescriptors).has_value();
}

}  // namespace baton
