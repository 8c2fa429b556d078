#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "engine/base/mutant.h"
#include "tests/checker/world.h"

namespace baton::checker {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::stoull(value);
}

}  // namespace

std::string RunCampaign(
    const std::string& name,
    const std::function<std::unique_ptr<Backend>(uint64_t seed)>& make_backend) {
#ifdef BATON_MUTANTS  // to see whether the checker would notice
  active_mutant = static_cast<Mutant>(FromEnvironment("BATON_MUTANT", 0));
#endif
  const uint64_t only = FromEnvironment("BATON_SEED", 0);
  const uint64_t operations = FromEnvironment("BATON_OPERATIONS", 5000);
  const std::chrono::seconds time(FromEnvironment("BATON_SECONDS", 20));
  const auto begin = std::chrono::steady_clock::now();
  uint64_t seed = only > 0 ? only : FromEnvironment("BATON_FIRST_SEED", 1);
  uint64_t worlds = 0;
  Outcome sum;
  do {
    const std::unique_ptr<Backend> backend = make_backend(seed);
    const Outcome outcome = World(seed, operations, *backend).Run();
    if (!outcome.violation.empty()) return outcome.violation;
    ++worlds;
    ++seed;
    sum.operations += outcome.operations;
    sum.commands += outcome.commands;
    sum.completed += outcome.completed;
    sum.seconds += outcome.seconds;
  } while (only == 0 && std::chrono::steady_clock::now() - begin < time);
  std::printf(
      "%s: %lu worlds, %lu operations in %.1f s (%.0f/s), %lu commands, %lu clones completed\n",
      name.c_str(), worlds, sum.operations, sum.seconds,
      static_cast<double>(sum.operations) / sum.seconds, sum.commands, sum.completed);
  if (sum.completed == 0 && only == 0) return "no clone was completed";
  return "";
}

}  // namespace baton::checker
