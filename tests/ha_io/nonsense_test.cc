// Peers that are let in and talk nonsense, in plaintext: what a broken or newer program might do.
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <random>
#include <sstream>

#include "ha/io/peer_address.h"
#include "ha/io/peer_settings.h"
#include "tests/base/testing.h"
#include "tests/ha_io/fake_peer.h"
#include "tests/ha_io/pair.h"

namespace baton::ha {
namespace {

// A server "b" with the peers "a" (a real one) and "c" (the test).
class NonsenseTest : public testing::Test {
 protected:
  static PeerNetwork::Options Plaintext(const std::string& node) {
    PeerNetwork::Options options = OptionsOf(node, {.insecure = true, .keys = {}, .allowed = {}});
    options.listen = FreeEndpoint();
    return options;
  }
  void SetUp() override {
    PeerNetwork::Options a_options = Plaintext("a");
    PeerNetwork::Options b_options = Plaintext("b");
    a_options.peers["b"] = b_options.listen;
    b_options.peers["a"] = a_options.listen;
    b_options.peers["c"] = "tcp://127.0.0.1:1";
    ASSERT_OK(
        Start(runtime, b, b_options, &target, [this](const std::string& peer, const std::string&) {
          ++calls;
          if (peer == "c") go->WaitForNotification();
          return "done";
        }));
    ASSERT_OK(Start(runtime, a, a_options));
    ASSERT_TRUE(Eventually(
        [&] { return a.network->connected("b") && a.network->forward("b")->connected(); }));
  }
  void ExpectUnharmed() {
    const int before = calls;
    EXPECT_OK(a.network->Call("b", "still there?", kPatience));
    EXPECT_EQ(calls, before + 1);
    EXPECT_OK(a.network->forward("b")->Write({1, 1}, 0, BytesOf("x")));
    std::vector<std::byte> content(kBytes);
    content[0] = std::byte{'x'};
    EXPECT_EQ(target.content(), content);
    EXPECT_EQ(a.network->counters().lost_connections, 0u) << "others are not disturbed";
  }

  static constexpr uint64_t kBytes = limits::kMiB;
  SystemRuntime runtime;
  MemoryTarget target{kBytes};
  std::atomic<int> calls = 0;
  // Of calls of c; a handler may be in it for longer than the test.
  const std::shared_ptr<absl::Notification> go = std::make_shared<absl::Notification>();
  Player b;
  Player a;
};

// A header that may be anything but a request of epoch 1, which would be a proper one.
WireHeader RandomHeader(std::minstd_rand& random) {
  WireHeader header;
  header.kind = static_cast<FrameKind>(random() % 14);
  header.number = random();
  header.epoch = 2 + random();
  header.volume_id = random() % 4;
  header.offset = random() % 3 == 0 ? ~uint64_t{random()} : random();
  header.length_bytes = random() % 3 == 0 ? ~uint64_t{random()} : random() % 64;
  header.code = static_cast<uint32_t>(random());
  if (random() % 8 == 0) header.magic = static_cast<uint32_t>(random());
  if (random() % 8 == 0) header.version = static_cast<uint16_t>(random());
  if (random() % 8 == 0) header.reserved = 1;
  return header;
}

std::vector<std::string> RandomMessage(std::minstd_rand& random) {
  std::string body(random() % 64, '\0');
  for (char& byte : body) byte = static_cast<char>(random() >> 8);
  const std::string header = EncodeHeader(RandomHeader(random)).text();
  switch (random() % 8) {
    case 0:
      return {body};
    case 1:
      return {header, body, body};
    case 2:
      return {header.substr(0, random() % header.size()), body};
    default:
      return {header, body};
  }
}

TEST_F(NonsenseTest, ThousandsOfSeededMessagesChangeNothing) {
  std::minstd_rand random(11);
  FakePeer stranger(FakePeer::Role::kClient, b.network->endpoint());
  for (int i = 0; i < 2000; ++i) {
    // A hello now and then, so that what follows is not only refused for its lack.
    if (i % 10 == 0) {
      while (!stranger.Receive(absl::ZeroDuration()).empty()) {
      }
      stranger.Greet("c", kPool);
    }
    stranger.Send(RandomMessage(random));
  }
  while (!stranger.Receive(absl::Milliseconds(100)).empty()) {
  }
  EXPECT_TRUE(stranger.Greet("c", kPool)) << "it is served as soon as it talks sense";
  EXPECT_GT(b.network->counters().garbled, 1000u);
  ExpectUnharmed();
}

TEST_F(NonsenseTest, ARequestBeforeTheHelloIsRefused) {
  FakePeer stranger(FakePeer::Role::kClient, b.network->endpoint());
  stranger.Send({.kind = FrameKind::kCall, .number = 1}, "");
  const std::vector<std::string> answer = stranger.Receive();
  ASSERT_EQ(answer.size(), 2u);
  EXPECT_EQ(DecodeHeader(std::as_bytes(std::span(answer[0])))->kind, FrameKind::kRefusal);
  EXPECT_EQ(calls, 0);
  ExpectUnharmed();
}

TEST_F(NonsenseTest, AHelloOfNobodyIsRefused) {
  for (const std::string name : {"", "b", "d"}) {
    FakePeer stranger(FakePeer::Role::kClient, b.network->endpoint());
    EXPECT_FALSE(stranger.Greet(name, kPool)) << name;
  }
  EXPECT_EQ(b.network->counters().wrong_name, 3u);
  ExpectUnharmed();
}

TEST_F(NonsenseTest, AFrameThatIsTooLongEndsItsConnectionAlone) {
  FakePeer stranger(FakePeer::Role::kClient, b.network->endpoint());
  ASSERT_TRUE(stranger.Greet("c", kPool));
  const std::string large(limits::kMaxMessageBytes + 1, 'x');
  stranger.Send({.kind = FrameKind::kCall, .number = 1, .length_bytes = large.size()}, large);
  EXPECT_TRUE(stranger.Receive(absl::Milliseconds(300)).empty());
  ExpectUnharmed();
}

TEST_F(NonsenseTest, AFloodOfRequestsEndsItsSession) {
  FakePeer stranger(FakePeer::Role::kClient, b.network->endpoint());
  ASSERT_TRUE(stranger.Greet("c", kPool));
  for (size_t i = 0; i < kMaxRequestsPerPeer + 1; ++i) {
    stranger.Send({.kind = FrameKind::kCall, .number = i}, "");
  }
  const std::vector<std::string> answer = stranger.Receive();
  ASSERT_EQ(answer.size(), 2u);
  EXPECT_EQ(DecodeHeader(std::as_bytes(std::span(answer[0])))->kind, FrameKind::kRefusal);
  go->Notify();
  ExpectUnharmed();
}

// What is logged while it lives. Made before any thread that logs.
class CapturedLog {
 public:
  CapturedLog() {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(stream_, true)));
  }
  ~CapturedLog() { spdlog::set_default_logger(before_); }
  std::string text() const { return stream_.str(); }

 private:
  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream stream_;
};

TEST(NonsenseLogTest, IsOneLineAMinute) {
  const CapturedLog log;
  SystemRuntime runtime;
  Player b;
  ASSERT_OK(Start(runtime, b, OptionsOf("b", {.insecure = true, .keys = {}, .allowed = {}})));
  {
    FakePeer stranger(FakePeer::Role::kClient, b.network->endpoint());
    for (int i = 0; i < 50; ++i) stranger.Send({"nonsense"});
    EXPECT_TRUE(Eventually([&] { return b.network->counters().garbled == 50; }));
  }
  b.network = nullptr;
  const std::string text = log.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

// The test is the server; the real network connects.
class FakeServerTest : public testing::Test {
 protected:
  void Begin(const std::function<void(PeerNetwork::Options&)>& change = [](auto&) {}) {
    PeerNetwork::Options options = OptionsOf("a", {.insecure = true, .keys = {}, .allowed = {}});
    options.peers["b"] = server.endpoint();
    change(options);
    ASSERT_OK(Start(runtime, a, options));
  }
  bool Connected() {
    return Eventually([&] { return a.network->connected("b"); });
  }

  SystemRuntime runtime;
  FakePeer server{FakePeer::Role::kServer, FreeEndpoint()};
  Player a;
};

TEST_F(FakeServerTest, AWelcomeOfSomebodyElseIsNotBelieved) {
  Begin();
  ASSERT_TRUE(server.Welcome("c", kPool, 0));
  ASSERT_TRUE(server.Welcome("a", kPool, 0));
  ASSERT_TRUE(server.Welcome("b", "another", 0));
  ASSERT_TRUE(Eventually([&] { return a.network->counters().wrong_pool == 1; }));
  EXPECT_EQ(a.network->counters().wrong_name, 2u);
  EXPECT_FALSE(a.network->connected("b"));
  ASSERT_TRUE(server.Welcome("b", kPool, 0));
  EXPECT_TRUE(Connected());
}

TEST_F(FakeServerTest, AGarbledAnswerEndsTheCallsOfItsConnection) {
  Begin();
  ASSERT_TRUE(server.Welcome("b", kPool, 0));
  ASSERT_TRUE(Connected());
  std::thread caller([&] { EXPECT_CODE(a.network->Call("b", "hello", kPatience), kUnavailable); });
  ASSERT_EQ(server.Receive().size(), 2u);
  server.Send({"garbage", "more"});
  caller.join();
  EXPECT_EQ(a.network->counters().garbled, 1u);
  ASSERT_TRUE(server.Welcome("b", kPool, 0)) << "it says hello anew";
  EXPECT_TRUE(Connected());
}

TEST_F(FakeServerTest, AnAnswerToNothingIsNobodys) {
  Begin();
  ASSERT_TRUE(server.Welcome("b", kPool, 0));
  ASSERT_TRUE(Connected());
  for (uint64_t i = 0; i < 300; ++i) {
    server.Send({.kind = FrameKind::kAnswer, .number = 1'000'000 + i}, "not asked for");
  }
  std::thread caller([&] { EXPECT_EQ(Must(a.network->Call("b", "hello", kPatience)), "yes"); });
  const std::vector<std::string> request = server.Receive();
  ASSERT_EQ(request.size(), 2u);
  WireHeader header = *DecodeHeader(std::as_bytes(std::span(request[0])));
  header.kind = FrameKind::kAnswer;
  server.Send(header, "yes");
  caller.join();
}

TEST_F(FakeServerTest, HeartbeatsThatDoNotFitAreCountedAndNotHeard) {
  const auto context = Must(ZmqContext::Make());
  const auto publisher = Must(ZmqSocket::Open(*context, ZmqSocket::Type::kPub));
  const PeerAddress address = Must(PeerAddress::Parse(Must(publisher->Bind(FreeEndpoint()))));
  Begin();
  ASSERT_TRUE(server.Welcome("b", kPool, address.port));
  Heartbeat beat;
  beat.set_protocol(kProtocol);
  beat.set_pool_id(kPool);
  beat.set_node("b");
  beat.set_instance(1);
  const auto publish = [&](const Heartbeat& what) {
    publisher->Send(Frames{what.SerializeAsString()});
  };
  ASSERT_TRUE(Eventually([&] {
    beat.set_sequence(beat.sequence() + 1);
    publish(beat);
    return a.heard() > 0;
  }));
  absl::SleepFor(absl::Milliseconds(200));
  const size_t heard = a.heard();
  const uint64_t replayed = a.network->counters().replayed;
  publish(beat);
  Heartbeat other = beat;
  other.set_pool_id("another");
  publish(other);
  other = beat;
  other.set_protocol(kProtocol + 1);
  publish(other);
  other = beat;
  other.set_node("c");
  publish(other);
  publisher->Send(Frames{"garbage"});
  publisher->Send(Frames{"two", "frames"});
  EXPECT_TRUE(Eventually([&] { return a.network->counters().garbled == 2; }));
  const PeerCounters counters = a.network->counters();
  EXPECT_EQ(counters.replayed, replayed + 1);
  EXPECT_EQ(counters.wrong_pool, 1u);
  EXPECT_EQ(counters.wrong_protocol, 1u);
  EXPECT_EQ(counters.wrong_name, 1u);
  EXPECT_EQ(a.heard(), heard);
}

}  // namespace
}  // namespace baton::ha
