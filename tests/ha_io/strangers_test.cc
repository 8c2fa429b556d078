// Whoever does not belong here: nothing changes, nothing stops, it is counted.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "ha/io/peer_address.h"
#include "ha/io/peer_settings.h"
#include "ha/io/wire.h"
#include "tests/base/testing.h"
#include "tests/ha_io/pair.h"
#include "tests/ha_io/tcp_proxy.h"
#include "tests/ha_io/volume_part.h"

namespace baton::ha {
namespace {

// b with a's connection to it, and somebody else.
class StrangersTest : public testing::Test {
 protected:
  explicit StrangersTest(Pair::Mode mode = Pair::Mode::kKeys)
      : pair(mode, &target, [this](const std::string& peer, const std::string& request) {
          ++calls;
          return peer + ": " + request;
        }) {}
  void SetUp() override { ASSERT_TRUE(pair.AwaitConnection() && pair.AwaitForwarding()); }
  // The pair works, and nobody else got anything.
  void TearDown() override {
    EXPECT_TRUE(pair.AwaitConnection() && pair.AwaitForwarding());
    EXPECT_EQ(Must(pair.network().Call("b", "still there", kPatience)), "a: still there");
    EXPECT_EQ(calls, expected_calls + 1);
    EXPECT_OK(pair.network().forward("b")->Write({1, 1}, 0, BytesOf("x")));
    std::vector<std::byte> content(kBytes);
    content[0] = std::byte{'x'};
    EXPECT_EQ(target.content(), content);
  }

  PeerCounters Counted() { return pair.b.network->counters(); }
  PeerNetwork::Options Stranger(const std::string& name, PeerSecurity security) {
    PeerNetwork::Options options = OptionsOf(name, std::move(security));
    options.peers["b"] = pair.b.network->endpoint();
    return options;
  }
  // Tries until `refused`; it is never connected.
  void ExpectRefused(PeerNetwork::Options options, const std::function<bool()>& refused) {
    Player stranger;
    ASSERT_OK(Start(runtime, stranger, std::move(options)));
    EXPECT_TRUE(Eventually([&] {
      EXPECT_CODE(stranger.network->Call("b", "let me in", absl::Milliseconds(10)), kUnavailable);
      return refused();
    }));
    EXPECT_FALSE(stranger.network->connected("b"));
  }

  static constexpr uint64_t kBytes = limits::kMiB;
  SystemRuntime runtime;
  MemoryTarget target{kBytes};
  std::atomic<int> calls = 0;
  int expected_calls = 0;
  Pair pair;
};

// Somebody who fills a port with connections and says nothing.
class Crowd {
 public:
  // Comes from `host`, an address of loopback.
  void Connect(const std::string& host, uint16_t port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in from = AddressAt(host, 0);
    const sockaddr_in to = AddressAt("127.0.0.1", port);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof(from)) != 0) return;
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) return;
    connections_.push_back(std::move(fd));
  }
  // Those that the other end has not ended.
  size_t CountOpen() const {
    return std::count_if(connections_.begin(), connections_.end(), [](const UniqueFd& fd) {
      std::array<char, 256> greeting;
      ssize_t got = 1;
      while (got > 0) got = ::recv(fd.get(), greeting.data(), greeting.size(), MSG_DONTWAIT);
      return got < 0 && errno == EAGAIN;
    });
  }
  size_t size() const { return connections_.size(); }

 private:
  static sockaddr_in AddressAt(const std::string& host, uint16_t port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    return address;
  }
  std::vector<UniqueFd> connections_;
};

void AllowDescriptors(rlim_t count) {
  const rlimit limit{count, count};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST_F(StrangersTest, WhoConnectAndSayNothingTakeFewDescriptorsAndNotForLong) {
  AllowDescriptors(limits::kDescriptors);
  const uint16_t port = Must(PeerAddress::Parse(pair.b.network->endpoint())).port;
  Crowd crowd;
  for (int i = 0; i < 400; ++i) crowd.Connect("127.0.0.2", port);
  ASSERT_EQ(crowd.size(), 400u);
  EXPECT_TRUE(Eventually([&] { return crowd.CountOpen() <= kMaxStrangers; }, absl::Seconds(1)));
  EXPECT_TRUE(Eventually([&] { return crowd.CountOpen() == 0; }, 3 * kHandshakeTimeout));
}

TEST_F(StrangersTest, WhoConnectAllTheTimeFromOneMachineKeepOutNobodyElse) {
  AllowDescriptors(limits::kDescriptors);
  const uint16_t port = Must(PeerAddress::Parse(pair.b.network->endpoint())).port;
  std::atomic<bool> stop = false;
  std::thread flood([&] {
    while (!stop) {
      Crowd crowd;
      for (int i = 0; i < 200 && !stop; ++i) crowd.Connect("127.0.0.2", port);
    }
  });
  pair.StopB();
  pair.StartB();
  EXPECT_TRUE(pair.AwaitConnection() && pair.AwaitForwarding());
  EXPECT_OK(pair.network().Call("b", "hello", kPatience));
  ++expected_calls;
  stop = true;
  flood.join();
}

TEST_F(StrangersTest, WithoutAKey) {
  ExpectRefused(Stranger("a", {.insecure = true, .keys = {}, .allowed = {}}),
                [&] { return Counted().failed_handshakes >= 3; });
}

TEST_F(StrangersTest, WithAKeyThatIsNotAllowed) {
  KeyRing others({"a"});
  PeerSecurity security = others.SecurityOf("a");
  EXPECT_OK(security.allowed.Add("b", pair.keys.keys("b").public_key));
  ExpectRefused(Stranger("a", security), [&] { return Counted().refused_keys >= 3; });
}

TEST_F(StrangersTest, WithAnAllowedKeyOfANameThatIsNoPeers) {
  PeerSecurity security = pair.keys.SecurityOf("a");
  security.keys = Must(MakeKeyPair());
  PeerNetwork::Options b_options = pair.b_options;
  ASSERT_OK(b_options.security.allowed.Add("removed", security.keys.public_key));
  pair.StopB();
  ASSERT_OK(Start(runtime, pair.b, b_options, &target, [this](const auto& peer, const auto& text) {
    ++calls;
    return peer + ": " + text;
  }));
  PeerNetwork::Options options = Stranger("removed", security);
  ExpectRefused(options, [&] { return Counted().refused_keys >= 3; });
}

TEST_F(StrangersTest, AreNotPeersWhoseKeyIsBeingReplaced) {
  const KeyPair new_key = Must(MakeKeyPair());
  // a knows b's next key, too; b begins to use it; a forgets the old one.
  for (const bool first : {true, false}) {
    PeerNetwork::Options a_options = pair.a_options;
    a_options.security.allowed = {};
    ASSERT_OK(a_options.security.allowed.Add("a", pair.keys.keys("a").public_key));
    ASSERT_OK(a_options.security.allowed.Add(
        "b", first ? pair.keys.keys("b").public_key : new_key.public_key));
    ASSERT_OK(a_options.security.allowed.Add(
        "b", first ? new_key.public_key : pair.keys.keys("b").public_key));
    pair.a.network = nullptr;
    ASSERT_OK(Start(runtime, pair.a, a_options));
    ASSERT_TRUE(pair.AwaitConnection() && pair.AwaitForwarding());
    pair.StopB();
    pair.b_options.security.keys = new_key;
    pair.StartB();
    ASSERT_TRUE(pair.AwaitConnection() && pair.AwaitForwarding());
    const size_t heard = pair.a.heard();
    EXPECT_TRUE(Eventually([&] {
      pair.b.network->Publish({});
      return pair.a.heard() > heard;
    }));
  }
}

TEST_F(StrangersTest, WhoTakeUsForSomebodyElse) {
  KeyRing others({"b"});
  PeerSecurity security = pair.keys.SecurityOf("a");
  security.allowed = others.allowed();
  ExpectRefused(Stranger("a", security), [&] { return Counted().failed_handshakes >= 3; });
}

TEST_F(StrangersTest, UnderANameThatIsNotTheirKeys) {
  ExpectRefused(Stranger("c", pair.keys.SecurityOf("a")),
                [&] { return Counted().wrong_name >= 2; });
}

TEST_F(StrangersTest, OfAnotherPool) {
  PeerNetwork::Options options = Stranger("a", pair.keys.SecurityOf("a"));
  options.pool_id = "another";
  ExpectRefused(options, [&] { return Counted().wrong_pool >= 2; });
}

TEST_F(StrangersTest, OfANewerProtocol) {
  PeerNetwork::Options options = Stranger("a", pair.keys.SecurityOf("a"));
  options.protocol = kProtocol + 1;
  ExpectRefused(options, [&] { return Counted().wrong_protocol >= 2; });
}

TEST(PeerTroubleTest, AnOlderOneWhoRefusesOurVersionSaysSo) {
  Pair pair(Pair::Mode::kKeys);
  pair.StopB();
  pair.a.network = nullptr;
  pair.a_options.protocol = kProtocol + 1;
  ASSERT_OK(Start(pair.runtime, pair.a, pair.a_options));
  pair.StartB();
  EXPECT_TRUE(Eventually([&] {
    return pair.a.network->Trouble("b") == "it says: a speaks protocol 2, b only up to 1";
  }));
  EXPECT_TRUE(Eventually(
      [&] { return pair.b.network->Trouble("a") == "a speaks protocol 2, b only up to 1"; }));
  pair.StopB();
  EXPECT_TRUE(Eventually([&] { return pair.a.network->Trouble("b").empty(); }))
      << "one that is down refuses nothing";
  pair.b_options.protocol = kProtocol + 1;
  pair.StartB();
  EXPECT_TRUE(Eventually([&] { return !pair.a.network->Trouble("b").starts_with("it says"); }));
}

// Sends `bytes` to the port as a client would and waits until the connection is closed there.
void SendTo(uint16_t port, const std::string& bytes) {
  const UniqueFd fd = ConnectTcp("127.0.0.1", port);
  if (!fd.valid()) return;
  ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  ::shutdown(fd.get(), SHUT_WR);
  char answer[256];
  while (::recv(fd.get(), answer, sizeof(answer), 0) > 0) {
  }
}

std::string RandomBytes(std::minstd_rand& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() >> 8);
  return bytes;
}

// The greeting of ZMTP 3.1 with the mechanism CURVE, behind which a handshake begins.
std::string Greeting() {
  std::string greeting = std::string("\xff\0\0\0\0\0\0\0\1\x7f", 10) + "\3\1CURVE";
  greeting.resize(64, '\0');
  return greeting;
}

TEST_F(StrangersTest, WhoSendRandomBytes) {
  std::minstd_rand random(7);
  const uint16_t port = Must(PeerAddress::Parse(pair.b.network->endpoint())).port;
  for (int i = 0; i < 2000; ++i) {
    const std::string noise = RandomBytes(random, 1 + random() % 300);
    SendTo(port, i % 2 == 0 ? noise : Greeting() + noise);
  }
  EXPECT_TRUE(Eventually([&] { return Counted().failed_handshakes > 0; }));
}

// A cable to b with all its ports, at 127.0.0.2.
class CableTest : public testing::Test {
 protected:
  static uint16_t FreePort() { return Must(PeerAddress::Parse(FreeEndpoint())).port; }

  void SetUp() override {
    b_options.listen = PeerAddress{"127.0.0.1", ports[0]}.Endpoint();
    b_options.heartbeat_port = ports[1];
    b_options.data_port = ports[2];
    b_options.peers["a"] = "tcp://127.0.0.1:1";
    ASSERT_OK(Start(runtime, b, b_options, &target, [this](const std::string&, const std::string&) {
      ++calls;
      return "done";
    }));
    PeerNetwork::Options a_options = OptionsOf("a", keys.SecurityOf("a"));
    a_options.peers["b"] = PeerAddress{"127.0.0.2", ports[0]}.Endpoint();
    ASSERT_OK(Start(runtime, a, a_options));
    ASSERT_TRUE(Connected());
  }
  bool Connected() {
    return Eventually(
        [&] { return a.network->connected("b") && a.network->forward("b")->connected(); });
  }

  SystemRuntime runtime;
  KeyRing keys{{"a", "b"}};
  MemoryTarget target{limits::kMiB};
  std::atomic<int> calls = 0;
  const std::array<uint16_t, 3> ports{FreePort(), FreePort(), FreePort()};
  std::array<TcpProxy, 3> cable{TcpProxy(ports[0]), TcpProxy(ports[1]), TcpProxy(ports[2])};
  PeerNetwork::Options b_options = OptionsOf("b", keys.SecurityOf("b"));
  Player b;
  Player a;
};

TEST_F(CableTest, WhatWasRecordedHasNoEffectWhenItIsPlayedAgain) {
  ASSERT_OK(a.network->Call("b", "once", kPatience));
  ASSERT_OK(a.network->forward("b")->Write({1, 1}, 0, BytesOf("before")));
  ASSERT_OK(a.network->forward("b")->Write({1, 1}, 0, BytesOf("after!")));
  const uint64_t requests = target.requests();
  int played = 0;
  for (size_t i = 0; i < ports.size(); ++i) {
    for (const std::string& record : cable[i].Recorded()) {
      // At once, and piece by piece, as a handshake would wait for answers.
      SendTo(ports[i], record);
      const UniqueFd fd = ConnectTcp("127.0.0.1", ports[i]);
      for (size_t begin = 0; begin < record.size(); begin += 64) {
        ::send(fd.get(), record.data() + begin, std::min<size_t>(64, record.size() - begin),
               MSG_NOSIGNAL);
        absl::SleepFor(absl::Milliseconds(1));
      }
      ++played;
    }
  }
  EXPECT_GE(played, 3);
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(target.requests(), requests);
  EXPECT_EQ(target.content()[0], std::byte{'a'});
  EXPECT_TRUE(Connected());
}

TEST_F(CableTest, ThatIsCutIsNoticedAndThatIsHealedIsUsedAgain) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  target.set_hook([go] { go->WaitForNotification(); });
  std::thread writer([&] {
    EXPECT_CODE(a.network->forward("b")->Write({1, 1}, 0, BytesOf("x")), kUnavailable);
  });
  ASSERT_TRUE(Eventually([&] { return target.requests() == 1; }));
  for (TcpProxy& wire : cable) wire.Hold(true);
  const absl::Time begin = absl::Now();
  EXPECT_CODE(a.network->Call("b", "anybody?", kPatience), kUnavailable);
  writer.join();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(4)) << "1.5 s on a machine that is not busy";
  EXPECT_FALSE(a.network->connected("b"));

  go->Notify();
  for (TcpProxy& wire : cable) wire.Hold(false);
  ASSERT_TRUE(Connected());
  EXPECT_OK(a.network->Call("b", "again", kPatience));
  EXPECT_OK(a.network->forward("b")->Write({1, 1}, 0, BytesOf("y")));
}

TEST_F(CableTest, ThatIsBrokenIsMadeAnewWhenWhatIsInFlightIsDone) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  target.set_hook([go] { go->WaitForNotification(); });
  std::thread writer([&] { EXPECT_OK(a.network->forward("b")->Write({1, 1}, 0, BytesOf("x"))); });
  ASSERT_TRUE(Eventually([&] { return target.requests() == 1; }));
  cable[2].Reset();
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(target.requests(), 1u);
  go->Notify();
  writer.join();
  EXPECT_EQ(target.requests(), 2u);
}

// The target takes so long now and then that first copies of what is sent again are still there.
TEST_F(CableTest, WhatIsWrittenIsExactWhileSingleConnectionsBreak) {
  constexpr size_t kThreads = 8;
  constexpr uint64_t kPartBytes = limits::kMiB / kThreads - 3;
  std::atomic<uint32_t> order = 0;
  target.set_hook([&order] {
    if (++order % 4 == 0) absl::SleepFor(absl::Milliseconds(order % 7));
  });
  std::vector<VolumePart> parts;
  for (size_t t = 0; t < kThreads; ++t) {
    parts.emplace_back(*a.network->forward("b"), t * kPartBytes, kPartBytes,
                       static_cast<uint32_t>(t + 1));
  }
  std::vector<std::thread> threads;
  const absl::Time end = absl::Now() + absl::Seconds(3);
  for (VolumePart& part : parts) {
    threads.emplace_back([&] {
      while (absl::Now() < end) part.Step();
    });
  }
  while (absl::Now() < end) {
    cable[2].ResetOne();
    absl::SleepFor(absl::Milliseconds(15));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(a.network->counters().lost_connections, 10u);
  for (VolumePart& part : parts) part.Compare(0, part.model().size());
  target.set_hook({});
}

}  // namespace
}  // namespace baton::ha
