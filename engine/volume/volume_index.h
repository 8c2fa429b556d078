// Volumes by name and by id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace baton {

// Of each volume one T. Not thread-safe. Pointers hold until the volume is erased.
template <typename T>
class VolumeIndex {
 public:
  void Insert(uint64_t id, const std::string& name, T volume) {
    by_id_.insert_or_assign(id, std::move(volume));
    by_name_[name] = id;
  }
  void Erase(uint64_t id, const std::string& name) {
    by_name_.erase(name);  // first: `name` may be the volume's
    by_id_.erase(id);
  }
  // Null: there is none.
  const T* Find(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : Find(found->second);
  }
  const T* Find(uint64_t id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &found->second;
  }
  // At most `limit` of those with a greater id, by id.
  template <typename Visit>
  void ForEachAfter(uint64_t id, size_t limit, Visit visit) const {
    for (auto next = by_id_.upper_bound(id); next != by_id_.end() && limit > 0; ++next, --limit) {
      visit(next->second);
    }
  }
  size_t size() const { return by_id_.size(); }

 private:
  std::map<uint64_t, T> by_id_;
  std::map<std::string, uint64_t> by_name_;
};

}  // namespace baton
