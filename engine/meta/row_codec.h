// Rows of the metadata that are Protobuf records under a number, and what is said of damaged ones.
#pragma once

#include <string>
#include <vector>

#include "engine/base/status.h"
#include "engine/meta/table_keys.h"
#include "engine/meta/meta_store.h"

namespace baton {

inline constexpr uint32_t kRecordVersion = 1;

// DataLoss that names the row's column and key.
absl::Status DamagedRow(Column column, const std::string& key, const std::string& why);

// Parses a row into `record` and checks its version.
template <typename Record>
absl::Status ParseRecord(Column column, const std::string& key, const std::string& value,
                         Record& record) {
  if (!record.ParseFromString(value)) return DamagedRow(column, key, "it does not parse");
  if (record.version() == kRecordVersion) return absl::OkStatus();
  return DamagedRow(
      column, key,
      fmt::format("its version is {}, this program knows {}", record.version(), kRecordVersion));
}

// As ParseRecord; checks, too, that it lies under its own number, which `number_of` tells.
template <typename Record, typename NumberOf>
absl::Status ParseRow(Column column, const std::string& key, const std::string& value,
                      NumberOf number_of, Record& record) {
  BATON_RETURN_IF_ERROR(ParseRecord(column, key, value, record));
  const uint64_t number = number_of(record);
  if (key == KeyOf(number)) return absl::OkStatus();
  return DamagedRow(column, key, fmt::format("its content belongs to {}", number));
}

// Appends the records whose keys start with `prefix` to `records`, in order.
template <typename Record, typename NumberOf>
absl::Status LoadRows(const MetaReader& store, Column column, const std::string& prefix,
                      NumberOf number_of, std::vector<Record>& records) {
  absl::Status result;
  BATON_RETURN_IF_ERROR(
      store.Scan(column, prefix, [&](const std::string& key, const std::string& value) {
        result = ParseRow(column, key, value, number_of, records.emplace_back());
        return result.ok();
      }));
  return result;
}

}  // namespace baton
