// One simulated machine with an engine, hosts that work on its volumes, clones that come and go,
// and crashes; everything that can be seen is compared with models.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/model/volume_model.h"
#include "tests/sim/sim_machine.h"

namespace baton::crash {

struct Outcome {
  std::string violation;      // empty: nothing was wrong
  uint64_t crash_points = 0;  // crashes that came while the engine worked
  uint64_t completed = 0;     // clones that were completed and compared
};

// Everything follows from `seed`: sizes, operations, interleaving, crashes, faults.
class World {
 public:
  explicit World(uint64_t seed);
  ~World();

  // Some lives, each ended by a crash, and a last one in which all clones are completed.
  Outcome Run();

 private:
  struct Volume {
    explicit Volume(model::Clock& clock, const std::string& volume_name, uint64_t size_bytes)
        : name(volume_name), model(clock, size_bytes) {}
    const std::string name;
    uint64_t id = 0;
    model::VolumeModel model;
    bool hosts_may_use = true;
    int64_t looked_unix_us = 0;  // the time of its last change, when that was looked at last
    bool touched = false;        // a change was issued since then
  };
  struct Clone {
    uint64_t id = 0;
    Volume* source = nullptr;
    Volume* target = nullptr;
    uint64_t extent_bytes = 0;
    std::optional<model::VolumeModel::T0> starting;  // Start was issued and not answered
    bool is_live = false;                            // T0 is known
    bool is_over = false;                            // a stop was issued, or an error was injected
    uint64_t copied = 0;                             // the most that was ever reported
    std::vector<bool> may_be_copied;                 // by extent, in this life
  };

  void Format();
  bool OpenEngine();
  void Life(bool is_last);
  void CloseEngine();

  void CheckRecovered(bool lost_cache);
  void CheckTimes();
  void CheckClone(Clone& clone);
  void CheckContent(Volume& volume, bool lost_cache);
  void CheckOffline(const Clone& clone);
  void FinishClones();
  void CheckCompleted(const Clone& clone);
  void ObserveCopies(const sim::Operation& operation);

  void Command();
  void MakeClones();
  void StartClones(const std::vector<Clone*>& clones);
  void PollProgress();
  bool Alive();

  void Host(uint64_t operations);
  void HostOperation(Volume& volume, VolumeIo& io);
  void HostWrite(Volume& volume, VolumeIo& io);
  void HostRead(Volume& volume, VolumeIo& io);
  void InjectFault();
  void InjectWriteFault(const Volume& target);
  void InjectReadFault();
  void InjectSyncFault();

  void Violate(const std::string& what);
  uint64_t Cell(uint64_t limit) { return random_.Below(limit / model::kCellBytes); }

  const uint64_t seed_;
  sim::Random random_;
  sim::SimMachine machine_;
  model::Clock clock_;
  OpenFence fence_;
  const uint64_t size_bytes_;
  const bool hosts_write_targets_;
  const bool has_faults_;
  const bool has_write_log_;
  // Small, so that it is full soon. In the smaller one an entry of three blocks just fits, in the
  // larger one threads share what is drained.
  const uint64_t segment_blocks_;
  std::vector<std::unique_ptr<Volume>> volumes_;
  std::vector<std::unique_ptr<Clone>> clones_;
  std::unique_ptr<Engine> engine_;
  uint64_t epoch_ = 0;
  bool faulted_ = false;
  bool storage_failed_ = false;  // a sync has
  Outcome outcome_;
};

}  // namespace baton::crash
