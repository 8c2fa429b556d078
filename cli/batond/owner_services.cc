#include "cli/batond/owner_services.h"

#include <vector>

#include "engine/base/status.h"

namespace baton {

control::ControlService::Options OwnerServices::CommandsFor(Engine& engine, ha::OwnerPeers* peers) {
  control::ControlService::Options commands{
      .engine = engine,
      .runtime = options_.runtime,
      .mount = options_.mount,
      .describe = options_.describe,
      .content_changed =
          [&mount = options_.mount_events, peers](uint64_t volume_id) {
            mount.ContentChanged(volume_id);
            if (peers != nullptr) peers->TellContentChanged(volume_id);
          },
      .peers = {},
      .evict = {},
      .crash = options_.crash,
      .isolate = {},
      .upgrade = options_.upgrade,
      .audit = options_.audit};
  if (peers == nullptr) return commands;
  commands.peers = {
      .prepare =
          [peers](const std::string& source, const std::string& target, uint64_t size_bytes,
                  bool degraded) { return peers->Prepare(source, target, size_bytes, degraded); },
      .await_opens = [peers](bool degraded) { return peers->AwaitOpens(degraded); },
      .activated = [peers](const std::vector<uint64_t>& ids) { peers->TellActivated(ids); }};
  commands.evict = [peers, &engine](const std::string& node) {
    return peers->EvictNode(engine, node);
  };
  commands.isolate = [peers](absl::Duration time) {
    peers->Isolate(time);
    return absl::OkStatus();
  };
  return commands;
}

void OwnerServices::BeginWith(ha::OwnedEpoch& epoch, ha::OwnerPeers* peers) {
  owned_ = std::make_unique<ha::OwnedPool>(ha::OwnedPool{epoch.engine(), epoch.storage()});
  service_ = std::make_unique<control::ControlService>(CommandsFor(epoch.engine(), peers));
  pool_.Set(*owned_);
  commands_.Set(*service_);
}

// The engine is sealed: whoever uses it ends soon.
void OwnerServices::End() {
  commands_.Drain();
  service_.reset();
  pool_.Drain();
}

absl::Status OwnerServices::Readmit(const std::string& node, uint64_t eviction) {
  const ha::Drainable<ha::OwnedPool>::Use owned(pool_);
  if (!owned) return absl::AbortedError("this controller does not own the pool");
  // Its mount has nothing open, so it holds nothing; an eviction that took too long left that.
  BATON_RETURN_IF_ERROR(owned->engine.DropLocks(node));
  return owned->engine.ReadmitNode(node, eviction);
}

}  // namespace baton
