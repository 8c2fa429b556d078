// The fixed numbers of the mount, in one place.
#pragma once

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>

#include "engine/base/limits.h"

namespace baton::fs {

constexpr uint64_t kPageBytes = 4096;
constexpr size_t kCacheLineBytes = 64;
constexpr uint64_t kHugePageBytes = 2 * limits::kMiB;

// Requests that are served at one time: the depth at which the storage is used. There is one thread
// more, which reads on while requests wait.
constexpr int kDefaultWorkers = 16;
constexpr int kMaxWorkers = 256;

// Asynchronous requests (those of io_submit and of read-ahead) that the kernel lets out at one
// time, and how many make it call the mount congested. Well above the workers, so that a worker
// that is done finds the next request waiting.
constexpr unsigned kMaxBackground = 64;
constexpr unsigned kCongestionThreshold = 48;

// How long the kernel may believe what it was told: not at all. Volumes come and go by commands, on
// other controllers too; and who compares times must not miss what another node wrote a moment ago.
// Both are asked for when a file is opened or looked at, which is rare, and never for I/O.
constexpr double kNameTimeoutSeconds = 0;
constexpr double kAttributeTimeoutSeconds = 0;

// Of one kind of log line, at most so many in so much time; the rest is counted.
constexpr int kLogLinesPerPeriod = 10;
constexpr absl::Duration kLogPeriod = absl::Seconds(10);

// What is read while all workers are busy is kept, at most so much. Beyond that nobody reads until
// a worker is free; whoever is killed then is found by looking.
constexpr size_t kMaxBacklogRequests = 4096;
constexpr size_t kMaxBacklogBytes = 256 * limits::kMiB;

// How often it is looked whether those who asked for what waits are being killed, and at how many
// of the backlog each time.
constexpr absl::Duration kLookPeriod = absl::Milliseconds(100);
constexpr size_t kBacklogLook = 256;
// An interrupt whose request no thread has taken up yet is offered again after so long.
constexpr absl::Duration kInterruptRetry = absl::Milliseconds(1);

// A request that takes so long is slow, where nobody says otherwise. Storage that is well answers a
// hundred times sooner, and a program that waits for a tenth of a second shows it to people.
constexpr absl::Duration kSlowRequest = absl::Milliseconds(100);

// How often a worker that waits for a request is woken again while the session stops.
constexpr absl::Duration kWakePeriod = absl::Milliseconds(1);

static_assert(limits::kMaxRequestBytes % kPageBytes == 0);
static_assert(kCongestionThreshold < kMaxBackground);
static_assert(kDefaultWorkers <= kMaxWorkers);
static_assert(kMaxBacklogRequests > kMaxBackground);
static_assert(kMaxBacklogBytes >= kMaxBackground * limits::kMaxRequestBytes);

}  // namespace baton::fs
