// A limit on everything, in one place, relations asserted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::limits {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;
constexpr uint64_t kTiB = 1024 * kGiB;

// Unit of volume sizes, intent slots, lease records; the largest direct-I/O alignment supported.
constexpr uint64_t kBlockBytes = 4 * kKiB;

constexpr uint64_t kMaxVolumes = 4096;
constexpr uint64_t kMaxVolumeBytes = 64 * kTiB;
constexpr size_t kMaxNameBytes = 63;
// Each volume has its file open. Volumes leave so many descriptors of the process to everything
// else: metadata, the lease, connections.
constexpr uint64_t kDescriptorReserve = 1024;
constexpr uint64_t kDescriptors = kMaxVolumes + kDescriptorReserve;
constexpr uint64_t kMaxActiveRelations = 256;

constexpr uint64_t kMinExtentBytes = 4 * kKiB;
constexpr uint64_t kMaxExtentBytes = 4 * kMiB;
constexpr uint64_t kDefaultExtentBytes = 64 * kKiB;
// Of one relation, because of the memory for its bits (128 MiB): what the largest volume has by
// default.
constexpr uint64_t kMaxExtents = kMaxVolumeBytes / kDefaultExtentBytes;

// A host request: what the FUSE session negotiates; longer ones are split by the kernel.
constexpr uint64_t kMaxRequestBytes = 1 * kMiB;
// A discard of any length is done in pieces of at most so much: between two of them a handover, the
// instant of a clone or the end of the session may come, and nobody waits for the rest.
constexpr uint64_t kDiscardPieceBytes = 64 * kMiB;

// Extents of one relation that may be copying at one time: what a crash can make us copy again.
constexpr uint64_t kMaxExtentsInFlight = 64;
// One copy: consecutive extents that are read and written at once.
constexpr uint64_t kMaxExtentsPerCopy = 16;
constexpr uint64_t kMaxCopyBytes = 1 * kMiB;  // one extent that is larger is copied in pieces
// Of the extents in flight, those that only host writes may use.
constexpr uint64_t kExtentsForHostWrites = 16;
constexpr int kCopyWorkers = 3;
constexpr int kCopyAttempts = 5;
constexpr int kCopyRetryDelayMs = 20;  // doubled at each attempt
// What a latency target leaves to a copy at least; and the targets that there may be.
constexpr uint64_t kCopyFloorBytesPerSecond = 1 * kMiB;
constexpr uint64_t kMinLatencyTargetUs = 100;
constexpr uint64_t kMaxLatencyTargetUs = 10'000'000;
// Holes are recorded in longer runs: nothing is copied, nothing can be copied twice.
constexpr uint64_t kMaxExtentsPerHole = 32768;
// Digests that a certificate or a verification takes at once.
constexpr uint64_t kMaxDigestsAtOnce = 4096;
// Buffers of kMaxCopyBytes that host writes to fresh extents share.
constexpr int kCopyBuffers = 16;

// The intent log: entries of a slot (one block) and room for preserved data.
constexpr uint64_t kLogEntries = 128;
constexpr uint64_t kLogDataBytes = 64 * kKiB;
// Preserved data is brought from the intent log to its target in batches: whichever comes first.
constexpr uint64_t kWritebackBatch = 32;
constexpr int kWritebackDelayMs = 50;
// The write log: segments of an epoch's file, and blocks of one. 256 MiB hold 32,000 writes of one
// block, which is a second of what hosts write at most (docs/performance.md).
constexpr uint64_t kWriteLogSegments = 64;
constexpr uint64_t kWriteLogSegmentBlocks = 1024;
// A longer write is not logged: to preserve what it overwrites costs less than writing it twice.
constexpr uint64_t kMaxLoggedBytes = 64 * kKiB;
// Of that size, for writes that are merged with what the write log has of their blocks.
constexpr size_t kMergeBuffers = 4;
// While hosts write, what is logged stays there: it is drained when they have logged nothing for
// the first of these times, when it is as old as the second, or when more than this share of the
// segments waits to be drained, in percent.
constexpr int kWriteLogIdleMs = 50;
constexpr int kWriteLogMaxAgeMs = 1000;
constexpr uint64_t kWriteLogKeepPercent = 25;
// Of the segments in use, in percent: above the first, writes to fresh extents are slowed down, by
// up to kWriteLogMaxDelayUs; above the second they are not logged any more.
constexpr uint64_t kWriteLogSlowPercent = 50;
constexpr uint64_t kWriteLogFullPercent = 85;
constexpr uint64_t kWriteLogMaxDelayUs = 5000;
// A seal waits so long at most for a log with so few blocks to be drained. Hosts wait meanwhile:
// the rest is for the next owner.
constexpr int kWriteLogSealMs = 50;
constexpr uint64_t kWriteLogSealBlocks = 64;
// Extents that draining the write log copies to a target between two syncs of it. As long as hosts
// do not wait for that they notice less of one thread; otherwise so many threads share them.
constexpr uint64_t kDrainExtents = 48;
constexpr size_t kDrainThreads = 4;
// Bits are landed in batches: whichever comes first.
constexpr uint64_t kLandingBatch = 64;
constexpr int kLandingDelayMs = 100;

// Extents whose bits share one row of the `bitmap` column family.
constexpr uint64_t kExtentsPerBitmapPage = 32768;

// Events that are kept; the oldest ones are dropped a page at a time.
constexpr uint64_t kMaxEvents = 100'000;

// Metadata of earlier epochs that is kept, and how often a copy begins again when files vanish.
constexpr size_t kSealedEpochsKept = 2;
constexpr int kEpochCopyAttempts = 20;
// Lease records of earlier epochs that are kept.
constexpr size_t kLeaseRecordsKept = 16;

// Volumes that are synced at one time when an engine is sealed.
constexpr size_t kSealThreads = 16;

// Runs of extents listed in one answer; what is beyond is counted, not listed.
constexpr size_t kMaxRunsShown = 10000;

// Kept back on the storage for the metadata of the next epoch: its logs are copied.
constexpr uint64_t kReserveBytes = 32 * kMiB;
// A thick volume takes its space in slices, and leaves kReserveBytes to everybody else.
constexpr uint64_t kThickSliceBytes = 256 * kMiB;

// Messages between processes, header included.
constexpr size_t kMaxMessageBytes = kMaxRequestBytes + 64 * kKiB;

static_assert(kMinExtentBytes >= kBlockBytes);
static_assert(kMaxCopyBytes >= kMinExtentBytes);
static_assert(kMaxCopyBytes >= kLogDataBytes);
static_assert(kLogDataBytes >= kDefaultExtentBytes && kLogDataBytes % kBlockBytes == 0);
static_assert(kCopyWorkers * kMaxExtentsPerCopy + kExtentsForHostWrites <= kMaxExtentsInFlight,
              "the background copier never keeps a host write waiting for room");
static_assert(kExtentsForHostWrites >= kMaxExtentsPerCopy);
// They are held while the drain waits for more.
static_assert(kDrainExtents + kExtentsForHostWrites <= kMaxExtentsInFlight);
static_assert(kLandingBatch + kWritebackBatch < kLogEntries,
              "writers must find entries while batches are under way");

}  // namespace baton::limits
