#include "engine/clone/clone_verifier.h"

#include <algorithm>
#include <optional>

#include "engine/base/buffer_pool.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/clone/certificate.h"
#include "engine/clone/digester.h"

namespace baton {
namespace {

void AddDiffering(uint64_t extent, VerifyReport& report) {
  report.set_extents_differing(report.extents_differing() + 1);
  const int runs = report.differing_size();
  if (runs > 0) {
    ExtentRun& last = *report.mutable_differing(runs - 1);
    if (last.first() + last.count() == extent) {
      last.set_count(last.count() + 1);
      return;
    }
  }
  if (static_cast<size_t>(runs) >= limits::kMaxRunsShown) return;
  ExtentRun& run = *report.add_differing();
  run.set_first(extent);
  run.set_count(1);
}

// The digests of a volume as it is now. What its file says is a hole is not read.
class TargetDigests {
 public:
  TargetDigests(Runtime& runtime, Volume& volume, const Geometry& geometry)
      : volume_(volume),
        geometry_(geometry),
        zeros_(geometry),
        pool_(runtime, 1, limits::kMaxCopyBytes),
        buffer_(pool_.Acquire()) {}

  // `is_file`, which is asked now and then: its file holds what the volume shows.
  absl::StatusOr<Digest> Of(uint64_t extent, absl::FunctionRef<bool()> is_file) {
    const uint64_t begin = geometry_.OffsetOf(extent);
    if (begin >= data_.end) {
      data_ = {begin, geometry_.size_bytes};
      if (is_file()) BATON_RETURN_IF_ERROR(FindData(begin));
    }
    if (begin + geometry_.BytesOf({extent, 1}) <= data_.begin) return zeros_.Of(extent);
    return DigestOfExtent(volume_.path, geometry_, extent, buffer_.bytes());
  }

 private:
  absl::Status FindData(uint64_t begin) {
    const DataRange none = {geometry_.size_bytes, geometry_.size_bytes};
    BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> found, volume_.file->NextData(begin));
    data_ = found.value_or(none);
    return absl::OkStatus();
  }

  Volume& volume_;
  const Geometry geometry_;
  const ZeroDigests zeros_;
  BufferPool pool_;
  const BufferPool::Handle buffer_;
  DataRange data_;  // the next one from the last extent on; a hole lies before it
};

}  // namespace

absl::StatusOr<VerifyReport> CloneVerifier::Verify(uint64_t id,
                                                   const VerifyProgress& progress) const {
  BATON_ASSIGN_OR_RETURN(const Relation relation, checks_.GetFor(Action::kVerify, id));
  const RelationRecord& record = relation.record;
  if (record.no_digests()) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "clone {} keeps no digests (it was created with --no-digests): there is nothing "
                 "to compare with",
                 id);
  }
  const std::shared_ptr<Volume> target = volumes_.Find(record.target());
  const Geometry geometry{record.size_bytes(), record.extent_bytes()};
  const uint64_t total = geometry.extents();
  TargetDigests digests(runtime_, *target, geometry);
  Certifier now(geometry);
  VerifyReport report;
  report.set_id(id);
  report.set_extents_total(total);
  report.set_certificate(record.certificate());
  const auto is_file = [&] { return !table_.HasView(target->name); };
  const auto check = [&](uint64_t first, std::span<const Digest> expected) -> absl::Status {
    for (uint64_t extent = first; extent < first + expected.size(); ++extent) {
      BATON_ASSIGN_OR_RETURN(const Digest found, digests.Of(extent, is_file));
      now.Add({&found, 1});
      if (found != expected[extent - first]) AddDiffering(extent, report);
      report.set_extents_checked(extent + 1);
      if (progress && !progress(extent + 1, total)) return absl::CancelledError("given up");
    }
    return absl::OkStatus();
  };
  BATON_RETURN_IF_ERROR(ForEachDigest(catalog_, record.run_id(), geometry, check));
  report.set_certificate_now(now.Result());
  return report;
}

}  // namespace baton
