#include "ha/io/port_holder.h"

#include <unistd.h>

#include "ha/io/tcp_socket.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

PeerAddress At(const std::string& host, uint16_t port) { return {.host = host, .port = port}; }

bool IsHeldByThisProcess(const PeerAddress& address) {
  const std::vector<PortHolder> holders = FindPortHolders(address);
  for (const PortHolder& holder : holders) EXPECT_EQ(holder.pid, ::getpid());
  return !holders.empty() && holders.front().name == "ha_io_test";
}

TEST(PortHolderTest, OfOneAddressOnlyThatOrAWildcard) {
  const UniqueFd listener = Must(ListenTcp(At("127.0.0.1", 0)));
  const uint16_t port = PortOfTcp(listener.get());
  for (const char* host : {"127.0.0.1", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]"}) {
    EXPECT_TRUE(IsHeldByThisProcess(At(host, port))) << host;
  }
  for (const char* host : {"127.0.0.2", "[::1]"}) {
    EXPECT_TRUE(FindPortHolders(At(host, port)).empty()) << host;
  }
}

TEST(PortHolderTest, OfAWildcardAllAddressesOfItsKind) {
  const UniqueFd listener = Must(ListenTcp(At("0.0.0.0", 0)));
  const uint16_t port = PortOfTcp(listener.get());
  EXPECT_TRUE(IsHeldByThisProcess(At("127.0.0.2", port)));
  EXPECT_TRUE(FindPortHolders(At("[::1]", port)).empty());
}

TEST(PortHolderTest, TryingAnAddressIsInNobodysWay) {
  const UniqueFd listener = Must(ListenTcp(At("127.0.0.1", 0)));
  const PeerAddress taken = At("127.0.0.1", PortOfTcp(listener.get()));
  EXPECT_CODE(TryTcp(taken), kFailedPrecondition);
  EXPECT_OK(TryTcp(taken.WithPort(0)));
  EXPECT_CODE(TryTcp(At("192.0.2.1", 0)), kFailedPrecondition);
  EXPECT_OK(TryTcp(At("127.0.0.2", taken.port)));
}

}  // namespace
}  // namespace baton::ha
