#include "cli/batond/slow_reply.h"

#include <algorithm>

namespace baton {
namespace {

uint64_t Us(absl::Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Microseconds(duration), 0));
}

// Rounded down, so that what is left over goes to `other`.
void DescribeTimes(const fs::SlowRequest& slow, control::SlowRequest& request) {
  const auto spent = [&slow](Spent on) { return Us(slow.spent[static_cast<size_t>(on)]); };
  request.set_total_us(Us(slow.total));
  request.set_queued_us(spent(Spent::kQueued));
  request.set_owner_us(spent(Spent::kOwner));
  request.set_lock_us(spent(Spent::kLock));
  request.set_log_us(spent(Spent::kLog));
  request.set_preserve_us(spent(Spent::kPreserve));
  request.set_storage_us(spent(Spent::kStorage));
  request.set_peer_us(spent(Spent::kPeer));
  const uint64_t named = request.queued_us() + request.owner_us() + request.lock_us() +
                         request.log_us() + request.preserve_us() + request.storage_us() +
                         request.peer_us();
  request.set_other_us(request.total_us() - std::min(request.total_us(), named));
}

}  // namespace

control::SlowRequests SlowReply(const fs::SlowReport& report, const Runtime& runtime,
                                const std::map<uint64_t, std::string>& names) {
  control::SlowRequests reply;
  reply.set_slow_us(Us(report.limit));
  reply.set_under_way(report.under_way);
  reply.set_answered(report.answered);
  reply.set_dropped(report.dropped);
  const absl::Duration now = runtime.BootTime();
  const absl::Time wall = runtime.WallTime();
  for (const fs::SlowRequest& slow : report.requests) {
    control::SlowRequest& request = *reply.add_requests();
    request.set_unix_us(absl::ToUnixMicros(wall - (now - slow.came)));
    request.set_kind(Name(slow.io.kind));
    request.set_volume_id(slow.io.volume_id);
    const auto name = names.find(slow.io.volume_id);
    if (name != names.end()) request.set_volume(name->second);
    request.set_offset(slow.io.offset);
    request.set_length(slow.io.length_bytes);
    request.set_under_way(slow.doing.has_value());
    if (slow.doing) request.set_doing(Name(*slow.doing));
    DescribeTimes(slow, request);
  }
  return reply;
}

}  // namespace baton
