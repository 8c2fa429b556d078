// The events of the catalog. They are trimmed and read in pages: the keys that share 7 bytes.
#include <algorithm>
#include <utility>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/meta/catalog.h"
#include "engine/meta/table_keys.h"
#include "engine/meta/row_codec.h"

namespace baton {
namespace {

constexpr uint64_t kEventsPerPage = 256;
constexpr size_t kPagePrefixBytes = 7;
static_assert(limits::kMaxEvents > kEventsPerPage);

std::string PagePrefix(uint64_t page) {
  return KeyOf(page * kEventsPerPage).substr(0, kPagePrefixBytes);
}

}  // namespace

absl::Status Catalog::LoadEventRange() {
  BATON_ASSIGN_OR_RETURN(const uint64_t first, FirstEventFrom(0));
  BATON_ASSIGN_OR_RETURN(const uint64_t last, LastEventAfter(0));
  const absl::MutexLock lock(&mutex_);
  first_event_ = std::max<uint64_t>(1, first);
  last_event_ = last;
  return absl::OkStatus();
}

void Catalog::AddEvent(MetaBatch& batch, Event event) {
  event.set_version(kRecordVersion);
  event.set_unix_us(absl::ToUnixMicros(runtime_.WallTime()));
  event.set_epoch(epoch_);
  event.set_node(node_);
  const absl::MutexLock lock(&mutex_);
  event.set_sequence(++last_event_);
  batch.Put(Column::kEvents, KeyOf(last_event_), event.SerializeAsString());
  TrimEvents(batch);
}

// Drops the pages that lie before the newest kMaxEvents.
void Catalog::TrimEvents(MetaBatch& batch) {
  if (last_event_ <= limits::kMaxEvents) return;
  const uint64_t oldest_page = (last_event_ - limits::kMaxEvents) / kEventsPerPage;
  for (uint64_t page = first_event_ / kEventsPerPage; page < oldest_page; ++page) {
    batch.DeletePrefix(Column::kEvents, PagePrefix(page));
    first_event_ = (page + 1) * kEventsPerPage;
  }
}

uint64_t Catalog::last_event_sequence() const {
  const absl::MutexLock lock(&mutex_);
  return last_event_;
}

}  // namespace baton
