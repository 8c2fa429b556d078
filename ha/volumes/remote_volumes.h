// The volumes of a pool that a peer owns: what the mount of a standby shows.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "ha/io/peer_api.pb.h"
#include "ha/io/peer_network.h"
#include "ha/volumes/volume_server.h"

namespace baton::ha {

// Asks one peer. Whatever the peer cannot answer, because it is not there or not the owner (any
// more), is Aborted. Thread-safe.
class RemoteVolumes final : public VolumeServer {
 public:
  // `runtime` and `network` outlive this and every handle. `boot_id`: of this node.
  RemoteVolumes(Runtime& runtime, PeerNetwork& network, std::string peer, std::string boot_id)
      : runtime_(runtime),
        network_(network),
        peer_(std::move(peer)),
        boot_id_(std::move(boot_id)) {}

  // The epoch that the peer owns. Handles that were opened before do not follow.
  void SetEpoch(uint64_t epoch) { epoch_ = epoch; }
  uint64_t epoch() const { return epoch_; }
  const std::string& peer() const { return peer_; }

  absl::StatusOr<std::vector<VolumeName>> List(uint64_t after_id, size_t limit) const override;
  absl::StatusOr<VolumeEntry> Lookup(const std::string& name) const override;
  absl::StatusOr<VolumeEntry> Get(uint64_t id) const override;
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t id) override;
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const override;
  absl::StatusOr<Capacity> GetCapacity() const override;

  absl::StatusOr<std::shared_ptr<VolumeIo>> OpenInOrder(uint64_t id, uint64_t order) override;
  absl::Status CloseInOrder(uint64_t id, uint64_t order) override;
  // OK also of a peer whose version is not told: it opens what is used.
  absl::StatusOr<std::optional<FileLock>> SetLocksInOrder(uint64_t id, const FileLocks& locks,
                                                          uint64_t order) override;
  absl::StatusOr<std::vector<VolumeLocks>> SetAllLocksInOrder(const std::vector<VolumeLocks>& all,
                                                              uint64_t order) override;
  absl::StatusOr<std::optional<FileLock>> FindLock(uint64_t id,
                                                   const FileLock& wanted) const override;
  absl::Status TellOpen(const std::vector<uint64_t>& ids, uint64_t order) override;
  absl::Status EndEviction(uint64_t eviction, uint64_t order) override;

 private:
  absl::Status TellSet(peer_api::OpenSet set, uint64_t order);
  absl::StatusOr<peer_api::Answer> Ask(const peer_api::Call& call) const;
  absl::StatusOr<std::optional<FileLock>> AskForLock(const peer_api::Call& call) const;
  absl::StatusOr<VolumeEntry> Find(const peer_api::Volume& wanted) const;
  absl::StatusOr<VolumeEntry> FindAmongAll(const peer_api::Volume& wanted) const;

  Runtime& runtime_;
  PeerNetwork& network_;
  const std::string peer_;
  const std::string boot_id_;
  std::atomic<uint64_t> epoch_ = 0;
};

}  // namespace baton::ha
