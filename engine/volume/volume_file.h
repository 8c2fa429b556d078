// A volume as a flat file: exact for any offset and length, fenced, and stopped by a failed sync.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "engine/base/buffer_pool.h"
#include "engine/base/fence.h"
#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/base/volume_io.h"
#include "engine/volume/group_sync.h"
#include "engine/volume/range_lock.h"

namespace baton {

// The bottom of every I/O path. Thread-safe; allocates nothing on the way of a request that
// succeeds.
//
// A request whose offset, length and address satisfy the file's alignment goes straight through.
// Any other one is written back through a buffer of the pool in pieces: what a write covers only in
// part is read, changed and written back under an exclusive lock of those blocks, and every other
// write holds a shared lock of its blocks, so that writing back never undoes a write beside it.
// Of two requests that overlap in bytes at one time either may win, block by block, as on a disk.
//
// The fence is asked before anything is issued that changes the file, and again before anything,
// reads too, is answered; its error is returned.
//
// A failed sync is final: what was cached may be lost, so every later call (reads, too) and every
// write that has not been acknowledged yet returns the same DataLoss, and `on_fault` is called
// once. Any other error of the file is returned and changes nothing for the next call.
class VolumeFile final : public VolumeIo {
 public:
  struct Options {
    Runtime& runtime;
    const Fence& fence;
    // Buffers of at least one block; one that is a block or two longer than a request carries it
    // in one piece. Callers must not hold a buffer of this pool themselves.
    BufferPool& bounce;
    std::unique_ptr<File> file;  // opened direct, except for DURABILITY_NONE
    uint64_t size_bytes = 0;     // a multiple of 4 KiB, not beyond the end of the file
    Durability durability = DURABILITY_NODE;
    bool keeps_space = false;                           // a discard zeroes in place
    std::function<void(const absl::Status&)> on_fault;  // from any thread, no lock held
  };
  explicit VolumeFile(Options options);

  uint64_t size_bytes() const override { return size_bytes_; }
  // REQUIRES: not less than before, and the file has that many bytes.
  void GrowTo(uint64_t size_bytes) { size_bytes_ = size_bytes; }
  absl::Status Read(uint64_t offset, MutableBytes out) override;
  // Durable at once in DURABILITY_SYNC, with the next Flush otherwise.
  absl::Status Write(uint64_t offset, Bytes data) override;
  absl::Status Flush() override;
  // Whole blocks of the range are durable when it returns OK.
  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override;

  // As Write, and durable when it returns OK, whatever the volume's durability.
  absl::Status WriteDurable(uint64_t offset, Bytes data);

  // The first range inside the volume that holds data at or after `offset`.
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t offset) const;

  // OK, or the failed sync that stopped the volume.
  absl::Status Health() const { return sync_.Health(); }

  // For writes that are issued side by side with others (durable ones: of a direct file only). What
  // goes to the file directly passes neither fence nor lock: the caller checks the fence, and keeps
  // partial writes of the same blocks away by other means.
  File& file() { return *file_; }

 private:
  absl::Status CheckRange(uint64_t offset, uint64_t length_bytes) const;
  bool IsWhole(uint64_t offset, uint64_t length_bytes) const;
  bool IsDirect(uint64_t offset, Bytes bytes) const;
  ByteRange BlocksAround(uint64_t offset, uint64_t length_bytes) const;
  uint64_t PieceBytes(uint64_t offset, uint64_t length_bytes) const;

  absl::Status ReadBounced(uint64_t offset, MutableBytes out) const;
  absl::Status WriteWith(WriteMode mode, uint64_t offset, Bytes data);
  absl::Status WriteBytes(WriteMode mode, uint64_t offset, Bytes data);
  absl::Status WriteBounced(WriteMode mode, uint64_t offset, Bytes data);
  absl::Status ReadEdges(uint64_t offset, uint64_t length_bytes, ByteRange blocks,
                         MutableBytes buffer) const;
  absl::Status DiscardBytes(uint64_t offset, uint64_t length_bytes);
  absl::Status DiscardBlocks(ByteRange blocks);
  absl::Status Issue(WriteMode mode, uint64_t offset, Bytes data);
  absl::Status MayAcknowledge() const;

  const Fence& fence_;
  BufferPool& bounce_;
  const std::unique_ptr<File> file_;
  std::atomic<uint64_t> size_bytes_;  // only grows
  const WriteMode mode_;
  const bool keeps_space_;
  const IoAlignment alignment_;
  const uint64_t bounce_bytes_;  // whole blocks that one buffer carries
  RangeLock lock_;
  GroupSync sync_;
};

}  // namespace baton
