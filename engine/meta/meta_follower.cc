#include "engine/meta/meta_follower.h"

#include <optional>
#include <utility>

#include "engine/base/status.h"

namespace baton {

absl::Status MetaFollower::CatchUp(uint64_t owner_epoch, uint64_t owner_sequence) {
  BATON_ASSIGN_OR_RETURN(const std::optional<LatestMetadata> latest, FindLatestMetadata(storage_));
  if (!latest) return absl::OkStatus();
  if (latest->directory != metadata_.directory) return OpenDirectory(*latest);
  // A file may have gone away underneath, or the directory itself.
  if (!follower_->CatchUp().ok()) return Reopen();
  return IsReopenDue(owner_epoch, owner_sequence) ? OpenDirectory(*latest) : absl::OkStatus();
}

absl::Status MetaFollower::Reopen() {
  BATON_ASSIGN_OR_RETURN(const std::optional<LatestMetadata> latest, FindLatestMetadata(storage_));
  return latest ? OpenDirectory(*latest) : absl::OkStatus();
}

bool MetaFollower::IsReopenDue(uint64_t owner_epoch, uint64_t owner_sequence) {
  const absl::Duration now = runtime_.BootTime();
  if (owner_epoch != epoch() || owner_sequence <= sequence()) abreast_at_ = now;
  if (now - abreast_at_ >= kStaleAfter) return true;
  return now - opened_at_ >= kReopenAfter && sequence() != opened_sequence_;
}

absl::Status MetaFollower::OpenDirectory(const LatestMetadata& latest) {
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<RocksFollower> follower,
                         FollowRocksStore(pool_directory_ + "/" + latest.directory));
  metadata_ = latest;
  follower_ = std::move(follower);
  reader_ = follower_;
  ++opened_;
  opened_at_ = abreast_at_ = runtime_.BootTime();
  opened_sequence_ = sequence();
  return absl::OkStatus();
}

}  // namespace baton
