// What one peer's mount has open with the owner, by what the peer says.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/volume_io.h"
#include "ha/io/peer_api.pb.h"

namespace baton::ha {

// Changes are numbered by the peer (VolumeServer) and count in that order, however late one of them
// comes. A volume counts as open while its handle is kept here. Handles that are not needed any
// more are given back, so that the caller destroys them without its lock. Not thread-safe.
class PeerOpens {
 public:
  using Io = std::shared_ptr<VolumeIo>;
  using Handles = absl::flat_hash_map<uint64_t, Io>;  // by volume

  // Keeps `io` for the volume, unless there is one or a later change has closed it. False: the peer
  // has booted since it told its set, and must tell the new one first.
  bool Open(const peer_api::OpenChange& change, Io io);
  // The handle that was kept; null: none, or a later change has opened the volume.
  Io Close(const peer_api::OpenChange& change);
  // The peer's whole set, with a handle for each volume of it; those that are not needed stay in
  // `opened`. Returns what is closed by it.
  std::vector<Io> Replace(const peer_api::OpenSet& set, Handles& opened);
  // A request uses a volume that nobody has told of yet.
  void NoteUse(uint64_t id, Io io);

  Io Find(uint64_t id) const;
  // The peer has told its whole set.
  bool told() const { return told_; }

 private:
  struct Entry {
    Io io;               // null: closed by the change `order`
    uint64_t order = 0;  // of the last change
  };

  // The first change tells which one it is.
  bool IsOfThisBoot(const peer_api::OpenChange& change);
  bool IsLate(uint64_t order, const Entry& entry) const;

  std::string boot_id_;
  uint64_t set_order_ = 0;
  bool told_ = false;
  absl::flat_hash_map<uint64_t, Entry> entries_;
};

}  // namespace baton::ha
