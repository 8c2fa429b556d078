// What an owner answers to the mounts of its peers: names in pages, one volume by its name or id.
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "ha/volumes/served_volumes.h"
#include "tests/base/testing.h"
#include "tests/ha_volumes/no_locks.h"

namespace baton::ha {
namespace {

constexpr uint64_t kManyVolumes = 3000;

// Volumes without content: "v1" to "v3000". Counts how often attributes are asked for.
class ManyVolumes final : public VolumeDirectory {
 public:
  absl::StatusOr<std::vector<VolumeName>> List(uint64_t after_id, size_t limit) const override {
    std::vector<VolumeName> names;
    for (uint64_t id = after_id + 1; id <= kManyVolumes && names.size() < limit; ++id) {
      names.push_back({.id = id, .name = fmt::format("v{}", id)});
    }
    return names;
  }
  absl::StatusOr<VolumeEntry> Lookup(const std::string& name) const override {
    if (name != "v7") return absl::NotFoundError("no such volume");
    return Get(7);
  }
  absl::StatusOr<VolumeEntry> Get(uint64_t id) const override {
    ++looked_at;
    return VolumeEntry{
        .id = id, .name = fmt::format("v{}", id), .size_bytes = 4096, .changed_unix_us = 77};
  }
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t) override {
    return absl::UnimplementedError("no content");
  }
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t, uint64_t) const override {
    return std::nullopt;
  }
  absl::StatusOr<Capacity> GetCapacity() const override {
    return Capacity{.total_bytes = 9, .free_bytes = 4, .volumes = kManyVolumes};
  }

  mutable std::atomic<uint64_t> looked_at = 0;
};

class ServedNamesTest : public testing::Test {
 protected:
  peer_api::Answer Ask(const peer_api::Call& call) { return Must(served_.Answer("b", call)); }

  ManyVolumes volumes_;
  NoLocks locks_;
  ServedVolumes served_{volumes_, locks_};
};

TEST_F(ServedNamesTest, AListingComesInPagesAndLooksAtNoVolume) {
  std::map<uint64_t, std::string> names;
  int pages = 0;
  for (uint64_t after = 0;; ++pages) {
    peer_api::Call call;
    call.mutable_list_volumes()->set_after_id(after);
    call.mutable_list_volumes()->set_limit(limits::kMaxVolumes);
    const peer_api::Answer answer = Ask(call);
    EXPECT_LT(answer.ByteSizeLong(), 128 * limits::kKiB);
    if (answer.volumes().volumes().empty()) break;
    for (const peer_api::Volume& volume : answer.volumes().volumes()) {
      names[volume.id()] = volume.name();
      after = volume.id();
    }
  }
  EXPECT_EQ(names.size(), kManyVolumes);
  EXPECT_EQ(names[kManyVolumes], "v3000");
  EXPECT_GT(pages, 1);
  EXPECT_EQ(volumes_.looked_at, 0u);
}

TEST_F(ServedNamesTest, AVolumeIsFoundWithoutAListing) {
  peer_api::Call by_name;
  by_name.mutable_find_volume()->set_name("v7");
  peer_api::Call by_id;
  by_id.mutable_find_volume()->set_id(7);
  for (const peer_api::Call& call : {by_name, by_id}) {
    const peer_api::Answer answer = Ask(call);
    EXPECT_EQ(answer.volume().id(), 7u);
    EXPECT_EQ(answer.volume().name(), "v7");
    EXPECT_EQ(answer.volume().changed_unix_us(), 77);
  }
  EXPECT_EQ(volumes_.looked_at, 2u);
  peer_api::Call missing;
  missing.mutable_find_volume()->set_name("nobody");
  EXPECT_TRUE(absl::IsNotFound(served_.Answer("b", missing).status()));
}

TEST_F(ServedNamesTest, AnOlderVersionIsToldAllOfAll) {
  peer_api::Call call;
  call.mutable_list_volumes();
  const peer_api::Answer answer = Ask(call);
  ASSERT_EQ(answer.volumes().volumes_size(), static_cast<int>(kManyVolumes));
  EXPECT_EQ(answer.volumes().volumes(0).size_bytes(), 4096u);
}

TEST_F(ServedNamesTest, HowManyThereAreIsPartOfTheCapacity) {
  peer_api::Call call;
  call.mutable_capacity();
  EXPECT_EQ(Ask(call).capacity().volumes(), kManyVolumes);
}

}  // namespace
}  // namespace baton::ha
