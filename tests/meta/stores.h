// The implementations of MetaStore that the suites of this folder run over.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/base/fence.h"
#include "engine/meta/rocks_store.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton {

// A medium on which a store is opened again and again; one at a time.
class StoreMedium {
 public:
  virtual ~StoreMedium() = default;
  virtual std::unique_ptr<MetaStore> Open() = 0;
};

class RocksMedium final : public StoreMedium {
 public:
  std::unique_ptr<MetaStore> Open() override {
    return Must(OpenRocksStore(
        {.directory = directory_.path(), .fence = fence_, .create = true, .on_synced = {}}));
  }

 private:
  TemporaryDirectory directory_;
  OpenFence fence_;
};

class SimMedium final : public StoreMedium {
 public:
  std::unique_ptr<MetaStore> Open() override { return machine_.meta().Open(); }

 private:
  sim::SimMachine machine_{1};
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<StoreMedium>()> make;
};

inline std::vector<StoreKind> StoreKinds() {
  return {{"Rocks", [] { return std::make_unique<RocksMedium>(); }},
          {"Sim", [] { return std::make_unique<SimMedium>(); }}};
}

inline std::string NameOf(const testing::TestParamInfo<StoreKind>& info) { return info.param.name; }

}  // namespace baton
