#include "tests/engine/engine_pool.h"

#include <absl/time/clock.h>

#include <filesystem>

#include "engine/meta/epoch_directory.h"
#include "engine/meta/pool_file.h"
#include "engine/meta/rocks_store.h"

namespace baton {

std::string MemoryDirectory() {
  const std::string memory = "/dev/shm";
  return std::filesystem::is_directory(memory) ? memory : testing::TempDir();
}

EnginePool::EnginePool(const std::string& parent, Durability durability)
    : directory_(parent), durability_(durability) {
  storage_ = Must(PosixStorage::Open(directory_.path()));
  EXPECT_OK(InitPool(*storage_, durability, runtime_));
}

absl::Status EnginePool::Open() {
  const uint64_t before = Must(LatestEpoch(*storage_));
  epoch_ = std::max(epoch_, before) + 1;
  absl::Status status = SealAndCopy(*storage_, before, epoch_);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<MetaStore>> store =
      OpenRocksStore({.directory = Path(EpochDirectory(epoch_)),
                      .fence = fence_,
                      .create = before == 0,
                      .on_synced = {}});
  if (!store.ok()) return store.status();
  status = ProveEpoch(*storage_, epoch_);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::Open({.storage = *storage_,
                    .runtime = runtime_,
                    .fence = fence_,
                    .meta = *std::move(store),
                    .epoch = epoch_,
                    .durability = durability_,
                    .node = "test",
                    .write_log_shape = {.segments = 0},
                    .on_fault = [](const absl::Status& why) { ADD_FAILURE() << why; }});
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  return absl::OkStatus();
}

std::vector<Residual> EnginePool::Close() {
  std::vector<Residual> residuals = Must(engine_->Seal());
  engine_.reset();
  return residuals;
}

absl::StatusOr<std::vector<std::byte>> EnginePool::ReadFile(const std::string& name) {
  const absl::StatusOr<std::unique_ptr<File>> file = storage_->Open(name, {.read_only = true});
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size_bytes = (*file)->SizeBytes();
  if (!size_bytes.ok()) return size_bytes.status();
  std::vector<std::byte> content(*size_bytes);
  const absl::Status status = (*file)->Read(0, content);
  if (!status.ok()) return status;
  return content;
}

void EngineTest::MakeVolume(const std::string& name, uint64_t size_bytes) {
  ASSERT_OK(pool_->CreateVolume({.name = name, .size_bytes = size_bytes}));
}

std::unique_ptr<VolumeIo> EngineTest::OpenByName(const std::string& name) {
  return Must(pool_->OpenVolume(Must(pool_->ShowVolume(name)).id()));
}

std::vector<std::byte> EngineTest::Content(const std::string& name) {
  const std::unique_ptr<VolumeIo> io = OpenByName(name);
  std::vector<std::byte> content(io->size_bytes());
  EXPECT_OK(io->Read(0, content));
  return content;
}

void EngineTest::Write(const std::string& name, uint64_t offset,
                       const std::vector<std::byte>& data) {
  EXPECT_OK(OpenByName(name)->Write(offset, data));
}

void EngineTest::Fill(const std::string& name, uint8_t tag) { Write(name, 0, Filled(tag)); }

bool EngineTest::IsOffline(const std::string& name) {
  std::vector<std::byte> block(limits::kBlockBytes);
  const std::unique_ptr<VolumeIo> io = OpenByName(name);
  const absl::Status read = io->Read(0, block);
  const bool is_offline = absl::IsFailedPrecondition(read);
  EXPECT_EQ(absl::IsFailedPrecondition(io->Write(0, block)), is_offline);
  EXPECT_EQ(Must(pool_->ShowVolume(name)).offline(), is_offline);
  return is_offline;
}

CloneOptions EngineTest::Options(const std::string& source, const std::string& target,
                                 uint64_t rate_bytes_per_second) const {
  CloneOptions options;
  options.source = source;
  options.target = target;
  options.extent_bytes = kExtent;
  options.rate_bytes_per_second = rate_bytes_per_second;
  return options;
}

uint64_t EngineTest::Create(const std::string& source, const std::string& target, uint64_t rate) {
  return Must(pool_->CreateClone(Options(source, target, rate)));
}

uint64_t EngineTest::Activate(const std::string& source, const std::string& target, uint64_t rate) {
  const uint64_t id = Create(source, target, rate);
  EXPECT_OK(pool_->ActivateClones({id}));
  return id;
}

void EngineTest::ExpectToCrawl(const std::string& source) {
  EXPECT_TRUE(Must(pool_->NextData(Must(pool_->ShowVolume(source)).id(), 0)).has_value())
      << source << " is all zeros: a clone of it is complete at once, whatever its rate";
}

uint64_t EngineTest::Start(const std::string& source, const std::string& target, uint64_t rate) {
  if (rate == kCrawl) ExpectToCrawl(source);
  const uint64_t id = Activate(source, target, rate);
  EXPECT_OK(pool_->StartClones({id}));
  return id;
}

uint64_t EngineTest::MakeIn(const std::string& state) {
  const uint64_t id = Create("src", "dst", kCrawl);
  if (state == "created") return id;
  EXPECT_OK(pool_->ActivateClones({id}));
  if (state == "activated") return id;
  ExpectToCrawl("src");
  EXPECT_OK(pool_->StartClones({id}));
  if (state == "paused") {
    EXPECT_OK(pool_->PauseClone(id));
  }
  if (state == "stopped") {
    EXPECT_OK(pool_->StopClone(id));
  }
  if (state == "completed") Complete(id);
  EXPECT_EQ(StateOf(id), state);
  return id;
}

std::string EngineTest::StateOf(uint64_t id) { return Must(pool_->ShowClone(id)).state(); }

void EngineTest::AwaitState(uint64_t id, const std::string& state) {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (StateOf(id) != state && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  ASSERT_EQ(StateOf(id), state) << Must(pool_->ShowClone(id)).ShortDebugString();
}

void EngineTest::Complete(uint64_t id) {
  EXPECT_OK(pool_->SetCloneRate(id, 0));
  AwaitState(id, "completed");
}

std::string EngineTest::Everything() {
  std::string all;
  for (const VolumeInfo& volume : pool_->ListVolumes()) {
    VolumeStatus status = Must(pool_->ShowVolume(volume.name));
    status.clear_allocated_bytes();  // clones go on meanwhile
    all += status.DebugString();
  }
  for (CloneStatus& clone : pool_->ListClones()) {
    for (const char* counter : {"extents_copied", "extents_pending", "extents_copying",
                                "extents_landing", "copies_total"}) {
      clone.GetReflection()->ClearField(&clone, clone.GetDescriptor()->FindFieldByName(counter));
    }
    all += clone.DebugString();
  }
  for (const Event& event : Must(pool_->ListEvents(0, 1000))) all += event.DebugString();
  for (const std::string& name : Must(pool_.storage().List("volumes"))) {
    all += name + " " + std::to_string(std::filesystem::file_size(pool_.Path("volumes/" + name)));
  }
  return all;
}

}  // namespace baton
