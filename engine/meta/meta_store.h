// The interface of the metadata store: ordered keys in a few column families, atomic batches, and
// a merge that ORs bits. Production: RocksStore (rocks_store.h). Tests: a store on the simulated
// disk. Everything typed is above it, in catalog.h.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace baton {

enum class Column { kVolumes, kRelations, kBitmap, kDigests, kEvents, kSystem };
inline constexpr int kColumns = 6;

// For messages: "volumes", "relations", …
const char* ColumnName(Column column);

enum class Durable { kNo, kYes };

// Operations that take effect together or not at all, in order.
class MetaBatch {
 public:
  enum class Kind { kPut, kDelete, kDeletePrefix, kMergeBits };
  struct Operation {
    Kind kind;
    Column column;
    std::string key;
    std::string value;
  };

  void Put(Column column, std::string key, std::string value);
  void Delete(Column column, std::string key);
  // Every key that starts with `prefix`.
  void DeletePrefix(Column column, std::string prefix);
  // ORs bits into a bitmap row. `value` is what AppendBitRange() made; a row that is not there
  // is all zeros. Associative and commutative; see bit_merge.h.
  void MergeBits(Column column, std::string key, std::string value);

  const std::vector<Operation>& operations() const { return operations_; }
  bool empty() const { return operations_.empty(); }

 private:
  std::vector<Operation> operations_;
};

// What can be asked of a store. Thread-safe.
class MetaReader {
 public:
  using Visit = std::function<bool(const std::string& key, const std::string& value)>;

  virtual ~MetaReader() = default;

  virtual absl::StatusOr<std::optional<std::string>> Get(Column column,
                                                         const std::string& key) const = 0;
  // Calls `visit` with each key that starts with `prefix`, in order, until it returns false.
  absl::Status Scan(Column column, const std::string& prefix, const Visit& visit) const {
    return ScanFrom(column, prefix, prefix, visit);
  }
  // As Scan, from `first_key` on.
  virtual absl::Status ScanFrom(Column column, const std::string& prefix,
                                const std::string& first_key, const Visit& visit) const = 0;
  // Grows with every write; what has a smaller or equal number is included. A write that is to be
  // durable counts only once it is.
  virtual uint64_t LatestSequence() const = 0;
};

// Thread-safe. Any error of Write is final: the store has latched to failed, every later Write
// fails too, and the controller must give up its epoch.
class MetaStore : public MetaReader {
 public:
  // kYes: durable when it returns OK. kNo: in order, durable with the next kYes at the latest; a
  // crash may keep any prefix of what was not yet durable.
  virtual absl::Status Write(const MetaBatch& batch, Durable durable) = 0;
  // Every write up to this number is durable; it is what may be told to others (lease record,
  // intent slots), so that a successor whose log was cut short notices.
  virtual uint64_t SyncedSequence() const = 0;
};

}  // namespace baton
