#include "engine/meta/meta_store.h"

#include <utility>

namespace baton {

void MetaBatch::Put(Column column, std::string key, std::string value) {
  operations_.push_back({Kind::kPut, column, std::move(key), std::move(value)});
}

void MetaBatch::Delete(Column column, std::string key) {
  operations_.push_back({Kind::kDelete, column, std::move(key), {}});
}

void MetaBatch::DeletePrefix(Column column, std::string prefix) {
  operations_.push_back({Kind::kDeletePrefix, column, std::move(prefix), {}});
}

void MetaBatch::MergeBits(Column column, std::string key, std::string value) {
  operations_.push_back({Kind::kMergeBits, column, std::move(key), std::move(value)});
}

const char* ColumnName(Column column) {
  switch (column) {
    case Column::kVolumes:
      return "volumes";
    case Column::kRelations:
      return "relations";
    case Column::kBitmap:
      return "bitmap";
    case Column::kDigests:
      return "digests";
    case Column::kEvents:
      return "events";
    case Column::kSystem:
      return "system";
  }
  return "unknown";
}

}  // namespace baton
