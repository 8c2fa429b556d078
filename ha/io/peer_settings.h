// The fixed numbers of the talk between controllers, in one place.
#pragma once

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>

#include "engine/base/limits.h"

namespace baton::ha {

// The version of everything that controllers say to each other. A newer one is refused.
constexpr uint32_t kProtocol = 1;

constexpr size_t kMaxPeers = 15;

// How soon a connection that was lost or refused is tried again, and how long a connection may
// take to be made, keys and hello included, before it is given up and tried again.
constexpr absl::Duration kReconnectMin = absl::Milliseconds(50);
constexpr absl::Duration kReconnectMax = absl::Milliseconds(200);
constexpr absl::Duration kHandshakeTimeout = absl::Seconds(2);

// How long a start waits for the address of a name to listen at, where none is remembered.
constexpr absl::Duration kOwnNamePatience = absl::Seconds(5);

// Connections to one port that may be there without having proven who they are; each is ended
// after kHandshakeTimeout.
constexpr size_t kMaxStrangers = 64;

// A peer that does not answer for so long is taken for gone and its connection is closed: a cut
// cable, a stopped process. Probed every kProbeInterval.
constexpr absl::Duration kProbeInterval = absl::Milliseconds(300);
constexpr absl::Duration kSilenceTimeout = absl::Milliseconds(1200);

// For how long ZeroMQ goes on sending what was queued when a socket is closed.
constexpr absl::Duration kLinger = absl::Milliseconds(500);

// Requests on one connection that were sent and not answered; more wait in their callers.
constexpr size_t kMaxInFlight = 64;

// What a peer may have at the server of calls: callers that gave up leave their requests behind.
constexpr size_t kMaxRequestsPerPeer = 2 * kMaxInFlight;
// Messages that ZeroMQ keeps for one connection, each way. Larger than what may be under way, so
// that a full queue means a peer that does not play by the rules.
constexpr int kQueuedMessages = 4 * kMaxInFlight;
constexpr int kQueuedHeartbeats = 32;

constexpr int kCallWorkers = 8;

// Connections of one session of forwarded I/O; each has one request under way. As many as requests
// that a mount serves at one time (fs/mount_settings.h).
constexpr size_t kStreamsPerPeer = 16;
// Streams beyond these that were lost while a request of theirs runs; one more, and the session has
// to be begun anew.
constexpr size_t kLostStreamsPerPeer = 4;
// A further stream of a session that could not be made is not tried for so long; those that there
// are go on.
constexpr absl::Duration kExtraStreamRetry = absl::Seconds(5);
// TCP probes a stream that is silent for so long, and as much later gives it up: when nothing comes
// back any more, each end closes it within kStreamGone (timers are late by some percent). Data that
// is not acknowledged for kSilenceTimeout ends it sooner.
constexpr absl::Duration kStreamProbe = absl::Seconds(1);
constexpr absl::Duration kStreamGone = absl::Milliseconds(2100);
// The text of an error that answers a forwarded request, in bytes; what is beyond is cut.
constexpr size_t kMaxAnswerText = 512;

// A subscription that brings nothing for so long is made anew.
constexpr absl::Duration kHeartbeatRenewal = absl::Seconds(1);

// Clones whose progress one heartbeat tells; the text of its health and state, in bytes.
constexpr int kMaxClonesPerHeartbeat = 256;
constexpr int kMaxHeartbeatText = 512;
constexpr size_t kMaxCloneStateText = 32;
constexpr size_t kMaxHeartbeatBytes = 64 * limits::kKiB;

static_assert(kReconnectMin < kReconnectMax);
static_assert(kProbeInterval < kSilenceTimeout);
static_assert(kStreamProbe < kSilenceTimeout && kSilenceTimeout < kStreamGone);
static_assert(limits::kMaxRequestBytes < limits::kMaxMessageBytes);
static_assert(kMaxStrangers >= 3 * kMaxPeers, "all peers may come at one time");
// Three ports; each peer has some ten descriptors more, and its streams. Metadata has the rest.
static_assert(3 * kMaxStrangers + (10 + kStreamsPerPeer + kLostStreamsPerPeer) * kMaxPeers <
              limits::kDescriptorReserve * 2 / 3);

}  // namespace baton::ha
