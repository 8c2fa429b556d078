// Follows the newest metadata of a pool, from epoch to epoch, without writing any.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <string>

#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/meta/epoch_directory.h"
#include "engine/meta/rocks_store.h"

namespace baton {

// One thread; the readers that it hands out are thread-safe, and stay usable when it has opened
// another one.
class MetaFollower {
 public:
  // Metadata that stays behind what its owner reports is opened again after this: a secondary
  // instance may stay stale after a flush, and on NFS an open file's growth is seen late.
  static constexpr absl::Duration kStaleAfter = absl::Seconds(1);
  // And, while it changes, now and then in any case: a secondary instance may miss rows in silence.
  static constexpr absl::Duration kReopenAfter = absl::Seconds(30);

  // `pool_directory`: the absolute path of `storage`.
  MetaFollower(Storage& storage, std::string pool_directory, Runtime& runtime)
      : storage_(storage), pool_directory_(std::move(pool_directory)), runtime_(runtime) {}

  // Catches up; opens the newest directory when it is another one than before, when catching up
  // fails, and when it is due. `owner_sequence`: what the owner of `owner_epoch` has reported, or
  // 0. After an error the reader is the one of before, and may fail.
  absl::Status CatchUp(uint64_t owner_epoch, uint64_t owner_sequence);
  // Opens the newest directory again.
  absl::Status Reopen();

  // Null: there is no metadata yet.
  const std::shared_ptr<const MetaReader>& reader() const { return reader_; }
  uint64_t epoch() const { return metadata_.epoch; }
  uint64_t sequence() const { return reader_ == nullptr ? 0 : reader_->LatestSequence(); }
  // How often a directory was opened after the first time.
  uint64_t reopened() const { return opened_ == 0 ? 0 : opened_ - 1; }

 private:
  bool IsReopenDue(uint64_t owner_epoch, uint64_t owner_sequence);
  absl::Status OpenDirectory(const LatestMetadata& latest);

  Storage& storage_;
  const std::string pool_directory_;
  Runtime& runtime_;
  LatestMetadata metadata_;
  std::shared_ptr<RocksFollower> follower_;
  std::shared_ptr<const MetaReader> reader_;  // the same
  uint64_t opened_ = 0;
  absl::Duration opened_at_;
  uint64_t opened_sequence_ = 0;
  absl::Duration abreast_at_;  // when it was last not behind its owner's report
};

}  // namespace baton
