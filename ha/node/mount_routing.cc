#include "ha/node/mount_routing.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

namespace baton::ha {

void MountRouting::ServeHere(LentEpoch epoch) {
  LeaveRemote();
  remote_ = nullptr;
  here_ = std::move(epoch);
  targets_.served.Begin(here_->epoch(), here_->engine().EvictedNodes());
  targets_.router.Route(&targets_.local);
  here_->engine().StartCopiers();
}

LentEpoch MountRouting::EndServing() {
  if (here_) targets_.router.Route(nullptr);
  targets_.served.End();
  return std::move(here_);
}

bool MountRouting::Follow(const std::string& owner, uint64_t epoch) {
  RemoteVolumes* remote = nullptr;
  uint64_t remote_epoch = 0;
  const std::optional<PeerTable::Peer> peer = targets_.table.Find(owner);
  if (peer && peer->last.owner() && peer->last.epoch() >= epoch) {
    remote = targets_.peers.at(owner).get();
    remote_epoch = peer->last.epoch();
  }
  if (remote == remote_ && remote_epoch == remote_epoch_) return false;
  LeaveRemote();
  if (remote != nullptr) remote->SetEpoch(remote_epoch);
  remote_ = remote;
  remote_epoch_ = remote_epoch;
  targets_.router.Route(remote);
  if (remote != nullptr) spdlog::info("node {} serves epoch {}", remote->peer(), remote_epoch);
  return true;
}

bool MountRouting::IsServed() const {
  if (here_) return true;
  return remote_ != nullptr && targets_.table.Hears(remote_->peer());
}

void MountRouting::LeaveRemote() {
  if (remote_ != nullptr) remote_->SetEpoch(0);
}

}  // namespace baton::ha
