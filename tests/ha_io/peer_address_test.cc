#include "ha/io/peer_address.h"

#include <gtest/gtest.h>

#include "tests/base/testing.h"

namespace baton::ha {
namespace {

TEST(PeerAddressTest, IsReadAndWritten) {
  for (const std::string text :
       {"tcp://127.0.0.1:7401", "tcp://[::1]:0", "tcp://node-a.example.org:65535"}) {
    EXPECT_EQ(Must(PeerAddress::Parse(text)).Endpoint(), text);
  }
}

TEST(PeerAddressTest, OfAnotherFormIsRefused) {
  for (const std::string text :
       {"", "127.0.0.1:7401", "tcp://", "tcp://:7401", "tcp://127.0.0.1",
        "tcp://127.0.0.1:", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1", "ipc:///tmp/socket",
        "tcp://*:7401", "tcp://a b:1", "tcp://::1:7401", "tcp://1.2.3.4;5.6.7.8:1"}) {
    EXPECT_CODE(PeerAddress::Parse(text), kInvalidArgument) << text;
  }
}

TEST(PeerAddressTest, KnowsWhatDoesNotLeaveTheMachine) {
  for (const std::string host :
       {"127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "localhost"}) {
    EXPECT_TRUE((PeerAddress{host, 1}).IsLoopback()) << host;
  }
  for (const std::string host : {"0.0.0.0", "128.0.0.1", "10.0.0.1", "[::]", "[fe80::1]",
                                 "[::ffff:10.0.0.1]", "localhost.example.org", "127.1"}) {
    EXPECT_FALSE((PeerAddress{host, 1}).IsLoopback()) << host;
  }
}

}  // namespace
}  // namespace baton::ha
