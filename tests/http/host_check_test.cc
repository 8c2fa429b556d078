#include "cli/http/host_check.h"

#include <gtest/gtest.h>

namespace baton::http {
namespace {

TEST(HostCheckTest, NumbersOfLoopbackAndLocalhostAreOurs) {
  for (const char* host : {"", "localhost", "localhost:9420", "127.0.0.1", "127.0.0.1:9420",
                           "127.1.2.3:80", "[::1]", "[::1]:9420"}) {
    EXPECT_TRUE(NamesLoopback(host)) << host;
  }
}

TEST(HostCheckTest, EveryOtherNameIsAStrangers) {
  for (const char* host :
       {"evil.example", "evil.example:9420", "10.0.0.1", "localhost.evil.example",
        "127.0.0.1.evil.example", "[::2]:9420", "127.0.0.1:port", ":9420", "[", "a b", "0.0.0.0"}) {
    EXPECT_FALSE(NamesLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace baton::http
