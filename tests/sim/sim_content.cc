#include "tests/sim/sim_content.h"

#include <algorithm>
#include <cstring>

namespace baton::sim {
namespace {

constexpr uint64_t kPage = Pages::kPageBytes;

// Calls visit(page, offset in it, offset in the range, length) for each page of a range.
template <typename Visit>
void ForEachPage(uint64_t offset, uint64_t length_bytes, Visit visit) {
  uint64_t done = 0;
  while (done < length_bytes) {
    const uint64_t within = (offset + done) % kPage;
    const uint64_t length = std::min(kPage - within, length_bytes - done);
    visit((offset + done) / kPage, within, done, length);
    done += length;
  }
}

}  // namespace

// ---- pages ----

Pages& Pages::operator=(const Pages& other) {
  pages_.resize(other.pages_.size());
  for (size_t i = 0; i < pages_.size(); ++i) {
    pages_[i] = other.pages_[i] ? std::make_unique<Page>(*other.pages_[i]) : nullptr;
  }
  count_ = other.count_;
  return *this;
}

Pages::Page& Pages::Touch(uint64_t page, bool overwritten_whole) {
  if (page >= pages_.size()) pages_.resize(page + 1);
  if (pages_[page] == nullptr) {
    pages_[page] =
        overwritten_whole ? std::make_unique_for_overwrite<Page>() : std::make_unique<Page>();
    ++count_;
  }
  return *pages_[page];
}

void Pages::Read(uint64_t offset, MutableBytes out) const {
  ForEachPage(offset, out.size(), [&](uint64_t page, uint64_t at, uint64_t done, uint64_t length) {
    if (Has(page)) {
      std::memcpy(out.data() + done, pages_[page]->data() + at, length);
    } else {
      std::memset(out.data() + done, 0, length);
    }
  });
}

void Pages::Write(uint64_t offset, Bytes data) {
  ForEachPage(offset, data.size(), [&](uint64_t page, uint64_t at, uint64_t done, uint64_t length) {
    std::memcpy(Touch(page, length == kPage).data() + at, data.data() + done, length);
  });
}

void Pages::Punch(uint64_t offset, uint64_t length_bytes) {
  ForEachPage(offset, length_bytes, [&](uint64_t page, uint64_t at, uint64_t, uint64_t length) {
    if (!Has(page)) return;
    if (length == kPage) {
      pages_[page].reset();
      --count_;
    } else {
      std::memset(pages_[page]->data() + at, 0, length);
    }
  });
}

void Pages::Reserve(uint64_t offset, uint64_t length_bytes) {
  ForEachPage(offset, length_bytes,
              [&](uint64_t page, uint64_t, uint64_t, uint64_t) { Touch(page, false); });
}

uint64_t Pages::Missing(uint64_t offset, uint64_t length_bytes) const {
  uint64_t missing = 0;
  ForEachPage(offset, length_bytes, [&](uint64_t page, uint64_t, uint64_t, uint64_t) {
    if (!Has(page)) ++missing;
  });
  return missing;
}

// ---- changes ----

void Content::Read(uint64_t offset, MutableBytes out) const {
  newest_.Read(offset, out);  // beyond the end there is nothing but zeros
}

Content::Change& Content::Append(uint64_t offset, uint64_t length_bytes) {
  Change& change = changes_.emplace_back();
  change.id = ++last_id_;
  change.first_sector = offset / kSectorBytes;
  const uint64_t end = (offset + length_bytes + kSectorBytes - 1) / kSectorBytes;
  change.sectors = length_bytes == 0 ? 0 : end - change.first_sector;
  change.replaced.resize(change.sectors);
  return change;
}

Content::ChangeId Content::Write(uint64_t offset, Bytes data, bool direct) {
  newest_.Write(offset, data);
  Change& change = Append(offset, data.size());
  // Edges that are no whole sectors go to the disk with what the page cache has around them.
  if (offset % kSectorBytes == 0 && data.size() % kSectorBytes == 0) {
    change.data.assign(data.begin(), data.end());
  } else {
    change.data.resize(change.sectors * kSectorBytes);
    newest_.Read(change.first_sector * kSectorBytes, change.data);
  }
  change.direct = direct;
  if (offset + data.size() > size_) {
    size_ = offset + data.size();
    change.new_size = size_;
  }
  return change.id;
}

Content::ChangeId Content::Punch(uint64_t offset, uint64_t length_bytes) {
  newest_.Punch(offset, length_bytes);
  return Append(offset, length_bytes).id;
}

// The space itself is not tracked through a crash: it holds nothing.
Content::ChangeId Content::Reserve(uint64_t offset, uint64_t length_bytes) {
  newest_.Reserve(offset, length_bytes);
  return Resize(std::max(size_, offset + length_bytes));
}

Content::ChangeId Content::Resize(uint64_t size_bytes) {
  if (size_bytes < size_) newest_.Punch(size_bytes, newest_.end_page() * kPage - size_bytes);
  size_ = size_bytes;
  Change& change = Append(0, 0);
  change.new_size = size_bytes;
  return change.id;
}

Content::Change* Content::Find(ChangeId id) {
  const auto at = std::lower_bound(changes_.begin(), changes_.end(), id,
                                   [](const Change& c, ChangeId wanted) { return c.id < wanted; });
  return at != changes_.end() && at->id == id ? &*at : nullptr;
}

void Content::Complete(ChangeId id) {
  if (Change* change = Find(id)) change->completed = true;
}

// ---- durability ----

// Sectors [begin, end) of the change, counted from its first.
void Content::ApplyRun(const Change& change, uint64_t begin, uint64_t end) {
  const uint64_t offset = (change.first_sector + begin) * kSectorBytes;
  const uint64_t length = (end - begin) * kSectorBytes;
  if (change.data.empty()) {
    durable_.Punch(offset, length);
  } else {
    durable_.Write(offset, Bytes(change.data).subspan(begin * kSectorBytes, length));
  }
}

// Those for which `kept` is true and of which nothing newer is durable.
template <typename Kept>
void Content::ApplySectors(const Change& change, Kept kept) {
  uint64_t begin = 0;
  for (uint64_t i = 0; i < change.sectors; ++i) {
    if (kept(i) && !change.replaced[i]) continue;
    if (begin < i) ApplyRun(change, begin, i);
    begin = i + 1;
  }
  if (begin < change.sectors) ApplyRun(change, begin, change.sectors);
}

void Content::ApplySize(Change& change) {
  if (!change.new_size.has_value()) return;
  const uint64_t size = *change.new_size;
  const uint64_t end = durable_.end_page() * kPage;
  if (size < end) durable_.Punch(size, end - size);
  durable_size_ = size;
  change.new_size.reset();
  // What was written beyond before does not come back when the file grows again.
  for (Change& older : changes_) {
    if (older.id >= change.id) break;
    for (uint64_t i = 0; i < older.sectors; ++i) {
      if ((older.first_sector + i) * kSectorBytes >= size) older.replaced[i] = true;
    }
  }
}

// The journal keeps the order of the sizes.
void Content::ApplySizesUpTo(ChangeId id) {
  for (Change& change : changes_) {
    if (change.id <= id) ApplySize(change);
  }
}

void Content::ReplaceOlder(const Change& newer) {
  for (Change& older : changes_) {
    if (older.id >= newer.id) return;
    const uint64_t begin = std::max(older.first_sector, newer.first_sector);
    const uint64_t end =
        std::min(older.first_sector + older.sectors, newer.first_sector + newer.sectors);
    for (uint64_t sector = begin; sector < end; ++sector) {
      if (!newer.replaced[sector - newer.first_sector]) {
        older.replaced[sector - older.first_sector] = true;
      }
    }
  }
}

void Content::MakeDurable(ChangeId id) {
  Change* change = Find(id);
  if (change == nullptr) return;
  // A durable write brings along the size that its data needs.
  const uint64_t end = (change->first_sector + change->sectors) * kSectorBytes;
  if (change->new_size.has_value() || end > durable_size_) ApplySizesUpTo(id);
  ApplySectors(*change, [](uint64_t) { return true; });
  ReplaceOlder(*change);
  changes_.erase(changes_.begin() + (change - changes_.data()));
}

std::vector<Content::ChangeId> Content::Completed() const {
  std::vector<ChangeId> ids;
  for (const Change& change : changes_) {
    if (change.completed && !change.doomed) ids.push_back(change.id);
  }
  return ids;
}

void Content::MakeDurable(const std::vector<ChangeId>& ids) {
  for (const ChangeId id : ids) MakeDurable(id);
}

void Content::Doom(const std::vector<ChangeId>& ids) {
  for (const ChangeId id : ids) {
    if (Change* change = Find(id)) change->doomed = true;
  }
}

// ---- crash ----

// All of it, nothing, a torn mix, or the sectors before or after a point.
void Content::Tear(const Change& change, Random& random) {
  const uint64_t how = random.Below(5);
  const uint64_t cut = random.Below(change.sectors + 1);
  ApplySectors(change, [&](uint64_t i) {
    switch (how) {
      case 0:
        return true;
      case 1:
        return false;
      case 2:
        return i < cut;
      case 3:
        return i >= cut;
      default:
        return random.OneIn(2);
    }
  });
}

void Content::KeepWhole(Change& change) {
  const uint64_t end = (change.first_sector + change.sectors) * kSectorBytes;
  ApplySize(change);
  ApplySectors(change, [](uint64_t) { return true; });
  durable_size_ = std::max(durable_size_, std::min(end, size_));
}

void Content::Crash(CrashKind kind, Random& random) {
  if (kind == CrashKind::kProcess) {
    for (Change& change : changes_) change.completed = true;
    return;
  }
  bool sizes_kept = true;
  for (Change& change : changes_) {
    if (kind == CrashKind::kNode && change.direct && change.completed) {
      KeepWhole(change);
      continue;
    }
    sizes_kept = sizes_kept && random.OneIn(2);
    if (sizes_kept) ApplySize(change);
    Tear(change, random);
  }
  changes_.clear();
  const uint64_t end = durable_.end_page() * kPage;
  if (durable_size_ < end) durable_.Punch(durable_size_, end - durable_size_);
  newest_ = durable_;
  size_ = durable_size_;
}

}  // namespace baton::sim
