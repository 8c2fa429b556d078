// The server with real sockets: whoever asks slowly, too much or nonsense harms nobody else.
#include "cli/http/http_server.h"

#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "cli/http/http_listener.h"
#include "cli/http/http_settings.h"
#include "engine/base/limits.h"
#include "engine/base/system_runtime.h"
#include "tests/base/testing.h"
#include "tests/http/http_client.h"

namespace baton::http {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kGet[] = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

class HttpServerTest : public testing::Test {
 protected:
  void SetUp() override {
    UniqueFd listener = Must(ListenAt({.host = "127.0.0.1", .port = 0}));
    port_ = PortOf(listener.get());
    Start(std::move(listener));
  }
  // "/slow" has the second lane, and waits until `go_on_`.
  void Start(UniqueFd listener) {
    server_ = Must(HttpServer::Start(
        {.runtime = runtime_,
         .address = {.host = "127.0.0.1", .port = port_},
         .problem = problem_,
         .lanes = {{.threads = 2, .may_wait = false}, {.threads = 1}},
         .lane = [](const HttpRequest& request) -> size_t { return request.path == "/slow"; },
         .answer =
             [this](const HttpRequest& request) {
               ++begun_;
               if (request.path == "/slow") go_on_.WaitForNotification();
               if (request.path == "/look") absl::SleepFor(absl::Milliseconds(300));
               ++ended_;
               if (request.path == "/stream") return StreamAnswer();
               return HttpAnswer{.type = "text/plain", .body = "at " + request.path};
             }},
        std::move(listener)));
  }
  HttpAnswer StreamAnswer() {
    absl::MutexLock lock(&mutex_);
    return {.type = "text/event-stream", .body = message_, .stream_version = message_};
  }
  void Say(const std::string& message) {
    absl::MutexLock lock(&mutex_);
    message_ = message;
  }
  // A client of the stream that has got the first message.
  std::unique_ptr<HttpClient> Follower() {
    auto client = std::make_unique<HttpClient>(port_);
    client->Send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_TRUE(client->AwaitText("one;", absl::Seconds(5)));
    return client;
  }

  void TearDown() override {
    if (!go_on_.HasBeenNotified()) go_on_.Notify();
    server_.reset();
  }

  SystemRuntime runtime_;
  ProblemLine problem_;
  absl::Notification go_on_;
  std::atomic<int> begun_ = 0;
  std::atomic<int> ended_ = 0;
  absl::Mutex mutex_;
  std::string message_ ABSL_GUARDED_BY(mutex_) = "one;";
  uint16_t port_ = 0;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersAndCloses) {
  const std::string answer = HttpClient(port_).Ask(kGet);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nat /x"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  const std::string answer = HttpClient(port_).Ask("HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, WhatWouldChangeSomethingIsRefused) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    const std::string answer =
        HttpClient(port_).Ask(std::string(method) + " /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 ")) << method;
    EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n")) << method;
  }
}

TEST_F(HttpServerTest, BodiesAndLongHeadersAreRefused) {
  EXPECT_THAT(
      HttpClient(port_).Ask("GET /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"),
      StartsWith("HTTP/1.1 413 "));
  const std::string answer = HttpClient(port_).Ask(
      "GET /x HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(64 * 1024, 'x') + "\r\n\r\n");
  EXPECT_THAT(answer, ::testing::AnyOf("", StartsWith("HTTP/1.1 4")));
  EXPECT_THAT(HttpClient(port_).Ask(kGet), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, NonsenseIsRefusedAndHarmsNobody) {
  for (const std::string& nonsense :
       {std::string("\r\n\r\n\r\n"), std::string("GET\r\n\r\n"), std::string(300, '\0'),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)}) {
    HttpClient client(port_);
    client.Send(nonsense);
    EXPECT_THAT(HttpClient(port_).Ask(kGet), StartsWith("HTTP/1.1 200"));
  }
}

TEST_F(HttpServerTest, ClientsThatAskSlowlyHoldUpNobody) {
  std::vector<std::unique_ptr<HttpClient>> slow;
  for (unsigned i = 0; i < 2 * kMaxConnections; ++i) {
    slow.push_back(std::make_unique<HttpClient>(port_));
    slow.back()->Send("GET /x HTTP/1.1\r\nHost: loc");
    if (i % 16 != 0) continue;
    const absl::Time begin = absl::Now();
    EXPECT_THAT(HttpClient(port_).Ask(kGet), StartsWith("HTTP/1.1 200")) << i;
    EXPECT_LT(absl::Now() - begin, absl::Seconds(2)) << i;
  }
}

TEST_F(HttpServerTest, AClientThatSendsAByteNowAndThenIsEnded) {
  HttpClient client(port_);
  const absl::Time begin = absl::Now();
  while (client.IsOpen() && absl::Now() - begin < 2 * kConnectionTime) {
    client.Send("x");
    absl::SleepFor(absl::Milliseconds(500));
  }
  EXPECT_LT(absl::Now() - begin, kConnectionTime + absl::Seconds(5));
}

TEST_F(HttpServerTest, RequestsThatWaitHoldUpNoOtherLaneAndMoreAreRefused) {
  std::vector<std::unique_ptr<HttpClient>> waiting;
  for (size_t i = 0; i < kQueuedRequests + 1; ++i) {
    waiting.push_back(std::make_unique<HttpClient>(port_));
    waiting.back()->Send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // The first one is with the thread before the others queue.
    if (i == 0) absl::SleepFor(absl::Milliseconds(300));
  }
  std::string refused;
  for (int i = 0; i < 100 && refused.empty(); ++i) {
    HttpClient more(port_);
    more.Send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    refused = more.Receive(absl::Milliseconds(100));
  }
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(HttpClient(port_).Ask(kGet), StartsWith("HTTP/1.1 200"));
  go_on_.Notify();
  EXPECT_THAT(waiting.front()->Receive(), HasSubstr("at /slow"));
}

TEST_F(HttpServerTest, AStreamSaysWhatIsNewAndNowAndThenWhatIsNot) {
  const auto first = Follower();
  const auto second = Follower();
  const absl::Time begin = absl::Now();
  Say("two;");
  EXPECT_TRUE(first->AwaitText("two;", absl::Seconds(5)));
  EXPECT_TRUE(second->AwaitText("two;", absl::Seconds(5)));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2)) << "and not at the end of kStreamRepeat";
  EXPECT_TRUE(first->AwaitText("two;", 3 * kStreamRepeat)) << "again";
  EXPECT_THAT(HttpClient(port_).Ask(kGet), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, WithoutAStreamNobodyLooks) {
  Follower().reset();
  absl::SleepFor(3 * kStreamRepeat);  // that it is gone is noticed when it is told something
  const int begun = begun_;
  absl::SleepFor(4 * kStreamLook);
  EXPECT_EQ(begun_, begun);
}

TEST_F(HttpServerTest, ThereAreSoManyStreamsAndOthersAreServedBesides) {
  std::vector<std::unique_ptr<HttpClient>> followers;
  for (size_t i = 0; i < kMaxStreams; ++i) followers.push_back(Follower());
  EXPECT_THAT(HttpClient(port_).Ask("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              StartsWith("HTTP/1.1 503 "));
  std::vector<std::unique_ptr<HttpClient>> silent;
  for (unsigned i = 0; i < kMaxConnections; ++i) {
    silent.push_back(std::make_unique<HttpClient>(port_));
    EXPECT_THAT(HttpClient(port_).Ask(kGet), StartsWith("HTTP/1.1 200")) << i;
  }
  Say("two;");
  for (const auto& follower : followers) {
    EXPECT_TRUE(follower->AwaitText("two;", absl::Seconds(5)))
        << "a stream is not ended for others";
  }
  followers.pop_back();
  absl::SleepFor(3 * kStreamRepeat);
  Say("one;");
  Follower();
}

TEST_F(HttpServerTest, AStreamThatIsNotReadIsEndedAndDelaysNoOther) {
  HttpClient deaf(port_);
  deaf.Send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto follower = Follower();
  const absl::Time begin = absl::Now();
  std::string last;
  // Until what the kernel keeps for it is full, and then some more than kSilence.
  for (int i = 0; absl::Now() - begin < 4 * kSilence; ++i) {
    last = fmt::format("x{};", i);
    Say(std::string(limits::kMiB, 'x') + last);
    EXPECT_TRUE(follower->AwaitText(last, absl::Seconds(5)));
  }
  EXPECT_FALSE(deaf.AwaitText(last, absl::Seconds(5)));
  EXPECT_FALSE(deaf.IsOpen());
}

TEST_F(HttpServerTest, AStreamOutlivesTheTimeOfAConnection) {
  const auto follower = Follower();
  absl::SleepFor(kConnectionTime + 2 * kTick);
  Say("two;");
  EXPECT_TRUE(follower->AwaitText("two;", absl::Seconds(5)));
}

TEST_F(HttpServerTest, CloseEndsStreamsAtOnce) {
  const auto suspended = Follower();
  HttpClient deaf(port_);
  deaf.Send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  absl::SleepFor(absl::Milliseconds(400));
  const absl::Time begin = absl::Now();
  server_->Close();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
  suspended->Receive(absl::Seconds(5));
  EXPECT_FALSE(suspended->IsOpen());
  EXPECT_OK(ListenAt({.host = "127.0.0.1", .port = port_}));
}

TEST_F(HttpServerTest, CloseWaitsForNoRequestAndFreesTheAddress) {
  HttpClient slow(port_);
  slow.Send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  HttpClient half(port_);
  half.Send("GET /x HT");
  absl::SleepFor(absl::Milliseconds(200));
  const absl::Time begin = absl::Now();
  server_->Close();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
  EXPECT_EQ(slow.Receive(), "");
  EXPECT_OK(ListenAt({.host = "127.0.0.1", .port = port_}));
}

TEST_F(HttpServerTest, AfterCloseNoRequestBeginsAndThoseThatNeverWaitHaveEnded) {
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<HttpClient>(port_));
    clients.back()->Send("GET /look HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  while (begun_ < 2) absl::SleepFor(absl::Milliseconds(1));
  server_->Close();
  EXPECT_EQ(ended_, begun_);
  const int begun = begun_;
  EXPECT_LT(begun, 8);
  server_.reset();
  EXPECT_EQ(begun_, begun);
}

TEST_F(HttpServerTest, ARequestWhoseConnectionHasEndedIsNotBegun) {
  std::vector<std::unique_ptr<HttpClient>> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(std::make_unique<HttpClient>(port_));
    waiting.back()->Send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  for (const auto& client : waiting) {
    EXPECT_EQ(client->Receive(kConnectionTime + absl::Seconds(5)), "");
  }
  HttpClient wanted(port_);
  wanted.Send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  absl::SleepFor(absl::Milliseconds(200));
  go_on_.Notify();
  EXPECT_THAT(wanted.Receive(), HasSubstr("at /slow"));
  EXPECT_EQ(begun_, 2) << "the one that ran and the one that is waited for";
}

// No more descriptors for this process than `more` from here on.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(int more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd next(::dup(STDIN_FILENO));
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(next.get() + more);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_ = {};
};

absl::Duration CpuTime() {
  timespec time = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

TEST_F(HttpServerTest, WithoutADescriptorItPausesAndThenAnswers) {
  HttpClient client;
  auto limit = std::make_unique<DescriptorLimit>(0);
  client.Connect(port_);
  client.Send(kGet);
  const absl::Duration before = CpuTime();
  EXPECT_EQ(client.Receive(absl::Seconds(2)), "");
  EXPECT_LT(CpuTime() - before, absl::Milliseconds(500));
  limit.reset();
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AStartWithoutDescriptorsIsTriedAgain) {
  server_.reset();
  UniqueFd listener = Must(ListenAt({.host = "127.0.0.1", .port = port_}));
  HttpClient client;
  auto limit = std::make_unique<DescriptorLimit>(1);
  Start(std::move(listener));
  EXPECT_THAT(problem_.Get(), HasSubstr("cannot serve HTTP"));
  client.Connect(port_);
  client.Send(kGet);
  limit.reset();
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(problem_.Get(), "");
}

TEST_F(HttpServerTest, AnAddressThatIsTakenIsRefusedAndLaterUsed) {
  const absl::Status taken = ListenAt({.host = "127.0.0.1", .port = port_}).status();
  EXPECT_CODE(taken, kFailedPrecondition);
  EXPECT_THAT(std::string(taken.message()), HasSubstr("another process listens on 127.0.0.1:"));
  server_.reset();
  UniqueFd somebody = Must(ListenAt({.host = "127.0.0.1", .port = port_}));
  Start(UniqueFd());
  EXPECT_NE(problem_.Get(), "");
  somebody = UniqueFd();
  for (int i = 0; i < 100 && !problem_.Get().empty(); ++i) {
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(problem_.Get(), "");
  EXPECT_THAT(HttpClient(port_).Ask(kGet), StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace baton::http
