// What nodes hold, in calls between controllers.
#pragma once

#include <vector>

#include "engine/base/file_lock_codec.h"
#include "ha/io/peer_api.pb.h"

namespace baton::ha {

inline peer_api::AllLocks Encode(const std::vector<VolumeLocks>& all) {
  peer_api::AllLocks message;
  for (const VolumeLocks& held : all) {
    peer_api::VolumeHeld& volume = *message.add_volumes();
    volume.set_volume_id(held.volume_id);
    for (const FileLock& lock : held.locks) *volume.add_locks() = RecordOf(lock);
  }
  return message;
}

inline std::vector<VolumeLocks> Decode(const peer_api::AllLocks& message) {
  std::vector<VolumeLocks> all;
  for (const peer_api::VolumeHeld& volume : message.volumes()) {
    all.push_back({.volume_id = volume.volume_id(), .locks = LocksOf(volume.locks())});
  }
  return all;
}

}  // namespace baton::ha
