#include "tests/sim/sim_meta.h"

#include <algorithm>
#include <utility>

#include "engine/base/status.h"
#include "engine/meta/bit_merge.h"

namespace baton::sim {

class SimMetaStore final : public MetaStore {
 public:
  explicit SimMetaStore(SimMeta& medium) : medium_(medium), boot_(medium.steps_.boot()) {}

  absl::Status Write(const MetaBatch& batch, Durable durable) override;
  absl::StatusOr<std::optional<std::string>> Get(Column column,
                                                 const std::string& key) const override;
  absl::Status ScanFrom(Column column, const std::string& prefix, const std::string& first_key,
                        const Visit& visit) const override;
  uint64_t LatestSequence() const override { return medium_.visible_; }
  uint64_t SyncedSequence() const override { return medium_.durable_; }

 private:
  const SimMeta::Rows& RowsOf(Column column) const {
    return medium_.columns_[static_cast<size_t>(column)];
  }

  SimMeta& medium_;
  const uint64_t boot_;
  absl::Status failed_;  // latched
};

absl::Status SimMetaStore::Write(const MetaBatch& batch, Durable durable) {
  BATON_RETURN_IF_ERROR(failed_);
  const Operation operation = {
      durable == Durable::kYes ? OperationKind::kMetaDurableWrite : OperationKind::kMetaWrite, ""};
  const Steps::Flight flight = medium_.steps_.Begin(operation, boot_);
  if (flight.fate != Steps::Fate::kNothing) medium_.log_.push_back(batch);
  const size_t end = medium_.log_.size();
  const absl::Status answer = medium_.steps_.End(operation, flight);
  failed_.Update(answer);
  BATON_RETURN_IF_ERROR(failed_);
  medium_.ApplyUpTo(end);
  if (durable == Durable::kYes) medium_.durable_ = std::max(medium_.durable_, end);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> SimMetaStore::Get(Column column,
                                                             const std::string& key) const {
  BATON_RETURN_IF_ERROR(medium_.steps_.CheckAlive(boot_));
  const SimMeta::Rows& rows = RowsOf(column);
  const auto at = rows.find(key);
  if (at == rows.end()) return std::nullopt;
  return at->second;
}

absl::Status SimMetaStore::ScanFrom(Column column, const std::string& prefix,
                                    const std::string& first_key, const Visit& visit) const {
  BATON_RETURN_IF_ERROR(medium_.steps_.CheckAlive(boot_));
  std::vector<std::pair<std::string, std::string>> found;  // a snapshot, as in RocksDB
  const SimMeta::Rows& rows = RowsOf(column);
  for (auto at = rows.lower_bound(first_key); at != rows.end(); ++at) {
    if (!at->first.starts_with(prefix)) break;
    found.push_back(*at);
  }
  for (const auto& [key, value] : found) {
    if (!visit(key, value)) break;
    medium_.steps_.runtime().Yield();  // a long scan takes its time
    BATON_RETURN_IF_ERROR(medium_.steps_.CheckAlive(boot_));
  }
  return absl::OkStatus();
}

std::unique_ptr<MetaStore> SimMeta::Open() { return std::make_unique<SimMetaStore>(*this); }

void SimMeta::Apply(const MetaBatch::Operation& operation) {
  Rows& rows = columns_[static_cast<size_t>(operation.column)];
  switch (operation.kind) {
    case MetaBatch::Kind::kPut:
      rows[operation.key] = operation.value;
      return;
    case MetaBatch::Kind::kDelete:
      rows.erase(operation.key);
      return;
    case MetaBatch::Kind::kDeletePrefix:
      std::erase_if(rows, [&](const auto& row) { return row.first.starts_with(operation.key); });
      return;
    case MetaBatch::Kind::kMergeBits:
      if (!OrBitRanges(operation.value, rows[operation.key])) {
        steps_.runtime().Die("a merge operand of bits is malformed");
      }
      return;
  }
}

void SimMeta::ApplyUpTo(size_t end) {
  for (; visible_ < end; ++visible_) {
    for (const MetaBatch::Operation& operation : log_[visible_].operations()) Apply(operation);
  }
}

void SimMeta::Crash(CrashKind kind) {
  // The log is written by write(2): what the process wrote is the system's.
  const size_t tail = log_.size() - durable_;
  const size_t kept = kind == CrashKind::kProcess ? tail : steps_.random().Below(tail + 1);
  log_.resize(durable_ + kept);
  if (visible_ > log_.size()) {
    for (Rows& rows : columns_) rows.clear();
    visible_ = 0;
  }
  ApplyUpTo(log_.size());
  if (kind != CrashKind::kProcess) durable_ = log_.size();
}

}  // namespace baton::sim
