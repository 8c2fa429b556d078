// What nodes hold, in calls between controllers.
#pragma once

#include <vector>

#include "ha/io/peer_api.pb.h"
#include "engine/base/file_lock_codec.h"

namespace baton {

inline pair::AllLocks Encode(const std::vector<VolumeLocks>& all) {
  pair::AllLocks message;
  for (const VolumeLocks& held : all) {
    pair::VolumeHeld& volume = *message.add_volumes();
    volume.set_volume_id(held.volume_id);
    for (const FileLock& lock : held.locks) *volume.add_locks() = RecordOf(lock);
  }
  return message;
}

inline std::vector<VolumeLocks> Decode(const pair::AllLocks& message) {
  std::vector<VolumeLocks> all;
  for (const pair::VolumeHeld& volume : message.volumes()) {
    all.push_back({.volume_id = volume.volume_id(), .locks = LocksOf(volume.locks())});
  }
  return all;
}

}  // namespace baton
