// Hosts and a commander at work on one pool, for a while; everything they see is compared.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/checker/backend.h"
#include "tests/checker/commander.h"
#include "tests/checker/host.h"
#include "tests/checker/log.h"
#include "tests/checker/volume.h"

namespace baton::checker {

struct Outcome {
  std::string violation;    // empty: nothing was wrong
  uint64_t operations = 0;  // of hosts
  uint64_t commands = 0;
  uint64_t completed = 0;  // clones
  double seconds = 0;      // that hosts were at work
};

// What every host does follows from `seed`, and what the commander draws; who is faster does not.
class World {
 public:
  World(uint64_t seed, uint64_t operations_per_host, Backend& backend);
  // Some lives of the engine; each but the last is ended while hosts are at work.
  Outcome Run();

 private:
  void MakeVolumes();
  void Live(bool is_last);
  void Reopen();
  void CheckContent(Volume& volume);
  void CheckFiles();
  uint64_t OperationsDrawn() const;
  uint64_t Draw(uint64_t from, uint64_t to) { return from + random_() % (to - from + 1); }

  const uint64_t seed_;
  std::mt19937_64 random_;
  Backend& backend_;
  const uint64_t size_bytes_;
  const bool hosts_change_targets_;
  const uint64_t lives_;
  const uint64_t operations_;  // of one host in one life
  Log log_;
  model::Clock clock_;
  std::vector<std::unique_ptr<Volume>> volumes_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::unique_ptr<Commander> commander_;
  Outcome outcome_;
};

// Seeds one after the other, each in a world of its own, until so much time has passed or
// something was wrong; the environment may ask for more or for one seed only (see checker_test.cc).
// Returns what was wrong, and prints what was done.
std::string RunCampaign(const std::string& name,
                        const std::function<std::unique_ptr<Backend>(uint64_t seed)>& make_backend);

}  // namespace baton::checker
