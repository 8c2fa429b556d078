#include "tests/checker/world.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace baton::checker {
namespace {

constexpr size_t kHosts = 4;
constexpr uint32_t kSources = 2;
constexpr uint32_t kTargets = 3;

double Seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

World::World(uint64_t seed, uint64_t operations_per_host, Backend& backend)
    : seed_(seed),
      random_(seed),
      backend_(backend),
      size_bytes_(limits::kBlockBytes * Draw(16, 512)),
      hosts_change_targets_(Draw(0, 1) == 1),
      lives_(backend.hosts_survive() ? 1 : Draw(1, 3)),
      operations_(operations_per_host / lives_) {
  for (uint32_t i = 0; i < kSources + kTargets; ++i) {
    const std::string name =
        i < kSources ? fmt::format("s{}", i) : fmt::format("t{}", i - kSources);
    volumes_.push_back(std::make_unique<Volume>(clock_, name, size_bytes_, kHosts));
  }
  for (size_t number = 0; number < kHosts; ++number) {
    hosts_.push_back(
        std::make_unique<Host>(Host::Options{.number = number,
                                             .seed = seed * kHosts + number,
                                             .fixed_volumes = kSources,
                                             .may_change_targets = hosts_change_targets_},
                               backend_, volumes_, size_bytes_, log_));
  }
  commander_ =
      std::make_unique<Commander>(Commander::Options{.seed = ~seed, .size_bytes = size_bytes_},
                                  backend_, volumes_, kSources, log_);
}

Outcome World::Run() {
  MakeVolumes();
  for (uint64_t life = 1; life <= lives_ && !log_.failed(); ++life) {
    Live(life == lives_);
    if (life < lives_) Reopen();
  }
  if (!log_.failed()) commander_->Finish();
  for (const std::unique_ptr<Volume>& volume : volumes_) CheckContent(*volume);
  for (const std::unique_ptr<Volume>& volume : volumes_) volume->Close();
  if (!log_.failed()) CheckFiles();
  for (const std::unique_ptr<Host>& host : hosts_) outcome_.operations += host->issued();
  outcome_.commands = commander_->commands();
  outcome_.completed = commander_->completed();
  if (log_.failed()) outcome_.violation = fmt::format("seed {}: {}", seed_, log_.violation());
  return outcome_;
}

void World::MakeVolumes() {
  for (const std::unique_ptr<Volume>& volume : volumes_) {
    const absl::StatusOr<VolumeInfo> made =
        backend_.engine().CreateVolume({.name = volume->name, .size_bytes = size_bytes_});
    if (!made.ok()) log_.Violate("volume create: " + made.status().ToString());
  }
}

void World::Live(bool is_last) {
  const auto begin = std::chrono::steady_clock::now();
  const uint64_t all = OperationsDrawn() + kHosts * operations_;
  const uint64_t end = is_last ? UINT64_MAX : all - Draw(1, kHosts * operations_);
  std::atomic<bool> ending{false};
  std::atomic<size_t> working{kHosts};
  std::vector<std::thread> threads;
  for (const std::unique_ptr<Host>& host : hosts_) {
    threads.emplace_back([&] {
      host->Work(operations_, ending);
      --working;
    });
  }
  while (working > 0 && OperationsDrawn() < end) commander_->Step();
  ending = true;
  if (!is_last) {
    const absl::Status sealed = backend_.Seal();
    if (!sealed.ok()) log_.Violate("seal: " + sealed.ToString());
  }
  for (std::thread& thread : threads) thread.join();
  outcome_.seconds += Seconds(std::chrono::steady_clock::now() - begin);
}

void World::Reopen() {
  for (const std::unique_ptr<Volume>& volume : volumes_) {
    for (std::unique_ptr<VolumeIo>& handle : volume->handles) handle.reset();
  }
  const absl::Status status = backend_.Reopen();
  if (!status.ok()) return log_.Violate("open: " + status.ToString());
  commander_->CheckReopened();
}

uint64_t World::OperationsDrawn() const {
  uint64_t drawn = 0;
  for (const std::unique_ptr<Host>& host : hosts_) drawn += host->drawn();
  return drawn;
}

void World::CheckContent(Volume& volume) {
  if (log_.failed()) return;
  std::vector<std::byte> content(size_bytes_);
  const absl::StatusOr<std::unique_ptr<VolumeIo>> io = backend_.Open(volume.name, false);
  absl::Status status = io.ok() ? (*io)->Flush() : io.status();
  const uint64_t begin = volume.model.BeginRead();
  if (status.ok()) status = (*io)->Read(0, content);
  if (!status.ok()) return log_.Violate(volume.name + " at the end: " + status.ToString());
  const std::string wrong = volume.model.CheckRead(begin, 0, content);
  if (!wrong.empty()) log_.Violate(volume.name + " at the end: " + wrong);
}

// Without the engine the volumes are what they were with it.
void World::CheckFiles() {
  const absl::Status sealed = backend_.Seal();
  if (!sealed.ok()) return log_.Violate("seal: " + sealed.ToString());
  for (const std::unique_ptr<Volume>& volume : volumes_) {
    const uint64_t begin = volume->model.BeginRead();
    const absl::StatusOr<std::vector<std::byte>> content = backend_.ReadFile(volume->name);
    if (!content.ok()) return log_.Violate(content.status().ToString());
    const std::string wrong = volume->model.CheckRead(begin, 0, *content);
    if (!wrong.empty()) log_.Violate("file of " + volume->name + ": " + wrong);
  }
}

}  // namespace baton::checker
