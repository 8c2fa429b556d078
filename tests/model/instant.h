// Whether what clones show was there at one instant.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "tests/model/volume_model.h"

namespace baton::model {

// That every cell holds one of its possible T0 values does not say that all held theirs at the
// same time. This does: a write that is seen began before T0, so whatever was acknowledged before
// it began is in all cells of all volumes that have this T0.
class Instant {
 public:
  // `content` is the target of a clone whose possible T0 values are `t0`; nobody wrote to it.
  void Add(const std::string& name, const VolumeModel::T0& t0, Bytes content);

  // What is wrong with all that was added so far; empty: nothing.
  std::string Check() const;

 private:
  using Candidates = std::vector<VolumeModel::Candidate>;
  struct Cell {
    std::string name;
    uint64_t index = 0;
    Candidates seen;    // more than one: zeros that may be of several discards
    Candidates others;  // what else may have been there
  };

  bool IsStale(const Cell& cell) const;

  std::vector<Cell> contended_;  // cells with others
  uint64_t latest_begin_ = 0;    // of a write that is seen
  std::string latest_;
};

}  // namespace baton::model
