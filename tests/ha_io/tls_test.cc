#include "ha/io/tls.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <new>
#include <thread>

#include "engine/base/unique_fd.h"
#include "ha/io/stream.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

SessionKey KeyOfNumber(uint64_t number, unsigned char byte) {
  SessionKey key{.number = number, .secret = {}};
  key.secret.fill(static_cast<std::byte>(byte));
  return key;
}

class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    client = std::make_unique<Stream>(UniqueFd(ends[0]));
    server = std::make_unique<Stream>(UniqueFd(ends[1]));
  }
  // Whether each end is content.
  std::pair<bool, bool> Shake(const SessionKey& offered, const SessionKey& known) {
    client->Encrypt(context->Connect(client->fd(), offered));
    server->Encrypt(context->Accept(server->fd(), [&](uint64_t number) {
      return number == known.number ? std::optional(known.secret) : std::nullopt;
    }));
    bool accepted = false;
    std::thread other([&] {
      accepted = server->tls()->Handshake() == Tls::Step::kDone;
      if (!accepted) server->Shutdown();
    });
    const bool connected = client->tls()->Handshake() == Tls::Step::kDone;
    if (!connected) client->Shutdown();
    other.join();
    return {connected, accepted};
  }

  std::unique_ptr<TlsContext> context = Must(TlsContext::Make());
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

TEST_F(TlsTest, BothEndsKnowTheSecret) {
  ASSERT_EQ(Shake(KeyOfNumber(7, 1), KeyOfNumber(7, 1)), std::pair(true, true));
  EXPECT_EQ(server->tls()->session(), 7u);
}

TEST_F(TlsTest, ALongFrameArrivesAsItWasSent) {
  ASSERT_EQ(Shake(KeyOfNumber(7, 1), KeyOfNumber(7, 1)), std::pair(true, true));
  const std::vector<std::byte> data = Pattern(1 << 20, 5);
  std::thread sender([&] {
    EXPECT_TRUE(client->Send({.kind = FrameKind::kWrite, .length_bytes = data.size()}, data));
  });
  WireHeader header;
  std::vector<std::byte> out(data.size());
  const std::optional<size_t> received = server->ReceiveHeader(header, out);
  ASSERT_TRUE(received);
  EXPECT_TRUE(server->Receive(MutableBytes(out).subspan(*received)));
  sender.join();
  EXPECT_EQ(header.length_bytes, data.size());
  EXPECT_EQ(out, data);
}

TEST_F(TlsTest, EachEndGoesOnToTheNextKeyInTheMiddleOfTraffic) {
  constexpr int kFrames = 200;
  context = Must(TlsContext::Make({.records = 7, .bytes = limits::kMiB}));
  ASSERT_EQ(Shake(KeyOfNumber(7, 1), KeyOfNumber(7, 1)), std::pair(true, true));
  for (unsigned i = 0; i < kFrames; ++i) {
    std::thread sender([&] {
      Stream& from = i % 3 == 0 ? *server : *client;
      EXPECT_TRUE(
          from.Send({.kind = FrameKind::kWrite, .length_bytes = 50'000}, Pattern(50'000, i)));
    });
    Stream& to = i % 3 == 0 ? *client : *server;
    WireHeader header;
    std::vector<std::byte> out(50'000);
    const std::optional<size_t> received = to.ReceiveHeader(header, out);
    ASSERT_TRUE(received && to.Receive(MutableBytes(out).subspan(*received)));
    sender.join();
    ASSERT_EQ(out, Pattern(50'000, i));
  }
  EXPECT_GT(client->tls()->keys_renewed(), 70u);
  EXPECT_GT(server->tls()->keys_renewed(), 35u);
}

TEST_F(TlsTest, AKeyIsUsedForSoManyBytes) {
  context = Must(TlsContext::Make({.records = 1000, .bytes = 3000}));
  ASSERT_EQ(Shake(KeyOfNumber(7, 1), KeyOfNumber(7, 1)), std::pair(true, true));
  WireHeader header;
  std::array<std::byte, 944> body{};
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(client->Send({.kind = FrameKind::kWrite}, body));
    ASSERT_TRUE(server->ReceiveHeader(header, {}));
    ASSERT_TRUE(server->Receive(body));
  }
  EXPECT_EQ(client->tls()->keys_renewed(), 2u) << "one for each three frames of 1000 bytes";
  EXPECT_EQ(server->tls()->keys_renewed(), 0u);
}

TEST(SessionSecretTest, LeavesNothingBehind) {
  alignas(SessionSecret) std::array<std::byte, sizeof(SessionSecret)> memory;
  auto* const secret = new (memory.data()) SessionSecret;
  secret->fill(std::byte{7});
  secret->~SessionSecret();
  EXPECT_EQ(std::count(memory.begin(), memory.end(), std::byte{7}), 0);
}

TEST_F(TlsTest, AnotherSecretIsNotBelieved) {
  const auto [connected, accepted] = Shake(KeyOfNumber(7, 1), KeyOfNumber(7, 2));
  EXPECT_FALSE(connected);
  EXPECT_FALSE(accepted);
}

TEST_F(TlsTest, ASessionThatTheServerDoesNotKnowIsRefused) {
  const auto [connected, accepted] = Shake(KeyOfNumber(7, 1), KeyOfNumber(8, 1));
  EXPECT_FALSE(connected);
  EXPECT_FALSE(accepted);
}

TEST_F(TlsTest, WhatIsChangedOnTheWayEndsTheConnection) {
  ASSERT_EQ(Shake(KeyOfNumber(7, 1), KeyOfNumber(7, 1)), std::pair(true, true));
  // A record of TLS that neither end has made.
  const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
  ASSERT_EQ(::send(client->fd(), record.data(), record.size(), 0),
            static_cast<ssize_t>(record.size()));
  WireHeader header;
  EXPECT_EQ(server->ReceiveHeader(header, {}), std::nullopt);
}

}  // namespace
}  // namespace baton::ha
