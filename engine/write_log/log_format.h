// The bytes of a write log file. Everything stands in whole blocks (limits::kBlockBytes):
//
//   block 0                    the header
//   blocks 1 to `segments`     a record of each segment
//   then the segments          of `segment_blocks` each, in the order of their numbers
//   then a list of each        what is in a segment that is full, in `list_blocks` blocks
//
// A segment is a sequence of entries: a block with what was written where, and the data behind it.
// What is encoded fits one sector of 512 bytes at the start of its block, so that a loss of power
// leaves it old or new; the rest of the block is zero. Each checksum is seeded with the log's
// nonce: what hosts write is never taken for a part of the log, whatever they write. A list is
// longer, and may be torn.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/limits.h"

namespace baton {

struct WriteLogShape {
  uint64_t segments = limits::kWriteLogSegments;  // at most
  uint64_t segment_blocks = limits::kWriteLogSegmentBlocks;

  uint64_t FirstBlockOf(uint64_t segment) const { return 1 + segments + segment * segment_blocks; }
  uint64_t BlocksWith(uint64_t made_segments) const { return FirstBlockOf(made_segments); }
  uint64_t list_blocks() const;
  uint64_t ListBlockOf(uint64_t segment) const {
    return FirstBlockOf(segments) + segment * list_blocks();
  }
};

struct WriteLogHeader {
  uint64_t nonce = 0;  // random, of this file alone
  uint64_t epoch = 0;
  WriteLogShape shape;
};

struct SegmentRecord {
  uint64_t segment = 0;
  // Entries with a smaller sequence are nothing any more. 0: none is anything.
  uint64_t first_sequence = 0;
  uint64_t meta_sequence = 0;  // of the newest durable metadata write when it was written
};

// An entry: a host's write of whole blocks.
struct LogWrite {
  uint64_t volume_id = 0;
  uint64_t offset = 0;  // in the volume
  uint64_t length_bytes = 0;
  uint64_t sequence = 0;  // grows by one with each entry of a log; the newest one counts
  uint64_t block = 0;     // of the file, where the entry is; its data begins in the next one

  uint64_t first_block() const { return offset / limits::kBlockBytes; }  // of the volume
  uint64_t data_blocks() const { return length_bytes / limits::kBlockBytes; }
  uint64_t blocks() const { return 1 + data_blocks(); }
  // Where in the file the content of a block of the volume is, one of those that it writes.
  uint64_t BlockOf(uint64_t volume_block) const {
    return block + 1 + (volume_block - first_block());
  }
};

// Everything that counts in a segment to which nothing is added any more.
struct SegmentList {
  uint64_t segment = 0;
  uint64_t first_sequence = 0;  // as in its record; it is of another use of the segment otherwise
  std::vector<LogWrite> writes;
};

// Little-endian:
//   0  magic "BATONWLG"   8  format (u32, 1)   12  zero   16  nonce   24  epoch
//  32  segments          40  blocks a segment             504  checksum (not seeded)
void EncodeLogHeader(const WriteLogHeader& header, MutableBytes block);
// DataLoss: garbled. FailedPrecondition: of a newer format.
absl::StatusOr<WriteLogHeader> DecodeLogHeader(Bytes block);

//   0  magic "BATONWLS"   8  segment   16  first sequence   24  metadata sequence
//                                                          504  checksum
void EncodeSegmentRecord(const SegmentRecord& record, uint64_t nonce, MutableBytes block);
// nullopt: never used (the sector is all zeros). DataLoss: garbled.
absl::StatusOr<std::optional<SegmentRecord>> DecodeSegmentRecord(Bytes block, uint64_t nonce,
                                                                 uint64_t segment);

//   0  magic "BATONWLE"   8  volume   16  offset   24  length   32  sequence   40  block
//  48  checksum of the data                                    504  checksum
void EncodeLogWrite(const LogWrite& write, Bytes data, uint64_t nonce, MutableBytes block);
// The entry that begins in `blocks`, which stand at `block` of the file. nullopt: there is none
// that is whole.
std::optional<LogWrite> DecodeLogWrite(Bytes blocks, uint64_t block, uint64_t nonce);

//   0  magic "BATONWLL"   8  segment   16  first sequence   24  number of entries
//  32  each entry: volume, offset, length, sequence, block   then the checksum of all of it
// The rest of `blocks` is zero.
void EncodeSegmentList(const SegmentList& list, uint64_t nonce, MutableBytes blocks);
// nullopt: there is none that is whole.
std::optional<SegmentList> DecodeSegmentList(Bytes blocks, uint64_t nonce);

}  // namespace baton
