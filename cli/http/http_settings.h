// The fixed numbers of the HTTP server, in one place.
#pragma once

#include <absl/time/time.h>

#include <cstddef>

namespace baton::http {

// Connections at one time. Beyond the first number a new one ends the oldest that has no request
// under way, so that nobody keeps others out by connections that say nothing.
constexpr size_t kCrowdedConnections = 48;
constexpr unsigned kMaxConnections = 64;
// Of one connection, which carries one request: from the first byte to the last of the answer.
constexpr absl::Duration kConnectionTime = absl::Seconds(20);
// A connection on which nothing happens.
constexpr absl::Duration kSilence = absl::Seconds(5);
// Of one connection: its request line, headers, and what is being sent.
constexpr size_t kConnectionBytes = 16 * 1024;
constexpr int kBacklog = 64;

// Clients that stay to be told what is new, of the connections; each for so long, then it asks
// anew.
constexpr size_t kMaxStreams = 16;
constexpr absl::Duration kStreamTime = absl::Minutes(10);
// How often it is looked whether there is something new for them, and after how long they are told
// what is not new: so that they know that somebody is there.
constexpr absl::Duration kStreamLook = absl::Milliseconds(250);
constexpr absl::Duration kStreamRepeat = absl::Seconds(2);

// How often the loop looks at times, and tries again to listen.
constexpr absl::Duration kTick = absl::Seconds(1);

// Requests that wait for a thread of their lane; what is beyond is refused.
constexpr size_t kQueuedRequests = 16;

// In /metrics: volumes and clones that have series of their own.
constexpr size_t kVolumesShown = 256;
constexpr size_t kClonesShown = 256;

static_assert(kMaxStreams <= kMaxConnections - kCrowdedConnections);
static_assert(kStreamRepeat < kSilence);

}  // namespace baton::http
