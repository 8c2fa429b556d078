#include "tests/model/volume_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace baton::model {
namespace {

using CellWords = std::array<uint64_t, kCellBytes / sizeof(uint64_t)>;

CellWords Content(uint64_t stamp, uint64_t cell) {
  CellWords words{};
  if (stamp == 0) return words;
  words[0] = stamp;
  for (size_t i = 1; i < words.size(); ++i) {
    words[i] = (stamp * 0x9E3779B97F4A7C15 + cell) ^ (i * 0xD1B54A32D192ED03);
  }
  return words;
}

CellWords WordsOf(Bytes data) {
  CellWords words;
  std::memcpy(words.data(), data.data(), kCellBytes);
  return words;
}

bool IsWhole(const CellWords& words, uint64_t cell) { return words == Content(words[0], cell); }

}  // namespace

void FillCells(uint64_t stamp, uint64_t first_cell, MutableBytes out) {
  for (uint64_t i = 0; i < out.size() / kCellBytes; ++i) {
    const CellWords words = Content(stamp, first_cell + i);
    std::memcpy(out.data() + i * kCellBytes, words.data(), kCellBytes);
  }
}

VolumeModel::VolumeModel(Clock& clock, uint64_t size_bytes)
    : clock_(clock),
      cells_(size_bytes / kCellBytes, Cell{{.stamp = 0, .end = 0, .is_durable = true}}) {}

VolumeModel::Write VolumeModel::BeginWrite(uint64_t offset, uint64_t length_bytes) {
  return Begin(clock_.NextStamp(), offset, length_bytes);
}

VolumeModel::Write VolumeModel::BeginDiscard(uint64_t offset, uint64_t length_bytes) {
  return Begin(0, offset, length_bytes);
}

VolumeModel::Write VolumeModel::Begin(uint64_t stamp, uint64_t offset, uint64_t length_bytes) {
  absl::MutexLock guard(&mutex_);
  const Write write{stamp, offset / kCellBytes, length_bytes / kCellBytes, clock_.Tick()};
  for (uint64_t i = write.first; i < write.first + write.count; ++i) {
    cells_[i].push_back({.stamp = stamp, .begin = write.begin});
    if (tracking_) t0_[i].push_back({stamp, write.begin, kNever});
  }
  return write;
}

void VolumeModel::Acknowledge(const Write& write) {
  absl::MutexLock guard(&mutex_);
  const uint64_t now = clock_.Tick();
  for (uint64_t i = write.first; i < write.first + write.count; ++i) {
    for (Entry& entry : cells_[i]) {
      if (entry.stamp == write.stamp && entry.begin == write.begin) entry.end = now;
    }
    if (!tracking_) continue;
    for (Candidate& candidate : t0_[i]) {
      if (candidate.stamp == write.stamp && candidate.begin == write.begin) candidate.end = now;
    }
  }
}

void VolumeModel::Withdraw(const Write& write) {
  absl::MutexLock guard(&mutex_);
  for (uint64_t i = write.first; i < write.first + write.count; ++i) {
    std::erase_if(cells_[i], [&](const Entry& entry) {
      return entry.stamp == write.stamp && entry.begin == write.begin;
    });
  }
}

uint64_t VolumeModel::BeginFlush() { return clock_.Tick(); }

void VolumeModel::AcknowledgeFlush(uint64_t begin) {
  absl::MutexLock guard(&mutex_);
  for (Cell& cell : cells_) {
    if (cell.size() == 1 && cell[0].is_durable) continue;
    for (Entry& entry : cell) {
      if (entry.end < begin) entry.is_durable = true;
    }
    DropOlderThanDurable(cell);
  }
}

uint64_t VolumeModel::BeginRead() {
  absl::MutexLock guard(&mutex_);
  return *reads_.insert(clock_.Tick());
}

void VolumeModel::FailRead(uint64_t begin) {
  absl::MutexLock guard(&mutex_);
  reads_.erase(begin);
}

std::string VolumeModel::CheckRead(uint64_t begin, uint64_t offset, Bytes data) {
  absl::MutexLock guard(&mutex_);
  reads_.erase(begin);
  for (uint64_t i = 0; i < data.size() / kCellBytes; ++i) {
    const uint64_t cell = offset / kCellBytes + i;
    const Bytes seen = data.subspan(i * kCellBytes, kCellBytes);
    if (IsOvertaken(cell, seen, begin)) continue;
    std::string wrong = CheckCell(cell, seen, begin, false);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::string VolumeModel::CheckRecovered(Bytes content, bool lost_cache) {
  absl::MutexLock guard(&mutex_);
  tracking_ = false;
  reads_.clear();
  for (uint64_t i = 0; i < cells_.size(); ++i) {
    const Bytes data = content.subspan(i * kCellBytes, kCellBytes);
    std::string wrong = CheckCell(i, data, clock_.Tick(), lost_cache);
    if (!wrong.empty()) return wrong;
    cells_[i] = {{.stamp = WordsOf(data)[0], .end = 0, .is_durable = true}};
  }
  return "";
}

void VolumeModel::BeginT0() {
  absl::MutexLock guard(&mutex_);
  const uint64_t now = clock_.Tick();
  tracking_ = true;
  t0_.assign(cells_.size(), {});
  for (uint64_t i = 0; i < cells_.size(); ++i) {
    for (const Entry& entry : cells_[i]) {
      if (IsSuperseded(cells_[i], entry, now, false)) continue;
      t0_[i].push_back({entry.stamp, entry.begin, entry.end});
    }
  }
}

VolumeModel::T0 VolumeModel::EndT0() {
  absl::MutexLock guard(&mutex_);
  tracking_ = false;
  return std::move(t0_);
}

void VolumeModel::Adopt(const T0& t0) {
  absl::MutexLock guard(&mutex_);
  for (uint64_t i = 0; i < cells_.size(); ++i) {
    cells_[i].clear();
    for (const Candidate& candidate : t0[i]) {
      cells_[i].push_back(
          {.stamp = candidate.stamp, .end = 0, .is_durable = true, .is_choice = true});
    }
  }
}

bool VolumeModel::IsSuperseded(const Cell& cell, const Entry& entry, uint64_t now,
                               bool by_durable) {
  return std::any_of(cell.begin(), cell.end(), [&](const Entry& other) {
    return other.begin > entry.end && other.end < now && (!by_durable || other.is_durable);
  });
}

void VolumeModel::DropOlderThanDurable(Cell& cell) const {
  if (cell.size() == 1) return;
  const uint64_t now = reads_.empty() ? kNever : *reads_.begin();
  const Cell before = cell;
  std::erase_if(cell, [&](const Entry& entry) { return IsSuperseded(before, entry, now, true); });
}

// Storage that is memory copies a request word by word, so a read may see a part of a write that is
// in flight beside it. What lies around that part must be allowed all the same.
bool VolumeModel::IsOvertaken(uint64_t index, Bytes data, uint64_t begin) const {
  const Cell& cell = cells_[index];
  const CellWords words = WordsOf(data);
  CellWords known{};
  bool is_concurrent = false;
  for (const Entry& entry : cell) {
    if (IsSuperseded(cell, entry, begin, false)) continue;
    const CellWords content = Content(entry.stamp, index);
    bool is_seen = false;
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] != content[i]) continue;
      known[i] = 1;
      is_seen = true;
    }
    is_concurrent = is_concurrent || (is_seen && entry.end > begin);
  }
  const auto first_unknown = std::find(known.begin(), known.end(), 0);
  return is_concurrent && first_unknown == known.end() && !IsWhole(words, index);
}

std::string VolumeModel::CheckCell(uint64_t index, Bytes data, uint64_t begin, bool by_durable) {
  Cell& cell = cells_[index];
  const CellWords words = WordsOf(data);
  const bool is_whole = IsWhole(words, index);
  const auto explains = [&](const Entry& entry) {
    return is_whole && entry.stamp == words[0] && !IsSuperseded(cell, entry, begin, by_durable);
  };
  if (std::any_of(cell.begin(), cell.end(), explains)) {
    // A discard beside the read looks like a T0 of zeros, and says nothing about T0.
    const bool is_choice = std::all_of(cell.begin(), cell.end(), [&](const Entry& entry) {
      return entry.is_choice || !explains(entry);
    });
    if (is_choice) {
      std::erase_if(cell, [stamp = words[0]](const Entry& other) {
        return other.is_choice && other.stamp != stamp;
      });
    }
    return "";
  }
  std::string allowed;
  for (const Entry& entry : cell) {
    if (IsSuperseded(cell, entry, begin, by_durable)) continue;
    const CellWords content = Content(entry.stamp, index);
    std::string seen;
    for (size_t i = 0; i < words.size(); ++i) seen += words[i] == content[i] ? '1' : '0';
    allowed += fmt::format(" {} (from {} to {}, its words here: {})", entry.stamp, entry.begin,
                           entry.end == kNever ? 0 : entry.end, seen);
  }
  allowed += fmt::format(" (the read began at {})", begin);
  return fmt::format("cell {} (offset {}) holds {}{}, allowed:{}", index, index * kCellBytes,
                     words[0], IsWhole(words, index) ? "" : " (torn or misplaced)", allowed);
}

}  // namespace baton::model
