#include "ha/node/unserved_names.h"

#include <spdlog/spdlog.h>

namespace baton::ha {
namespace {

// A takeover of the usual kind is over by then, and its answers are better than the view's.
constexpr absl::Duration kAnswerFromViewAfter = absl::Seconds(1);

}  // namespace

UnservedNames::UnservedNames(Runtime& runtime, Router& router, const ViewFollower& follower,
                             const StorageWatch& watch)
    : runtime_(runtime),
      router_(router),
      follower_(follower),
      volumes_({.view = [&follower] { return follower.view(); },
                .capacity =
                    [&watch] {
                      const SpaceReading space = watch.space();
                      return Capacity{.total_bytes = space.total_bytes,
                                      .free_bytes = space.free_bytes};
                    }}) {}

void UnservedNames::Tick(bool is_served) {
  if (is_served) {
    since_.reset();
    unserved_ = false;
    router_.UseView(nullptr);
    return;
  }
  const absl::Duration now = runtime_.BootTime();
  if (!since_) since_ = now;
  if (now - *since_ < kAnswerFromViewAfter || follower_.view() == nullptr) return;
  if (!unserved_) {
    spdlog::info("nobody serves the pool: names are answered from what is known here");
    volumes_.Begin(runtime_.WallTime());
  }
  unserved_ = true;
  router_.UseView(&volumes_);
}

}  // namespace baton::ha
