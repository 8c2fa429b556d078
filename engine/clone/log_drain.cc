#include "engine/clone/log_drain.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/retry.h"
#include "engine/base/side_by_side.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using limits::kBlockBytes;
constexpr absl::Duration kBetweenAttempts = absl::Seconds(1);

size_t ThreadsFor(const WriteLog::Batch& batch) {
  return batch.is_urgent ? limits::kDrainThreads : 1;
}

// Consecutive pieces of one volume.
template <typename Pieces>
size_t EndOfVolume(const Pieces& pieces, size_t begin) {
  size_t end = begin + 1;
  while (end < pieces.size() && pieces[end].redirect == pieces[begin].redirect) ++end;
  return end;
}

// In order and apart. Neighbours become one, which is not much longer than `max_extents`: what
// threads are to share must be in pieces.
template <typename Pieces>
std::vector<ExtentSpan> ExtentsOf(const Geometry& geometry, const Pieces& pieces,
                                  uint64_t max_extents) {
  std::vector<ExtentSpan> spans;
  for (const auto& piece : pieces) {
    const ExtentSpan touched =
        geometry.Touching(piece.block * kBlockBytes, piece.count * kBlockBytes);
    const bool overlaps = !spans.empty() && touched.first < spans.back().end();
    const bool extends =
        !spans.empty() && touched.first == spans.back().end() && spans.back().count < max_extents;
    if (overlaps || extends) {
      spans.back().count = std::max(spans.back().end(), touched.end()) - spans.back().first;
    } else {
      spans.push_back(touched);
    }
  }
  return spans;
}

}  // namespace

LogDrain::LogDrain(Runtime& runtime, WriteLog& log, const Redirects& redirects, Fault& fault,
                   OnFailed on_failed)
    : runtime_(runtime),
      log_(log),
      redirects_(redirects),
      fault_(fault),
      on_failed_(std::move(on_failed)),
      memory_(limits::kDrainThreads * limits::kMaxCopyBytes) {}

void LogDrain::Start() {
  thread_ = runtime_.StartThread("log-drain", [this] { Work(); });
}

void LogDrain::Work() {
  log_.RemoveDrained();
  while (const std::optional<WriteLog::Batch> batch = log_.Take()) {
    const absl::Status drained = Drain(*batch);
    if (drained.ok()) continue;
    if (log_.GoOn().ok()) (void)log_.Fail(drained);
    return;
  }
}

absl::Status LogDrain::Drain(const WriteLog::Batch& batch) {
  std::vector<std::shared_ptr<Redirect>> redirects;
  const std::vector<Piece> pieces = PiecesOf(batch, redirects);
  if (BATON_MUTANT(kAppliedBeforePreserved)) {
    BATON_RETURN_IF_ERROR(Apply(batch, pieces));
    BATON_RETURN_IF_ERROR(Preserve(batch, pieces));
    return log_.Free(batch);
  }
  BATON_RETURN_IF_ERROR(Preserve(batch, pieces));
  BATON_RETURN_IF_ERROR(Apply(batch, pieces));
  return log_.Free(batch);
}

// In the order of volumes and blocks. A block with newer content in the log comes with a later
// batch; a volume that is gone needs nothing.
std::vector<LogDrain::Piece> LogDrain::PiecesOf(
    const WriteLog::Batch& batch, std::vector<std::shared_ptr<Redirect>>& redirects) const {
  std::vector<Piece> pieces;
  for (const LogWrite& write : batch.writes) {
    std::shared_ptr<Redirect> redirect = redirects_.Find(write.volume_id);
    if (redirect == nullptr) continue;
    bool goes_on = false;
    for (uint64_t i = 0; i < write.data_blocks(); ++i) {
      const uint64_t block = write.first_block() + i;
      const bool is_newest = log_.IsNewest(batch, write, block);
      if (is_newest && goes_on) ++pieces.back().count;
      if (is_newest && !goes_on) pieces.push_back({redirect.get(), block, 1, &write});
      goes_on = is_newest;
    }
    redirects.push_back(std::move(redirect));
  }
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
    const uint64_t volume_a = a.redirect->volume()->id;
    const uint64_t volume_b = b.redirect->volume()->id;
    return volume_a != volume_b ? volume_a < volume_b : a.block < b.block;
  });
  return pieces;
}

// Work that was given up tells more than work that failed.
absl::Status LogDrain::InParts(size_t threads, size_t count, PartWork work) {
  const size_t parts = std::clamp<size_t>(count, 1, threads);
  std::array<absl::Status, limits::kDrainThreads> results;
  SideBySide(runtime_, "drain-part", parts, [&](size_t part) {
    const MutableBytes buffer = {memory_.data() + part * limits::kMaxCopyBytes,
                                 limits::kMaxCopyBytes};
    results[part] = work(count * part / parts, count * (part + 1) / parts, buffer);
  });
  absl::Status status;
  for (const absl::Status& result : results) {
    if (absl::IsAborted(result)) return result;
    status.Update(result);
  }
  return status;
}

absl::Status LogDrain::Preserve(const WriteLog::Batch& batch, std::span<const Piece> pieces) {
  const size_t threads = ThreadsFor(batch);
  const uint64_t extents_per_step = limits::kDrainExtents / threads;
  for (size_t begin = 0; begin < pieces.size();) {
    const size_t end = EndOfVolume(pieces, begin);
    const std::span<const Piece> of_volume = pieces.subspan(begin, end - begin);
    for (const std::shared_ptr<CloneRun>& run : pieces[begin].redirect->Runs()) {
      if (run->phase() != CloneRun::Phase::kActive) continue;
      const std::vector<ExtentSpan> extents =
          ExtentsOf(run->geometry(), of_volume, extents_per_step);
      const absl::Status copied =
          InParts(threads, extents.size(), [&](size_t first, size_t last, MutableBytes buffer) {
            return run->CopyAll(std::span(extents).subspan(first, last - first), extents_per_step,
                                buffer, [this] { return log_.GoOn(); });
          });
      if (absl::IsAborted(copied)) return copied;
      if (!copied.ok()) BATON_RETURN_IF_ERROR(on_failed_(run->progress().run_id, copied));
    }
    begin = end;
  }
  return absl::OkStatus();
}

absl::Status LogDrain::Apply(const WriteLog::Batch& batch, std::span<const Piece> pieces) {
  bool was_stuck = false;
  while (true) {
    const absl::Status applied = ApplyOnce(batch, pieces);
    if (applied.ok() && was_stuck) {
      spdlog::info("storage takes the writes of the write log again");
      log_.SetStuck(absl::OkStatus());
    }
    if (applied.ok() || absl::IsAborted(applied) || !log_.GoOn().ok()) return applied;
    BATON_RETURN_IF_ERROR(fault_.Check());  // a sync has failed: nobody of this node goes on
    if (!was_stuck) {
      spdlog::error("storage does not take writes of the write log; it is tried again: {}",
                    Message(applied));
    }
    was_stuck = true;
    log_.SetStuck(applied);
    Rest(runtime_, kBetweenAttempts);
  }
}

absl::Status LogDrain::ApplyOnce(const WriteLog::Batch& batch, std::span<const Piece> pieces) {
  // In any order: no two pieces have a block in common.
  BATON_RETURN_IF_ERROR(InParts(
      ThreadsFor(batch), pieces.size(), [&](size_t first, size_t last, MutableBytes buffer) {
        return WritePieces(batch, pieces.subspan(first, last - first), buffer);
      }));
  if (BATON_MUTANT(kDrainSkipsSourceSync)) return absl::OkStatus();
  for (size_t begin = 0; begin < pieces.size(); begin = EndOfVolume(pieces, begin)) {
    BATON_RETURN_IF_ERROR(pieces[begin].redirect->volume()->file->Flush());
  }
  return absl::OkStatus();
}

absl::Status LogDrain::WritePieces(const WriteLog::Batch& batch, std::span<const Piece> pieces,
                                   MutableBytes buffer) {
  for (const Piece& piece : pieces) {
    BATON_RETURN_IF_ERROR(log_.GoOn());
    const MutableBytes data = buffer.first(piece.count * kBlockBytes);
    BATON_RETURN_IF_ERROR(log_.ReadData(batch, *piece.write, piece.block, data));
    BATON_RETURN_IF_ERROR(piece.redirect->volume()->file->Write(piece.block * kBlockBytes, data));
  }
  return absl::OkStatus();
}

}  // namespace baton
