// Watchdogs that cannot be used; one that works is in tests/system/vm_test.py.
#include "ha/node/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/status.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

using testing::HasSubstr;

std::string RefusalOfWatchdog(const std::string& device) {
  return Message(Watchdog::Start({.device = device, .time = absl::Seconds(5)}).status());
}

TEST(WatchdogTest, WhatIsNoneIsRefused) {
  EXPECT_THAT(RefusalOfWatchdog("/nowhere/watchdog"), HasSubstr("load its driver, or leave"));
  EXPECT_THAT(RefusalOfWatchdog("/etc/passwd"), HasSubstr("is no character device"));
  EXPECT_EQ(RefusalOfWatchdog("/dev/null"), "the watchdog /dev/null is none");
}

TEST(WatchdogTest, ADeviceIsLookedAtWithoutStartingIt) {
  EXPECT_EQ(Message(Watchdog::CheckDevice("/dev/null")), "the watchdog /dev/null is none");
  EXPECT_CODE(Watchdog::CheckDevice("/nowhere/watchdog"), kNotFound);
  EXPECT_CODE(Watchdog::CheckDevice("/etc/passwd"), kInvalidArgument);
}

}  // namespace
}  // namespace baton::ha
