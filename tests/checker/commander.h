// Who makes, starts, pauses, stops and deletes clones while hosts are at work.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/checker/backend.h"
#include "tests/checker/log.h"
#include "tests/checker/volume.h"
#include "tests/model/instant.h"

namespace baton::checker {

// One clone at a time onto each target. It knows what is allowed: a refusal of what is, or
// the taking of what is not, is a violation.
class Commander {
 public:
  struct Options {
    uint64_t seed = 0;
    uint64_t size_bytes = 0;
  };
  Commander(const Options& options, Backend& backend, std::vector<std::unique_ptr<Volume>>& volumes,
            uint32_t first_target, Log& log);

  // One command, or a look.
  void Step();
  // After the engine was opened again: everything is as it was.
  void CheckReopened();
  // Until all clones are completed; those that were stopped are deleted.
  void Finish();

  uint64_t commands() const { return commands_; }
  uint64_t completed() const { return completed_; }

 private:
  // The T0 of clones that were started together.
  struct Group {
    model::Instant instant;
  };
  struct Clone {
    uint64_t id = 0;  // 0: none
    Volume* source = nullptr;
    Volume* target = nullptr;
    std::string state;
    uint64_t copied = 0;  // the most that was shown
    bool verified = false;
    model::VolumeModel::T0 t0;
    std::shared_ptr<Group> group;
  };

  void Restart();
  void Act(Clone& clone);
  void Create(Clone& clone);
  void Activate(Clone& clone);
  void StartSome(Clone& clone);
  void Start(const std::vector<Clone*>& clones);
  void Stop(Clone& clone);
  void Delete(Clone& clone);
  void Pause(Clone& clone);
  void Resume(Clone& clone);
  void SetRate(Clone& clone, uint64_t bytes_per_second);
  void Verify(Clone& clone);
  void CheckInstant(Clone& clone);

  void Refresh();
  void Refresh(Clone& clone);
  bool IsAllowed(const Clone& clone) const;
  static bool IsActive(const Clone& clone);
  static bool HoldsTarget(const Clone& clone);
  // `status` answers a command that is allowed or not.
  bool Expect(const Clone& clone, const std::string& command, const absl::Status& status,
              bool allowed);
  void Note(const Clone& clone, const std::string& command, const absl::Status& status);

  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  uint64_t DrawRate();

  const Options options_;
  Backend& backend_;
  std::vector<std::unique_ptr<Volume>>& volumes_;
  Log& log_;
  std::mt19937_64 random_;
  std::vector<Clone> clones_;
  uint64_t commands_ = 0;
  uint64_t completed_ = 0;
};

}  // namespace baton::checker
