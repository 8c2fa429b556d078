// Verify: read the target again and compare it with the digests of T0.
#include <algorithm>

#include "engine/base/status.h"
#include "engine/clone/certificate.h"
#include "engine/clone/clones.h"

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

}  // namespace

absl::StatusOr<VerifyReport> Clones::Verify(
    uint64_t id, const std::function<bool(uint64_t done, uint64_t total)>& progress) const {
  BATON_ASSIGN_OR_RETURN(const RelationPtr relation, GetFor(Action::kVerify, id));
  const RelationRecord record = RecordOf(*relation);
  if (record.no_digests()) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "clone {} keeps no digests (it was created with --no-digests): there is nothing "
                 "to compare with",
                 id);
  }
  const std::shared_ptr<Volume> target = volumes_.Find(record.target());
  const Geometry geometry{record.size_bytes(), record.extent_bytes()};
  const uint64_t total = geometry.extents();
  BufferPool pool(runtime_, 1, limits::kMaxCopyBytes);
  const BufferPool::Lease buffer = pool.Acquire();
  Certifier now(geometry);
  VerifyReport report;
  report.set_id(id);
  report.set_extents_total(total);
  report.set_certificate(record.certificate());
  BATON_RETURN_IF_ERROR(ForEachDigest(
      catalog_, record.run_id(), geometry,
      [&](uint64_t extent, const Digest& expected) -> absl::Status {
        BATON_ASSIGN_OR_RETURN(const Digest found,
                               DigestOfExtent(target->path, geometry, extent, buffer.bytes()));
        now.Add(found);
        if (found != expected) AddDiffering(extent, report);
        report.set_extents_checked(extent + 1);
        if (progress && !progress(extent + 1, total)) return absl::CancelledError("given up");
        return absl::OkStatus();
      }));
  report.set_certificate_now(now.Result());
  return report;
}

}  // namespace baton
