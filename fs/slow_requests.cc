#include "fs/slow_requests.h"

#include <algorithm>

namespace baton::fs {

// Where another thread is still writing to the slot, the request is left out: that one is as new.
void SlowRequests::Note(const SlowRequest& request) {
  const uint64_t number = next_.fetch_add(1);
  Words words = {static_cast<uint64_t>(request.io.kind),
                 request.io.volume_id,
                 request.io.offset,
                 request.io.length_bytes,
                 static_cast<uint64_t>(absl::ToInt64Nanoseconds(request.came)),
                 static_cast<uint64_t>(absl::ToInt64Nanoseconds(request.total))};
  for (size_t i = 0; i < kSpentKinds; ++i) {
    words[6 + i] = static_cast<uint64_t>(absl::ToInt64Nanoseconds(request.spent[i]));
  }
  words.back() = number + 1;

  Slot& slot = slots_[number % kKept];
  uint64_t version = slot.version;
  if (version % 2 != 0 || !slot.version.compare_exchange_strong(version, version + 1)) return;
  for (size_t i = 0; i < kWords; ++i) slot.words[i] = words[i];
  slot.version = version + 2;
}

// nullopt: it is being written, or nothing was ever noted there.
std::optional<SlowRequests::Words> SlowRequests::Read(const Slot& slot) {
  const uint64_t version = slot.version;
  if (version == 0 || version % 2 != 0) return std::nullopt;
  Words words;
  for (size_t i = 0; i < kWords; ++i) words[i] = slot.words[i];
  return slot.version == version ? std::optional(words) : std::nullopt;
}

std::vector<SlowRequest> SlowRequests::Newest() const {
  std::vector<Words> found;
  for (const Slot& slot : slots_) {
    if (const std::optional<Words> words = Read(slot)) found.push_back(*words);
  }
  std::ranges::sort(found, [](const Words& a, const Words& b) { return a.back() > b.back(); });
  std::vector<SlowRequest> requests;
  for (const Words& words : found) {
    const auto duration = [&words](size_t i) {
      return absl::Nanoseconds(static_cast<int64_t>(words[i]));
    };
    SlowRequest& request = requests.emplace_back();
    request.io = {.kind = static_cast<IoKind>(words[0]),
                  .volume_id = words[1],
                  .offset = words[2],
                  .length_bytes = words[3]};
    request.came = duration(4);
    request.total = duration(5);
    for (size_t i = 0; i < kSpentKinds; ++i) request.spent[i] = duration(6 + i);
  }
  return requests;
}

}  // namespace baton::fs
