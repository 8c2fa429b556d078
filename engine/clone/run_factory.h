// Makes the runs of a pool's clones.
#pragma once

#include <memory>

#include "engine/base/model.pb.h"
#include "engine/clone/clone_run.h"
#include "engine/volume/volume_table.h"

namespace baton {

// Thread-safe.
class RunFactory {
 public:
  RunFactory(const CopyServices& services, const VolumeTable& volumes)
      : services_(services), volumes_(volumes) {}

  // Of record.run_id(), before T0: nothing is copied. REQUIRES: both volumes are there.
  std::shared_ptr<CloneRun> Make(const RelationRecord& record) const {
    const CloneRun::Options options = {.run_id = record.run_id(),
                                       .keeps_digests = !record.no_digests(),
                                       .fails_writes = record.on_error() == FAIL_WRITE,
                                       .geometry = {record.size_bytes(), record.extent_bytes()}};
    return std::make_shared<CloneRun>(services_, options, volumes_.Find(record.source()),
                                      volumes_.Find(record.target()));
  }

 private:
  const CopyServices services_;
  const VolumeTable& volumes_;
};

}  // namespace baton
