#include "ha/io/resolver.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"
#include "tests/ha_io/pair.h"

namespace baton::ha {
namespace {

using ::testing::AnyOf;

constexpr char kNobody[] = "nobody.invalid";

class ResolverTest : public testing::Test {
 protected:
  std::string Cache() const { return directory_.path() + "/addresses"; }
  void WriteCache(const std::string& text) const { std::ofstream(Cache()) << text; }
  std::string CacheText() const {
    std::stringstream text;
    text << std::ifstream(Cache()).rdbuf();
    return text.str();
  }

 private:
  TemporaryDirectory directory_{testing::TempDir()};
};

TEST_F(ResolverTest, NumbersStayAsTheyAre) {
  Resolver resolver("");
  for (const PeerAddress& address : {PeerAddress{"10.1.2.3", 7}, PeerAddress{"[fe80::1]", 8}}) {
    EXPECT_EQ(resolver.Find(address), address);
    EXPECT_EQ(Must(resolver.Await(address, absl::ZeroDuration())), address);
  }
}

TEST_F(ResolverTest, ANameIsFoundAndRememberedFromProcessToProcess) {
  Resolver resolver(Cache());
  const PeerAddress found = Must(resolver.Await({"localhost", 7400}, kPatience));
  EXPECT_THAT(found.host, AnyOf("127.0.0.1", "[::1]"));
  EXPECT_EQ(found.port, 7400);
  EXPECT_TRUE(Eventually([&] { return CacheText().find("localhost ") == 0; }));
  EXPECT_TRUE(Resolver(Cache()).Find({"localhost", 1}).has_value()) << "at once";
}

TEST_F(ResolverTest, NobodyWaitsForALookUp) {
  Resolver resolver("");
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(resolver.Find({kNobody, 7400}), std::nullopt);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
}

TEST_F(ResolverTest, WhatWasFoundLastCountsAsLongAsNothingNewerIs) {
  WriteCache("nobody.invalid 192.0.2.1 [2001:db8::1]\n");
  Resolver resolver(Cache());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(resolver.Find({kNobody, 1}), (PeerAddress{"192.0.2.1", 1}));
    EXPECT_EQ(resolver.Find({kNobody, 1}), (PeerAddress{"[2001:db8::1]", 1})) << "in turns";
  }
}

TEST_F(ResolverTest, AGarbledMemoryIsNone) {
  WriteCache("nobody.invalid example.org\nnobody.invalid\n\n\x01\x02 \xff\n");
  Resolver resolver(Cache());
  EXPECT_EQ(resolver.Find({kNobody, 1}), std::nullopt);
}

TEST_F(ResolverTest, AStartDoesNotWaitForEver) {
  const absl::Time begin = absl::Now();
  EXPECT_CODE(Resolver("").Await({kNobody, 7400}, absl::Milliseconds(200)), kFailedPrecondition);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
}

}  // namespace
}  // namespace baton::ha
