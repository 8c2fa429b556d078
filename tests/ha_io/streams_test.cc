// The port of forwarded I/O, and what a broken program or a stranger may do there.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <list>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "ha/io/peer_address.h"
#include "ha/io/peer_settings.h"
#include "ha/io/stream.h"
#include "ha/io/tcp_socket.h"
#include "tests/base/testing.h"
#include "tests/ha_io/fake_peer.h"
#include "tests/ha_io/pair.h"
#include "tests/ha_io/tcp_proxy.h"

namespace baton::ha {
namespace {

// The other end closes it within a time that is short for a test.
bool IsClosedSoon(const Stream& stream) {
  pollfd polled{stream.fd(), POLLIN, 0};
  std::array<char, 4096> rest;
  while (::poll(&polled, 1, 5000) == 1) {
    if (::recv(stream.fd(), rest.data(), rest.size(), MSG_DONTWAIT) <= 0) return true;
  }
  return false;
}

bool IsClosed(const Stream& stream) {
  char byte = 0;
  const ssize_t got = ::recv(stream.fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  return got == 0 || (got < 0 && errno != EAGAIN);
}

// A server "b" with the peers "a" (a real one) and "c" (the test).
class StreamsTest : public testing::Test {
 protected:
  explicit StreamsTest(bool insecure = true) : insecure_(insecure) {}

  PeerNetwork::Options OptionsFor(const std::string& node) {
    PeerSecurity security = insecure_ ? PeerSecurity{.insecure = true, .keys = {}, .allowed = {}}
                                      : keys.SecurityOf(node);
    PeerNetwork::Options options = OptionsOf(node, std::move(security));
    options.listen = FreeEndpoint();
    return options;
  }
  void SetUp() override {
    PeerNetwork::Options a_options = OptionsFor("a");
    PeerNetwork::Options b_options = OptionsFor("b");
    a_options.peers["b"] = b_options.listen;
    b_options.peers["a"] = a_options.listen;
    b_options.peers["c"] = "tcp://127.0.0.1:1";
    b_options.data_port = Must(PeerAddress::Parse(FreeEndpoint())).port;
    port = b_options.data_port;
    ASSERT_OK(Start(runtime, b, b_options, &target));
    ASSERT_OK(Start(runtime, a, a_options));
    ASSERT_TRUE(Eventually([&] { return a.network->forward("b")->connected(); }));
  }
  // a has not noticed anything, and nobody else has changed anything.
  void ExpectUnharmed() {
    EXPECT_OK(a.network->forward("b")->Write({1, 1}, 0, BytesOf("x")));
    std::vector<std::byte> content(kBytes);
    content[0] = std::byte{'x'};
    EXPECT_EQ(target.content(), content);
    EXPECT_EQ(a.network->counters().lost_connections, 0u);
  }
  Stream Connect() { return Stream(ConnectTcp("127.0.0.1", port)); }
  static bool Join(Stream& stream, uint64_t session, uint64_t place = 0) {
    WireHeader welcome;
    return stream.Send({.kind = FrameKind::kJoin, .number = session, .offset = place}, {}) &&
           stream.ReceiveHeader(welcome, {}) == 0u && welcome.kind == FrameKind::kWelcome;
  }

  static constexpr uint64_t kBytes = limits::kMiB;
  const bool insecure_;
  SystemRuntime runtime;
  KeyRing keys{{"a", "b", "c"}};
  MemoryTarget target{kBytes};
  uint16_t port = 0;
  Player b;
  Player a;
};

// c says what it likes.
class BrokenPeerTest : public StreamsTest {
 protected:
  void SetUp() override {
    StreamsTest::SetUp();
    calls = std::make_unique<FakePeer>(FakePeer::Role::kClient, b.network->endpoint());
    ASSERT_TRUE(calls->Greet("c", kPool));
    session = Begin();
  }
  uint64_t Begin() {
    const std::optional<SessionKey> key = calls->Attach();
    EXPECT_TRUE(key);
    return key ? key->number : 0;
  }
  // A request of the epoch that is served, which would change content.
  static WireHeader WriteOf(uint64_t length_bytes) {
    return {.kind = FrameKind::kWrite,
            .number = 1,
            .epoch = 1,
            .volume_id = 1,
            .length_bytes = length_bytes};
  }
  // b ends the session over a request that cannot be one.
  void ExpectSessionEnds(const WireHeader& request, Bytes body) {
    const uint64_t before = b.network->counters().garbled;
    Stream stream = Connect();
    Stream other = Connect();
    ASSERT_TRUE(Join(stream, session));
    ASSERT_TRUE(Join(other, session, 1));
    ASSERT_TRUE(stream.Send(request, body));
    EXPECT_TRUE(IsClosedSoon(stream));
    EXPECT_TRUE(IsClosedSoon(other));
    EXPECT_EQ(b.network->counters().garbled, before + 1);
    Stream late = Connect();
    EXPECT_FALSE(Join(late, session));
    session = Begin();
    Stream again = Connect();
    EXPECT_TRUE(Join(again, session));
  }

  std::unique_ptr<FakePeer> calls;
  uint64_t session = 0;
};

TEST_F(BrokenPeerTest, ARequestIsAnsweredOnItsStream) {
  Stream stream = Connect();
  ASSERT_TRUE(Join(stream, session));
  WireHeader answer;
  std::array<std::byte, kMaxAnswerText> text;
  WireHeader request = WriteOf(1);
  request.epoch = 2;
  ASSERT_TRUE(stream.Send(request, BytesOf("y")));
  const std::optional<size_t> received = stream.ReceiveHeader(answer, text);
  ASSERT_TRUE(received);
  EXPECT_EQ(answer.number, request.number);
  EXPECT_EQ(static_cast<absl::StatusCode>(answer.code), absl::StatusCode::kAborted);
  EXPECT_EQ(answer.length_bytes, std::string("not the owner of that epoch").size());
  ExpectUnharmed();
}

TEST_F(BrokenPeerTest, AFrameThatIsTooLongEndsItsSession) {
  ExpectSessionEnds(WriteOf(limits::kMaxRequestBytes + 1), BytesOf("y"));
  WireHeader read = WriteOf(limits::kMaxRequestBytes + 1);
  read.kind = FrameKind::kRead;
  ExpectSessionEnds(read, {});
  ExpectUnharmed();
}

TEST_F(BrokenPeerTest, ARequestBeforeTheAnswerToAnotherOneEndsItsSession) {
  WireHeader flush = WriteOf(0);
  flush.kind = FrameKind::kFlush;
  flush.epoch = 2;
  ExpectSessionEnds(flush, BytesOf("more"));
  ExpectUnharmed();
}

TEST_F(BrokenPeerTest, HundredsOfSeededHeadersChangeNothing) {
  std::minstd_rand random(11);
  for (int i = 0; i < 300; ++i) {
    WireHeader header = WriteOf(random() % 64);
    header.kind = static_cast<FrameKind>(random() % 14);
    header.epoch = 2 + random();
    header.offset = random() % 2 == 0 ? ~uint64_t{random()} : random();
    if (random() % 4 == 0) header.magic = static_cast<uint32_t>(random());
    if (random() % 4 == 0) header.version = static_cast<uint16_t>(random());
    const std::vector<std::byte> body = Pattern(random() % 64, static_cast<unsigned>(i));
    Stream stream = Connect();
    if (!Join(stream, session)) {
      session = Begin();
      continue;
    }
    stream.Send(header, body);
  }
  EXPECT_TRUE(Eventually([&] { return b.network->counters().garbled > 30; }));
  ExpectUnharmed();
}

TEST_F(BrokenPeerTest, HalfAFrameAndThenSilenceHoldsUpNobody) {
  std::list<Stream> silent;
  for (size_t i = 0; i < kStreamsPerPeer; ++i) {
    silent.emplace_back(ConnectTcp("127.0.0.1", port));
    ASSERT_TRUE(Join(silent.back(), session, i));
    ASSERT_TRUE(silent.back().Send(WriteOf(4096), BytesOf("half of it")));
  }
  ExpectUnharmed();
  EXPECT_TRUE(b.network->EndForwarded("c", absl::ZeroDuration())) << "nothing of it runs";
  for (const Stream& each : silent) EXPECT_TRUE(IsClosedSoon(each));
  session = Begin();
  Stream stream = Connect();
  EXPECT_TRUE(Join(stream, session));
  ExpectUnharmed();
}

TEST_F(BrokenPeerTest, ARequestThatArrivedIsNotCarriedOutOnceItsSessionHasEnded) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  target.set_hook([go] { go->WaitForNotification(); });
  Stream stream = Connect();
  ASSERT_TRUE(Join(stream, session));
  // The rest of the second request comes after the end of the session.
  Stream late = Connect();
  ASSERT_TRUE(Join(late, session, 1));
  ASSERT_TRUE(late.Send(WriteOf(8), BytesOf("late")));
  WireHeader first = WriteOf(1);
  first.epoch = 2;
  ASSERT_TRUE(stream.Send(first, BytesOf("y")));
  ASSERT_TRUE(Eventually([&] { return target.requests() == 1; }));
  EXPECT_FALSE(calls->Attach()) << "the first one still runs";
  ::send(late.fd(), "late", 4, MSG_NOSIGNAL);
  EXPECT_TRUE(IsClosedSoon(late));
  EXPECT_FALSE(calls->Attach());
  go->Notify();
  EXPECT_TRUE(Eventually([&] { return calls->Attach().has_value(); }));
  EXPECT_EQ(target.requests(), 1u);
  target.set_hook({});
  ExpectUnharmed();
}

TEST_F(BrokenPeerTest, AStreamEndsTheEarlierOneOfItsPlaceAlone) {
  Stream first = Connect();
  Stream other = Connect();
  Stream second = Connect();
  ASSERT_TRUE(Join(first, session, 0));
  ASSERT_TRUE(Join(other, session, kStreamsPerPeer - 1));
  ASSERT_TRUE(Join(second, session, 0));
  EXPECT_TRUE(IsClosedSoon(first));
  WireHeader flush = WriteOf(0);
  flush.kind = FrameKind::kFlush;
  WireHeader answer;
  for (Stream* const each : {&other, &second}) {
    ASSERT_TRUE(each->Send(flush, {}));
    EXPECT_EQ(each->ReceiveHeader(answer, {}), 0u);
  }
  EXPECT_EQ(target.flushes(), 2);
  Stream beyond = Connect();
  EXPECT_FALSE(Join(beyond, session, kStreamsPerPeer));
  ExpectUnharmed();
}

TEST_F(BrokenPeerTest, AStreamIsWelcomeWhenNothingOfTheEarlierOneOfItsPlaceRuns) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  target.set_hook([go] { go->WaitForNotification(); });
  Stream first = Connect();
  ASSERT_TRUE(Join(first, session));
  WireHeader write = WriteOf(1);
  write.epoch = 2;
  ASSERT_TRUE(first.Send(write, BytesOf("y")));
  ASSERT_TRUE(Eventually([&] { return target.requests() == 1; }));
  Stream second = Connect();
  std::atomic<bool> welcome = false;
  std::thread joining([&] { welcome = Join(second, session); });
  EXPECT_TRUE(IsClosedSoon(first));
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_FALSE(welcome) << "the first one's request still runs";
  go->Notify();
  joining.join();
  EXPECT_TRUE(welcome);
  target.set_hook({});
  ExpectUnharmed();
}

TEST_F(BrokenPeerTest, WhoSendsSomethingElseThanAJoinIsRefused) {
  std::minstd_rand random(3);
  WireHeader join{.kind = FrameKind::kJoin, .number = session + 1};
  for (int i = 0; i < 100; ++i) {
    std::vector<std::byte> noise = Pattern(1 + random() % 300, static_cast<unsigned>(i));
    if (i % 3 == 1) noise.assign(sizeof(join), std::byte{0});
    if (i % 3 == 2) std::memcpy(noise.data(), &join, std::min(noise.size(), sizeof(join)));
    Stream stream = Connect();
    ::send(stream.fd(), noise.data(), noise.size(), MSG_NOSIGNAL);
    ::shutdown(stream.fd(), SHUT_WR);
    EXPECT_TRUE(IsClosedSoon(stream));
  }
  EXPECT_EQ(b.network->counters().failed_handshakes, 100u);
  ExpectUnharmed();
}

TEST_F(BrokenPeerTest, WhoConnectAndSayNothingAreFewAndNotForLong) {
  std::list<Stream> crowd;
  for (int i = 0; i < 300; ++i) crowd.emplace_back(ConnectTcp("127.0.0.1", port));
  const auto count_open = [&] {
    return std::count_if(crowd.begin(), crowd.end(),
                         [](const Stream& each) { return !IsClosed(each); });
  };
  EXPECT_TRUE(Eventually([&] { return count_open() <= static_cast<long>(kMaxStrangers); },
                         absl::Seconds(1)));
  Stream stream = Connect();
  EXPECT_TRUE(Join(stream, session)) << "they keep out nobody";
  EXPECT_TRUE(Eventually([&] { return count_open() == 0; }, 3 * kHandshakeTimeout));
  ExpectUnharmed();
}

class KeyedStreamsTest : public StreamsTest {
 protected:
  KeyedStreamsTest() : StreamsTest(/*insecure=*/false) {}
};

TEST_F(KeyedStreamsTest, WhoKnowsNoSecretIsRefused) {
  const auto tls = Must(TlsContext::Make());
  SessionKey key{.number = 12345, .secret = {}};
  for (int i = 0; i < 10; ++i) {
    Stream stream = Connect();
    stream.Encrypt(tls->Connect(stream.fd(), key));
    EXPECT_EQ(stream.tls()->Handshake(), Tls::Step::kFailed);
  }
  Stream plain = Connect();
  EXPECT_FALSE(Join(plain, key.number));
  EXPECT_EQ(b.network->counters().failed_handshakes, 11u);
  ExpectUnharmed();
}

// The test is the server; the real network connects.
class BrokenServerTest : public testing::Test {
 protected:
  void SetUp() override {
    PeerNetwork::Options options = OptionsOf("a", {.insecure = true, .keys = {}, .allowed = {}});
    options.peers["b"] = calls.endpoint();
    ASSERT_OK(Start(runtime, a, options));
    ASSERT_TRUE(calls.Welcome("b", kPool, 0, PortOfTcp(listener.get())));
    BeginSession();
  }
  void BeginSession() {
    ++key.number;
    ASSERT_TRUE(calls.GiveSession(key));
    stream = Accept();
    ASSERT_TRUE(Eventually([&] { return a.network->forward("b")->connected(); }));
  }
  std::unique_ptr<Stream> Accept(bool welcome = true) {
    pollfd polled{listener.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&polled, 1, 5000), 1);
    UniqueFd fd = AcceptTcp(listener.get());
    LetTcpBlock(fd.get());
    auto accepted = std::make_unique<Stream>(std::move(fd));
    WireHeader join;
    EXPECT_EQ(accepted->ReceiveHeader(join, {}), 0u);
    EXPECT_EQ(join.number, key.number);
    place = join.offset;
    if (welcome) {
      EXPECT_TRUE(accepted->Send({.kind = FrameKind::kWelcome}, {}));
    }
    return accepted;
  }
  bool NobodyConnects() {
    pollfd polled{listener.get(), POLLIN, 0};
    return ::poll(&polled, 1, 300) == 0;
  }
  absl::Status WriteOne() { return a.network->forward("b")->Write({1, 1}, 0, BytesOf("x")); }
  // Receives a request of one byte; its header.
  static WireHeader Receive(Stream& from) {
    WireHeader request;
    std::array<std::byte, 1> body;
    EXPECT_EQ(from.ReceiveHeader(request, body), 1u);
    return request;
  }
  static void Answer(Stream& to, WireHeader request) {
    request.kind = FrameKind::kAnswer;
    request.length_bytes = 0;
    EXPECT_TRUE(to.Send(request, {}));
  }
  // What a read ends with that is answered by `answer` with the request's number, and `body`.
  absl::Status ReadAnsweredBy(WireHeader answer, Bytes body) {
    absl::Status status;
    std::thread reader([&] {
      std::vector<std::byte> out(8);
      status = a.network->forward("b")->Read({1, 1}, 0, out);
    });
    WireHeader request;
    EXPECT_EQ(stream->ReceiveHeader(request, {}), 0u);
    answer.number += request.number;
    stream->Send(answer, body);
    reader.join();
    return status;
  }

  // Its kernel takes few bytes that nobody receives.
  static UniqueFd ListenWithLittleRoom() {
    UniqueFd fd = Must(ListenTcp(Must(PeerAddress::Parse(FreeEndpoint()))));
    const int bytes = 16 << 10;
    EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    return fd;
  }

  SystemRuntime runtime;
  FakePeer calls{FakePeer::Role::kServer, FreeEndpoint()};
  UniqueFd listener = ListenWithLittleRoom();
  SessionKey key;
  uint64_t place = 0;  // of the last stream
  std::unique_ptr<Stream> stream;
  Player a;
};

TEST_F(BrokenServerTest, AGarbledAnswerEndsTheSessionAndAnotherOneIsBegun) {
  const WireHeader proper{.kind = FrameKind::kAnswer, .length_bytes = 8};
  EXPECT_OK(ReadAnsweredBy(proper, BytesOf("12345678")));
  std::vector<WireHeader> garbled(6, proper);
  garbled[0].number = 1;  // of another request
  garbled[1].kind = FrameKind::kRead;
  garbled[2].length_bytes = 7;
  garbled[3].length_bytes = limits::kMaxRequestBytes;
  garbled[4].magic = 0;
  garbled[5].code = 10, garbled[5].length_bytes = kMaxAnswerText + 1;
  for (const WireHeader& answer : garbled) {
    EXPECT_CODE(ReadAnsweredBy(answer, BytesOf("12345678")), kUnavailable);
    BeginSession();
  }
  EXPECT_EQ(a.network->counters().garbled, garbled.size());
  EXPECT_OK(ReadAnsweredBy(proper, BytesOf("12345678")));
}

TEST_F(BrokenServerTest, ALongErrorOfAShortReadArrives) {
  const std::string text(kMaxAnswerText, 'x');
  const absl::Status status = ReadAnsweredBy(
      {.kind = FrameKind::kAnswer, .length_bytes = text.size(), .code = 10}, BytesOf(text));
  EXPECT_CODE(status, kAborted);
  EXPECT_EQ(status.message(), text);
}

// How much has arrived that nobody has received yet.
int ArrivedBytes(const Stream& stream) {
  int bytes = 0;
  EXPECT_EQ(::ioctl(stream.fd(), FIONREAD, &bytes), 0);
  return bytes;
}

TEST_F(BrokenServerTest, WhatIsQueuedWhenARequestIsGivenUpNeverArrives) {
  const std::vector<std::byte> data = Pattern(limits::kMaxRequestBytes, 1);
  std::thread writer([&] {
    EXPECT_CODE(a.network->forward("b")->Write({1, 1}, 0, data), kUnavailable);
  });
  // The server reads nothing, so both kernels fill up.
  int arrived = 0;
  EXPECT_TRUE(Eventually([&] {
    const int before = std::exchange(arrived, ArrivedBytes(*stream));
    absl::SleepFor(absl::Milliseconds(50));
    return arrived > 0 && arrived == before;
  }));
  a.network->forward("b")->Abort();
  writer.join();
  arrived = ArrivedBytes(*stream);
  int received = 0;
  std::array<std::byte, 4096> some;
  ssize_t got = 0;
  while ((got = stream->ReceiveSome(some)) > 0) received += static_cast<int>(got);
  EXPECT_EQ(received, arrived);
  EXPECT_EQ(got, -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(BrokenServerTest, OneStreamThatBreaksIsMadeAnewInItsPlaceAndItsRequestSentAgain) {
  std::array<absl::Status, 2> statuses;
  std::vector<std::thread> writers;
  for (absl::Status& status : statuses) writers.emplace_back([&] { status = WriteOne(); });
  std::unique_ptr<Stream> second = Accept();
  EXPECT_EQ(place, 1u);
  const WireHeader kept = Receive(*stream);
  const WireHeader lost = Receive(*second);
  second = nullptr;
  second = Accept(/*welcome=*/false);
  EXPECT_EQ(place, 1u);
  pollfd polled{second->fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&polled, 1, 100), 0) << "not before it is certain that the first copy is done";
  ASSERT_TRUE(second->Send({.kind = FrameKind::kWelcome}, {}));
  const WireHeader again = Receive(*second);
  EXPECT_EQ(again.kind, lost.kind);
  EXPECT_GT(again.number, lost.number);
  Answer(*second, again);
  Answer(*stream, kept);
  for (std::thread& writer : writers) writer.join();
  EXPECT_OK(statuses[0]);
  EXPECT_OK(statuses[1]);
}

TEST_F(BrokenServerTest, OneThatBreaksAndIsNotTakenAgainEndsTheSession) {
  std::array<absl::Status, 2> statuses;
  std::vector<std::thread> writers;
  for (absl::Status& status : statuses) writers.emplace_back([&] { status = WriteOne(); });
  std::unique_ptr<Stream> second = Accept();
  Receive(*stream);
  Receive(*second);
  second = nullptr;
  Accept(/*welcome=*/false) = nullptr;
  for (std::thread& writer : writers) writer.join();
  EXPECT_CODE(statuses[0], kUnavailable);
  EXPECT_CODE(statuses[1], kUnavailable);
  EXPECT_TRUE(IsClosedSoon(*stream));
  BeginSession();
}

TEST_F(BrokenServerTest, OneThatCannotBeMadeLeavesTheOthersAlone) {
  std::array<absl::Status, 2> statuses;
  std::vector<std::thread> writers;
  for (absl::Status& status : statuses) writers.emplace_back([&] { status = WriteOne(); });
  Accept(/*welcome=*/false) = nullptr;
  for (size_t i = 0; i < writers.size(); ++i) Answer(*stream, Receive(*stream));
  for (std::thread& writer : writers) writer.join();
  EXPECT_OK(statuses[0]);
  EXPECT_OK(statuses[1]);
  EXPECT_EQ(a.network->counters().lost_connections, 0u);
  EXPECT_TRUE(NobodyConnects()) << "it is not tried with each request";
}

TEST_F(BrokenServerTest, OfThoseWhoWaitForAnotherOneOneTriesAgainAndTheOthersFollow) {
  constexpr size_t kWriters = 4;
  std::vector<std::thread> writers;
  const auto write = [&] { writers.emplace_back([&] { EXPECT_OK(WriteOne()); }); };
  write();
  write();
  Accept(/*welcome=*/false) = nullptr;
  ASSERT_TRUE(NobodyConnects()) << "that is known by now";
  while (writers.size() < kWriters) write();
  absl::SleepFor(kExtraStreamRetry - absl::Seconds(2));
  std::vector<std::unique_ptr<Stream>> others;
  others.push_back(Accept(/*welcome=*/false));
  EXPECT_TRUE(NobodyConnects()) << "the one that tries has no answer yet";
  ASSERT_TRUE(others[0]->Send({.kind = FrameKind::kWelcome}, {}));
  while (others.size() < kWriters - 1) others.push_back(Accept());
  Answer(*stream, Receive(*stream));
  for (const auto& other : others) Answer(*other, Receive(*other));
  for (std::thread& writer : writers) writer.join();
}

TEST_F(BrokenServerTest, ASessionThatEndsIsNoticedWithoutARequest) {
  stream = nullptr;
  BeginSession();
  std::thread writer([&] { EXPECT_OK(WriteOne()); });
  Answer(*stream, Receive(*stream));
  writer.join();
}

TEST_F(BrokenServerTest, AStreamThatIsClosedWhileNobodyUsesItIsLostAlone) {
  std::vector<std::thread> writers;
  const auto write_two = [&] {
    for (int i = 0; i < 2; ++i) writers.emplace_back([&] { EXPECT_OK(WriteOne()); });
  };
  const auto answer_two = [&](Stream& second) {
    Answer(*stream, Receive(*stream));
    Answer(second, Receive(second));
    for (std::thread& writer : writers) writer.join();
    writers.clear();
  };
  write_two();
  std::unique_ptr<Stream> second = Accept();
  answer_two(*second);
  second = nullptr;
  absl::SleepFor(absl::Milliseconds(100));
  write_two();
  second = Accept();
  EXPECT_EQ(place, 1u);
  answer_two(*second);
}

TEST_F(BrokenServerTest, WhoWelcomesByteByByteIsGivenUpInTime) {
  std::thread writer;
  std::thread other;
  writer = std::thread([&] { EXPECT_OK(WriteOne()); });
  const WireHeader kept = Receive(*stream);
  other = std::thread([&] { EXPECT_OK(WriteOne()); });
  const std::unique_ptr<Stream> second = Accept(/*welcome=*/false);
  const WireHeader welcome{.kind = FrameKind::kWelcome};
  const Bytes bytes = std::as_bytes(std::span(&welcome, 1));
  size_t sent = 0;
  while (sent < bytes.size() && !IsClosed(*second)) {
    ::send(second->fd(), &bytes[sent++], 1, MSG_NOSIGNAL);
    absl::SleepFor(absl::Milliseconds(250));
  }
  EXPECT_LT(sent * absl::Milliseconds(250), 2 * kHandshakeTimeout);
  Answer(*stream, kept);
  Answer(*stream, Receive(*stream));
  writer.join();
  other.join();
}

}  // namespace
}  // namespace baton::ha
