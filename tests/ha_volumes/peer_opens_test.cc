// What a peer has open, by what it says, in whatever order that arrives.
#include "ha/volumes/peer_opens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

namespace baton::ha {
namespace {

constexpr uint64_t kVolumes = 4;

class NoIo final : public VolumeIo {
 public:
  uint64_t size_bytes() const override { return 4096; }
  absl::Status Read(uint64_t, MutableBytes) override { return absl::OkStatus(); }
  absl::Status Write(uint64_t, Bytes) override { return absl::OkStatus(); }
  absl::Status Flush() override { return absl::OkStatus(); }
  absl::Status Discard(uint64_t, uint64_t) override { return absl::OkStatus(); }
};

PeerOpens::Io MakeIo() { return std::make_shared<NoIo>(); }

peer_api::OpenChange ChangeOf(uint64_t id, uint64_t order, const std::string& boot = "boot") {
  peer_api::OpenChange change;
  change.set_id(id);
  change.set_order(order);
  change.set_boot_id(boot);
  return change;
}

peer_api::OpenSet SetOf(const std::set<uint64_t>& ids, uint64_t order,
                        const std::string& boot = "boot") {
  peer_api::OpenSet set;
  set.mutable_ids()->Assign(ids.begin(), ids.end());
  set.set_order(order);
  set.set_boot_id(boot);
  return set;
}

void Replace(PeerOpens& opens, const peer_api::OpenSet& set) {
  PeerOpens::Handles handles;
  for (const uint64_t id : set.ids()) handles[id] = MakeIo();
  opens.Replace(set, handles);
}

std::set<uint64_t> OpenIn(const PeerOpens& opens) {
  std::set<uint64_t> ids;
  for (uint64_t id = 0; id < kVolumes; ++id) {
    if (opens.Find(id) != nullptr) ids.insert(id);
  }
  return ids;
}

TEST(PeerOpensTest, ACloseThatComesLateDoesNotCloseWhatWasOpenedAgain) {
  PeerOpens opens;
  opens.Open(ChangeOf(1, 10), MakeIo());
  opens.Open(ChangeOf(1, 30), MakeIo());
  EXPECT_EQ(opens.Close(ChangeOf(1, 20)), nullptr);
  EXPECT_NE(opens.Find(1), nullptr);
}

TEST(PeerOpensTest, AnOpenThatComesLateDoesNotOpenWhatWasClosed) {
  PeerOpens opens;
  opens.Close(ChangeOf(1, 20));
  EXPECT_TRUE(opens.Open(ChangeOf(1, 10), MakeIo()));
  EXPECT_EQ(opens.Find(1), nullptr);
}

TEST(PeerOpensTest, AWholeSetReplacesAllButLaterChanges) {
  PeerOpens opens;
  opens.Open(ChangeOf(1, 10), MakeIo());
  opens.Open(ChangeOf(2, 40), MakeIo());
  opens.Close(ChangeOf(3, 50));
  EXPECT_FALSE(opens.told());
  Replace(opens, SetOf({0, 3}, 30));
  EXPECT_TRUE(opens.told());
  EXPECT_EQ(OpenIn(opens), (std::set<uint64_t>{0, 2}));
}

TEST(PeerOpensTest, AfterABootThePeerTellsItsSetFirst) {
  PeerOpens opens;
  Replace(opens, SetOf({1}, 1000));
  EXPECT_FALSE(opens.Open(ChangeOf(2, 5, "next boot"), MakeIo()));
  EXPECT_EQ(OpenIn(opens), std::set<uint64_t>{1}) << "nothing is known of the new boot yet";
  Replace(opens, SetOf({}, 3, "next boot"));
  EXPECT_TRUE(opens.Open(ChangeOf(2, 5, "next boot"), MakeIo()));
  EXPECT_EQ(OpenIn(opens), std::set<uint64_t>{2});
}

TEST(PeerOpensTest, ARequestOpensUntilThePeerTells) {
  PeerOpens opens;
  opens.NoteUse(1, MakeIo());
  EXPECT_NE(opens.Find(1), nullptr);
  Replace(opens, SetOf({}, 10));
  EXPECT_EQ(opens.Find(1), nullptr);
  opens.Close(ChangeOf(2, 20));
  opens.NoteUse(2, MakeIo());
  EXPECT_EQ(opens.Find(2), nullptr) << "a late request of what was closed";
}

TEST(PeerOpensTest, ChangesWithoutNumbersCountAsTheyCome) {
  PeerOpens opens;
  opens.Open(ChangeOf(1, 0, ""), MakeIo());
  opens.Open(ChangeOf(1, 0, ""), MakeIo());
  EXPECT_NE(opens.Close(ChangeOf(1, 0, "")), nullptr);
  EXPECT_EQ(opens.Find(1), nullptr);
}

// Any number of changes and sets, delivered in any order, some of them twice.
TEST(PeerOpensTest, EveryOrderOfDeliveryEndsWithWhatIsOpen) {
  for (uint32_t seed = 1; seed <= 500; ++seed) {
    std::mt19937 random(seed);
    std::set<uint64_t> model;
    std::vector<std::function<void(PeerOpens&)>> messages;
    for (uint64_t order = 1; order <= 30; ++order) {
      const uint64_t id = random() % kVolumes;
      if (random() % 6 == 0) {
        messages.push_back([set = SetOf(model, order)](PeerOpens& opens) { Replace(opens, set); });
      } else if (model.insert(id).second) {
        messages.push_back([=](PeerOpens& opens) { opens.Open(ChangeOf(id, order), MakeIo()); });
      } else {
        model.erase(id);
        messages.push_back([=](PeerOpens& opens) { opens.Close(ChangeOf(id, order)); });
      }
    }
    messages.push_back(messages[random() % messages.size()]);
    std::shuffle(messages.begin(), messages.end(), random);
    PeerOpens opens;
    for (const auto& deliver : messages) deliver(opens);
    EXPECT_EQ(OpenIn(opens), model) << "seed " << seed;
  }
}

}  // namespace
}  // namespace baton::ha
