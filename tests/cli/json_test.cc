#include "cli/control/json.h"

#include <nlohmann/json.hpp>

#include "cli/control/control.pb.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

using nlohmann::json;

constexpr uint64_t kLargestExact = (uint64_t{1} << 53) - 1;

TEST(JsonTest, NamesFieldsAsTheProtoDoes) {
  VolumeStatus volume;
  volume.set_size_bytes(4096);
  EXPECT_EQ(json::parse(ToJson(volume))["size_bytes"], 4096);
}

TEST(JsonTest, WritesNumbersOfSixtyFourBitsAsNumbersWhereADoubleIsExact) {
  VolumeStatus volume;
  volume.set_size_bytes(kLargestExact);
  volume.set_allocated_bytes(kLargestExact + 1);
  volume.set_id(UINT64_MAX);
  const json object = json::parse(ToJson(volume));
  EXPECT_TRUE(object["size_bytes"].is_number_integer());
  EXPECT_EQ(object["size_bytes"], kLargestExact);
  EXPECT_EQ(object["allocated_bytes"], "9007199254740992");
  EXPECT_EQ(object["id"], "18446744073709551615");
}

TEST(JsonTest, WritesNegativeNumbersAsNumbersToo) {
  CloneStatus clone;
  clone.set_created_unix_us(-5);
  EXPECT_EQ(json::parse(ToJson(clone))["created_unix_us"], -5);
}

TEST(JsonTest, LeavesTextThatLooksLikeANumberAlone) {
  VolumeStatus volume;
  volume.set_name("123");
  EXPECT_EQ(json::parse(ToJson(volume))["name"], "123");
}

TEST(JsonTest, WritesDefaultsOut) {
  const json object = json::parse(ToJson(CloneStatus()));
  EXPECT_EQ(object["extents_copied"], 0);
  EXPECT_EQ(object["certificate"], "");
  EXPECT_EQ(json::parse(ToJson(control::VolumeList()))["volumes"], json::array());
  EXPECT_EQ(json::parse(ToJson(control::ControllerStatus()))["healthy"], false);
}

TEST(JsonTest, ConvertsNumbersInListsAndInMessagesWithinMessages) {
  control::EventList list;
  Event& event = *list.add_events();
  event.set_sequence(3);
  event.mutable_residual()->add_pending()->set_first(9);
  control::VolumeList volumes;
  volumes.add_volumes()->add_clone_ids(17);
  const json events = json::parse(ToJson(list))["events"];
  EXPECT_EQ(events[0]["sequence"], 3);
  EXPECT_EQ(events[0]["residual"]["pending"][0]["first"], 9);
  EXPECT_EQ(json::parse(ToJson(volumes))["volumes"][0]["clone_ids"][0], 17);
}

TEST(JsonTest, KeepsTheOrderOfTheFields) {
  const std::string text = ToJson(VolumeStatus());
  EXPECT_LT(text.find("\"name\""), text.find("\"size_bytes\""));
}

TEST(JsonTest, IsOneLineWhenAsked) { EXPECT_EQ(ToJson(Event(), -1).find('\n'), std::string::npos); }

}  // namespace
}  // namespace baton
