// The fixed numbers of the keeper, in one place.
#pragma once

#include <absl/time/time.h>

#include <cstddef>

namespace baton::keeper {

// Between processes of one machine; the INIT bytes are some 100.
constexpr size_t kMaxPacketBytes = 64 * 1024;
constexpr size_t kMaxDescriptors = 8;

// How often a controller shows that it is alive.
constexpr absl::Duration kBeatPeriod = absl::Milliseconds(200);
constexpr absl::Duration kDefaultLivenessTimeout = absl::Seconds(3);
constexpr absl::Duration kMinLivenessTimeout = absl::Seconds(1);
// The first beat is waited for at least so long: a process that is being loaded on a
// busy machine has done nothing yet that could hang.
constexpr absl::Duration kFirstBeatLimit = absl::Seconds(30);
// A keeper that was itself kept from running for so long judges nobody by it.
constexpr absl::Duration kOwnDelay = absl::Seconds(1);

// A controller that served for so long has recovered from whatever ended the ones before.
constexpr absl::Duration kHealthyAfter = absl::Seconds(10);
constexpr int kDeathsOfALoop = 8;
constexpr absl::Duration kFirstBackoff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
constexpr absl::Duration kLoopPause = absl::Seconds(30);
// Killed from outside before it served: not a fault of its own.
constexpr absl::Duration kKilledBackoff = absl::Milliseconds(2);
constexpr absl::Duration kMaxKilledBackoff = absl::Milliseconds(50);

// An upgrade: how long the new process may take to be warm, and the old one to drain.
constexpr absl::Duration kWarmLimit = absl::Seconds(10);
constexpr absl::Duration kDrainLimit = absl::Seconds(10);

// The spare: started when a controller has served for so long, so that one which ends again and
// again costs no more for it. After a failure twice as long each time.
constexpr absl::Duration kSpareDelay = absl::Seconds(1);
constexpr absl::Duration kMaxSpareDelay = absl::Minutes(1);
// A spare that has not beaten for so long is of no use.
constexpr absl::Duration kSpareSilence = absl::Seconds(1);

// `timeout` and terminals send the same signal several times within moments.
constexpr absl::Duration kSameSignal = absl::Seconds(1);

static_assert(kBeatPeriod < kMinLivenessTimeout);
static_assert(kBeatPeriod < kSpareSilence);
static_assert(kMaxKilledBackoff < kFirstBackoff);
static_assert(kMaxBackoff < kLoopPause);

}  // namespace baton::keeper
