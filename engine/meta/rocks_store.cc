// The one file that knows RocksDB (with fenced_file_system.cc).
#include "engine/meta/rocks_store.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/merge_operator.h>
#include <rocksdb/write_batch.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/meta/bit_merge.h"
#include "engine/meta/fenced_file_system.h"

namespace baton {
namespace {

// What must be read again after a crash is bounded by these: 1 M keys open in 27 ms with a small
// write buffer, in more than a second when all of it is still in the log.
constexpr size_t kWriteBufferBytes = 8 * limits::kMiB;
constexpr uint64_t kMaxLogBytes = 16 * limits::kMiB;
constexpr uint64_t kMaxManifestBytes = 4 * limits::kMiB;
constexpr size_t kLogLineBytes = 512;
constexpr int kMaxOpenFiles = 256;
// Tables are checked when the store is opened up to this much; what is beyond it (digests of large
// volumes) block by block when it is read.
constexpr uint64_t kVerifiedAtOpenBytes = 64 * limits::kMiB;
// Longer than any key: an upper bound for all that start with 0xff.
constexpr size_t kEndKeyBytes = 64;

constexpr std::array<Column, kColumns> kAllColumns = {Column::kVolumes, Column::kRelations,
                                                      Column::kBitmap,  Column::kDigests,
                                                      Column::kEvents,  Column::kSystem};

class BitMergeOperator final : public rocksdb::MergeOperator {
 public:
  const char* Name() const override { return "baton.bits"; }

  // An iterator hands in the string of the row before: it must not be taken for the old value.
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    out->new_value.clear();
    if (in.existing_value != nullptr) out->new_value = in.existing_value->ToString();
    for (const rocksdb::Slice& operand : in.operand_list) {
      if (!OrBitRanges({operand.data(), operand.size()}, out->new_value)) return false;
    }
    return true;
  }

  // Operands are sequences of ranges: one after the other is both.
  bool PartialMerge(const rocksdb::Slice&, const rocksdb::Slice& left, const rocksdb::Slice& right,
                    std::string* out, rocksdb::Logger*) const override {
    out->assign(left.data(), left.size());
    out->append(right.data(), right.size());
    return true;
  }
};

// RocksDB's own log, of which warnings and errors go to ours. Its log file, with all settings at
// each start, would cost a takeover a quarter of its time and the pool's storage a file.
class WarningLog final : public rocksdb::Logger {
 public:
  WarningLog() : Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  void LogHeader(const char*, va_list) override {}
  void Logv(const char* format, va_list arguments) override {
    std::array<char, kLogLineBytes> line;
    std::vsnprintf(line.data(), line.size(), format, arguments);
    spdlog::warn("metadata: {}", line.data());
  }
};

// The smallest key that is greater than all that start with `prefix`.
std::string EndOfPrefix(std::string prefix) {
  while (!prefix.empty() && static_cast<uint8_t>(prefix.back()) == 0xff) prefix.pop_back();
  if (prefix.empty()) return std::string(kEndKeyBytes, '\xff');
  prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
  return prefix;
}

absl::StatusCode CodeOf(const rocksdb::Status& status) {
  if (status.IsCorruption()) return absl::StatusCode::kDataLoss;
  if (status.IsNoSpace()) return absl::StatusCode::kResourceExhausted;
  if (status.IsPathNotFound()) return absl::StatusCode::kNotFound;
  return absl::StatusCode::kInternal;
}

absl::Status Translate(const rocksdb::Status& status, const std::string& directory) {
  if (status.ok()) return absl::OkStatus();
  return Error(CodeOf(status), "metadata in {}: {}", directory, status.ToString());
}

rocksdb::DBOptions DatabaseOptions(rocksdb::Env* env, bool create) {
  rocksdb::DBOptions options;
  options.env = env;
  options.create_if_missing = create;
  options.create_missing_column_families = true;
  // The stricter modes refuse to open after a torn tail, which every crash may leave.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.db_write_buffer_size = kWriteBufferBytes;
  options.max_total_wal_size = kMaxLogBytes;
  options.max_manifest_file_size = kMaxManifestBytes;
  options.max_open_files = kMaxOpenFiles;
  options.max_bgerror_resume_count = 0;  // an error is final
  options.max_file_opening_threads = 1;  // a thread a table is more than opening it costs
  options.info_log = std::make_shared<WarningLog>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> Families() {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const Column column : kAllColumns) {
    rocksdb::ColumnFamilyOptions options;
    options.write_buffer_size = kWriteBufferBytes;
    if (column == Column::kBitmap) options.merge_operator = std::make_shared<BitMergeOperator>();
    // RocksDB insists on a family of this name; ours for the system rows is as good as any.
    const bool is_default = column == Column::kSystem;
    families.emplace_back(is_default ? rocksdb::kDefaultColumnFamilyName : ColumnName(column),
                          options);
  }
  return families;
}

// An open database, whichever way it was opened, behind a fence.
class Database {
 public:
  Database(std::string directory, const Fence& fence)
      : directory_(std::move(directory)),
        files_(std::make_shared<FencedFileSystem>(rocksdb::FileSystem::Default(), fence)),
        env_(rocksdb::NewCompositeEnv(files_)) {}
  ~Database();

  absl::Status Open(bool create);
  absl::Status OpenAsSecondary();

  absl::StatusOr<std::optional<std::string>> Get(Column column, const std::string& key) const;
  absl::Status ScanFrom(Column column, const std::string& prefix, const std::string& first_key,
                        const MetaReader::Visit& visit) const;

  rocksdb::DB* operator->() const { return database_.get(); }
  rocksdb::ColumnFamilyHandle* Family(Column column) const {
    return families_[static_cast<size_t>(column)];
  }
  FencedFileSystem& files() { return *files_; }
  absl::Status Translated(const rocksdb::Status& status) const {
    return Translate(status, directory_);
  }

 private:
  const std::string directory_;
  const std::shared_ptr<FencedFileSystem> files_;
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> database_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;  // by Column
};

Database::~Database() {
  if (database_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    database_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
  database_->Close().PermitUncheckedError();
}

absl::Status Database::Open(bool create) {
  rocksdb::DB* database = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(DatabaseOptions(env_.get(), create), directory_,
                                                   Families(), &families_, &database);
  database_.reset(database);
  return Translated(status);
}

absl::Status Database::OpenAsSecondary() {
  rocksdb::DBOptions options = DatabaseOptions(env_.get(), /*create=*/false);
  options.create_missing_column_families = false;
  options.max_open_files = -1;  // what the writer removes stays readable
  rocksdb::DB* database = nullptr;
  // It has our log, so that it needs no place for one of its own.
  const rocksdb::Status status = rocksdb::DB::OpenAsSecondary(
      options, directory_, /*secondary_path=*/directory_, Families(), &families_, &database);
  database_.reset(database);
  return Translated(status);
}

absl::StatusOr<std::optional<std::string>> Database::Get(Column column,
                                                         const std::string& key) const {
  std::string value;
  const rocksdb::Status status =
      database_->Get(rocksdb::ReadOptions(), Family(column), key, &value);
  if (status.IsNotFound()) return std::nullopt;
  BATON_RETURN_IF_ERROR(Translated(status));
  return value;
}

absl::Status Database::ScanFrom(Column column, const std::string& prefix,
                                const std::string& first_key,
                                const MetaReader::Visit& visit) const {
  const std::string end = EndOfPrefix(prefix);
  const rocksdb::Slice end_slice = end;
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &end_slice;
  const std::unique_ptr<rocksdb::Iterator> row(database_->NewIterator(options, Family(column)));
  for (row->Seek(first_key); row->Valid(); row->Next()) {
    if (!visit(row->key().ToString(), row->value().ToString())) return absl::OkStatus();
  }
  return Translated(row->status());
}

class RocksStore final : public MetaStore {
 public:
  explicit RocksStore(RocksOptions options)
      : options_(std::move(options)), database_(options_.directory, options_.fence) {}

  absl::Status Open();

  absl::Status Write(const MetaBatch& batch, Durable durable) override;
  absl::StatusOr<std::optional<std::string>> Get(Column column,
                                                 const std::string& key) const override {
    return database_.Get(column, key);
  }
  absl::Status ScanFrom(Column column, const std::string& prefix, const std::string& first_key,
                        const Visit& visit) const override {
    return database_.ScanFrom(column, prefix, first_key, visit);
  }
  uint64_t LatestSequence() const override { return database_->GetLatestSequenceNumber(); }
  uint64_t SyncedSequence() const override { return synced_sequence_; }

 private:
  absl::StatusOr<rocksdb::WriteBatch> Encode(const MetaBatch& batch) const;
  absl::Status Apply(rocksdb::WriteBatch& batch, Durable durable);
  absl::Status VerifyTables() const;
  absl::Status VerifyLiveTables() const;
  absl::Status Fail(const absl::Status& status);
  absl::Status CheckFailure() const;
  void NoteSynced(uint64_t sequence);

  const RocksOptions options_;
  Database database_;
  std::atomic<uint64_t> synced_sequence_ = 0;
  mutable absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

absl::Status RocksStore::Open() {
  if (options_.uncommitted) database_.files().PutOffSyncs();
  const absl::Status opened = database_.Open(options_.create);
  BATON_RETURN_IF_ERROR(options_.fence.Check());
  BATON_RETURN_IF_ERROR(opened);
  BATON_RETURN_IF_ERROR(VerifyTables());
  BATON_RETURN_IF_ERROR(database_.Translated(database_.files().CatchUpWithTables()));
  // What was recovered from the log has been flushed to tables.
  NoteSynced(LatestSequence());
  return absl::OkStatus();
}

// A compaction may begin as soon as the store is open, and remove what is being verified.
absl::Status RocksStore::VerifyTables() const {
  BATON_RETURN_IF_ERROR(database_.Translated(database_->DisableFileDeletions()));
  const absl::Status verified = VerifyLiveTables();
  // Nobody else forbids deletions: RocksDB 7 and 9 mean the same by this.
  BATON_RETURN_IF_ERROR(database_.Translated(database_->EnableFileDeletions()));
  return verified;
}

absl::Status RocksStore::VerifyLiveTables() const {
  std::vector<rocksdb::LiveFileMetaData> tables;
  database_->GetLiveFilesMetaData(&tables);
  std::sort(tables.begin(), tables.end(),
            [](const auto& a, const auto& b) { return a.size < b.size; });
  uint64_t verified_bytes = 0;
  for (const rocksdb::LiveFileMetaData& table : tables) {
    verified_bytes += table.size;
    if (verified_bytes > kVerifiedAtOpenBytes) break;
    const rocksdb::Status status = rocksdb::VerifySstFileChecksum(
        rocksdb::Options(), rocksdb::EnvOptions(), table.db_path + table.name);
    BATON_RETURN_IF_ERROR(database_.Translated(status));
  }
  return absl::OkStatus();
}

absl::StatusOr<rocksdb::WriteBatch> RocksStore::Encode(const MetaBatch& batch) const {
  rocksdb::WriteBatch encoded;
  for (const MetaBatch::Operation& operation : batch.operations()) {
    rocksdb::ColumnFamilyHandle* family = database_.Family(operation.column);
    rocksdb::Status status;
    switch (operation.kind) {
      case MetaBatch::Kind::kPut:
        status = encoded.Put(family, operation.key, operation.value);
        break;
      case MetaBatch::Kind::kDelete:
        status = encoded.Delete(family, operation.key);
        break;
      case MetaBatch::Kind::kDeletePrefix:
        status = encoded.DeleteRange(family, operation.key, EndOfPrefix(operation.key));
        break;
      case MetaBatch::Kind::kMergeBits:
        status = encoded.Merge(family, operation.key, operation.value);
        break;
    }
    BATON_RETURN_IF_ERROR(database_.Translated(status));
  }
  return encoded;
}

absl::Status RocksStore::Write(const MetaBatch& batch, Durable durable) {
  BATON_RETURN_IF_ERROR(CheckFailure());
  absl::StatusOr<rocksdb::WriteBatch> encoded = Encode(batch);
  if (!encoded.ok()) return Fail(encoded.status());
  const absl::Status status = Apply(*encoded, durable);
  return status.ok() ? status : Fail(status);
}

// The fence is asked again after the write: a write that was overtaken by the end of the lease
// may be in the log or not, and is not acknowledged.
absl::Status RocksStore::Apply(rocksdb::WriteBatch& batch, Durable durable) {
  rocksdb::WriteOptions options;
  options.sync = durable == Durable::kYes;
  // Others may write in between: this batch ends at this number or after it.
  const uint64_t end_of_batch = LatestSequence() + batch.Count();
  const rocksdb::Status status = database_->Write(options, &batch);
  BATON_RETURN_IF_ERROR(options_.fence.Check());
  BATON_RETURN_IF_ERROR(database_.Translated(status));
  if (options.sync) NoteSynced(end_of_batch);
  return absl::OkStatus();
}

absl::Status RocksStore::Fail(const absl::Status& status) {
  const absl::MutexLock lock(&mutex_);
  if (failure_.ok()) failure_ = Annotate(status, "the metadata store has failed");
  return failure_;
}

absl::Status RocksStore::CheckFailure() const {
  const absl::MutexLock lock(&mutex_);
  return failure_;
}

void RocksStore::NoteSynced(uint64_t sequence) {
  uint64_t known = synced_sequence_;
  while (known < sequence && !synced_sequence_.compare_exchange_weak(known, sequence)) {
  }
  if (options_.on_synced) options_.on_synced(sequence);
}

// Refuses everything: who only looks changes nothing.
class ClosedFence final : public Fence {
 public:
  absl::Status Check() const override {
    return absl::AbortedError("a standby does not write metadata");
  }
};

class RocksFollowerImpl final : public RocksFollower {
 public:
  explicit RocksFollowerImpl(const std::string& directory) : database_(directory, fence_) {}

  absl::Status Open() { return database_.OpenAsSecondary(); }

  absl::Status CatchUp() override {
    return database_.Translated(database_->TryCatchUpWithPrimary());
  }
  absl::StatusOr<std::optional<std::string>> Get(Column column,
                                                 const std::string& key) const override {
    return database_.Get(column, key);
  }
  absl::Status ScanFrom(Column column, const std::string& prefix, const std::string& first_key,
                        const Visit& visit) const override {
    return database_.ScanFrom(column, prefix, first_key, visit);
  }
  uint64_t LatestSequence() const override { return database_->GetLatestSequenceNumber(); }

 private:
  const ClosedFence fence_;
  Database database_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MetaStore>> OpenRocksStore(RocksOptions options) {
  auto store = std::make_unique<RocksStore>(std::move(options));
  BATON_RETURN_IF_ERROR(store->Open());
  return store;
}

absl::StatusOr<std::unique_ptr<RocksFollower>> FollowRocksStore(const std::string& directory) {
  auto follower = std::make_unique<RocksFollowerImpl>(directory);
  BATON_RETURN_IF_ERROR(follower->Open());
  return follower;
}

}  // namespace baton
