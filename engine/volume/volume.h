// One volume of the pool: its record, its file, its I/O path.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/volume/change_time.h"
#include "engine/volume/io_path.h"
#include "engine/volume/openings.h"
#include "engine/volume/volume_file.h"

namespace baton {

// Shared by everybody who uses it; what a user has shut down stays valid until the last lets go.
struct Volume {
  Volume(Runtime& runtime, VolumeRecord volume_record, std::unique_ptr<VolumeFile> volume_file,
         int64_t changed_unix_us)
      : id(volume_record.id()),
        name(volume_record.name()),
        record(std::move(volume_record)),
        file(std::move(volume_file)),
        path(runtime, *file),
        changed(changed_unix_us) {}

  VolumeRecord RecordNow() const {
    VolumeRecord now = record;
    now.set_size_bytes(file->size_bytes());
    now.set_importing(importing);
    now.set_changed_unix_us(changed.unix_us());
    return now;
  }

  const uint64_t id;
  const std::string name;
  // As loaded: the file's size, and `importing` and `changed` below, are what holds now.
  const VolumeRecord record;
  const std::unique_ptr<VolumeFile> file;
  IoPath path;
  ChangeTime changed;  // what hosts see: that a clone copies what the volume shows is no change
  std::atomic<bool> importing{record.importing()};
  Openings openings;
};

}  // namespace baton
