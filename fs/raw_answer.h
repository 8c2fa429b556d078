// Answers to requests that no worker has: those that wait beside the workers.
#pragma once

#include <cstdint>

namespace baton::fs {

// `fd`: of the mount. `received_unique`: the number of the request as it came. `error`: a positive
// errno, or 0. Never waits. Where the request or the mount is gone there is nobody to be told.
void AnswerRaw(int fd, uint64_t received_unique, int error);

}  // namespace baton::fs
