#include "engine/base/aio_contexts.h"

#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr size_t kMax = AioContexts::kMaxWrites;

iocb DurableWrite(const AioContexts::Piece& piece) {
  iocb block = {};
  io_prep_pwrite(&block, piece.file->fd(), const_cast<std::byte*>(piece.data.data()),
                 piece.data.size(), static_cast<long long>(piece.offset));
  block.aio_rw_flags = RWF_DSYNC;
  return block;
}

// The outcome of one write; what a short one left is written here.
absl::Status Finish(const AioContexts::Piece& piece, const io_event& event) {
  const auto result = static_cast<long>(event.res);
  if (result < 0) return ErrnoStatus(static_cast<int>(-result), "write", piece.file->name());
  const uint64_t unit = piece.file->alignment().offset_bytes;
  const uint64_t done = static_cast<uint64_t>(result) / unit * unit;
  if (done == piece.data.size()) return absl::OkStatus();
  return piece.file->Write(piece.offset + done, piece.data.subspan(done), WriteMode::kDurable);
}

// Issues blocks[0..count); returns how many the kernel took, and why not all in `error`.
size_t Submit(io_context_t context, std::array<iocb*, kMax>& blocks, size_t count, int& error) {
  size_t taken = 0;
  error = 0;
  while (taken < count) {
    const int result = ::io_submit(context, static_cast<long>(count - taken), &blocks[taken]);
    if (result == -EINTR) continue;
    if (result <= 0) {
      error = result == 0 ? EAGAIN : -result;
      break;
    }
    taken += static_cast<size_t>(result);
  }
  return taken;
}

// Collects `count` events; 0 or an errno.
int Collect(io_context_t context, std::array<io_event, kMax>& events, size_t count) {
  size_t seen = 0;
  while (seen < count) {
    const long missing = static_cast<long>(count - seen);
    const int result = ::io_getevents(context, missing, missing, &events[seen], nullptr);
    if (result < 0 && result != -EINTR) return -result;
    if (result > 0) seen += static_cast<size_t>(result);
  }
  return 0;
}

}  // namespace

AioContexts::~AioContexts() {
  for (io_context_t context : idle_) ::io_destroy(context);
}

absl::StatusOr<io_context_t> AioContexts::Take() {
  {
    absl::MutexLock lock(&mutex_);
    if (!idle_.empty()) {
      io_context_t context = idle_.back();
      idle_.pop_back();
      return context;
    }
  }
  io_context_t context = nullptr;
  const int result = ::io_setup(static_cast<int>(kMaxWrites), &context);
  if (result < 0) return ErrnoStatus(-result, "io_setup for", "writes side by side");
  return context;
}

void AioContexts::Return(io_context_t context) {
  absl::MutexLock lock(&mutex_);
  idle_.push_back(context);
}

absl::Status AioContexts::WriteAll(std::span<const Piece> pieces) {
  BATON_ASSIGN_OR_RETURN(io_context_t context, Take());
  std::array<iocb, kMax> blocks;
  std::array<iocb*, kMax> pointers;
  std::array<io_event, kMax> events;
  for (size_t i = 0; i < pieces.size(); ++i) {
    blocks[i] = DurableWrite(pieces[i]);
    pointers[i] = &blocks[i];
  }
  int submit_error = 0;
  const size_t taken = Submit(context, pointers, pieces.size(), submit_error);
  if (const int error = Collect(context, events, taken); error != 0) {
    // The buffers belong to the caller again only when nothing is in flight: io_destroy waits.
    ::io_destroy(context);
    return ErrnoStatus(error, "io_getevents for", "writes side by side");
  }
  Return(context);
  absl::Status status;
  for (size_t i = 0; i < taken; ++i) {
    status.Update(Finish(pieces[static_cast<size_t>(events[i].obj - blocks.data())], events[i]));
  }
  if (submit_error != 0)
    status.Update(ErrnoStatus(submit_error, "write", pieces[taken].file->name()));
  return status;
}

}  // namespace baton
