// Requests and answers, both ends.
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>

#include <thread>

#include "engine/base/limits.h"
#include "engine/base/system_runtime.h"
#include "ha/io/request_client.h"
#include "ha/io/request_server.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kLong = absl::Seconds(30);

class RequestTest : public testing::Test {
 protected:
  RequestServer::Handler Echo() {
    return
        [](const std::string& request, const RequestServer::Sender&) { return "re: " + request; };
  }

  void Serve(RequestServer::Handler handler, int workers = 4) {
    listener_ = Must(UnixListener::Bind(path_, 0600));
    server_ = Must(RequestServer::Start(
        *listener_, {.runtime = runtime_, .dropped = dropped_, .workers = {workers}},
        std::move(handler)));
  }

  // A message with more than one frame.
  void SendFrames(const Frames& frames) {
    auto context = Must(ZmqContext::Make());
    auto socket = Must(ZmqSocket::Open(*context, ZmqSocket::Type::kDealer));
    ASSERT_OK(socket->Connect(path_));
    ASSERT_TRUE(socket->Send(frames));
  }

  void AwaitDropped(uint64_t count) {
    const absl::Time deadline = absl::Now() + kLong;
    while (dropped_ < count && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_EQ(dropped_, count);
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/socket";
  SystemRuntime runtime_;
  std::atomic<uint64_t> dropped_{0};
  std::unique_ptr<RequestClient> client_ = Must(RequestClient::Make(path_));
  std::unique_ptr<UnixListener> listener_;
  std::unique_ptr<RequestServer> server_;
};

TEST_F(RequestTest, IsAnswered) {
  Serve(Echo());
  EXPECT_EQ(Must(client_->Call("hello", kLong)), "re: hello");
  EXPECT_EQ(Must(client_->Call("", kLong)), "re: ");
  EXPECT_EQ(dropped_, 0U);
}

TEST_F(RequestTest, MayBeAsLongAsTheLimitAndNotLonger) {
  Serve([](const std::string& request, const RequestServer::Sender&) {
    return std::to_string(request.size());
  });
  const std::string longest(limits::kMaxMessageBytes, 'x');
  EXPECT_EQ(Must(client_->Call(longest, kLong)), std::to_string(longest.size()));
  EXPECT_CODE(client_->Call(longest + "x", kLong), kInvalidArgument);
}

TEST_F(RequestTest, ThatIsTooLongEndsItsConnectionAndNothingElse) {
  Serve(Echo());
  SendFrames({std::string(limits::kMaxMessageBytes + 1, 'x')});
  EXPECT_EQ(Must(client_->Call("hello", kLong)), "re: hello");
}

TEST_F(RequestTest, ThatTakesLongHoldsUpNoOther) {
  absl::Notification release;
  Serve([&](const std::string& request, const RequestServer::Sender&) {
    if (request == "slow") release.WaitForNotification();
    return request;
  });
  std::atomic<bool> answered = false;
  std::thread waiter([&] {
    EXPECT_EQ(Must(client_->Call("slow", kLong)), "slow");
    answered = true;
  });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Must(client_->Call("quick", kLong)), "quick");
  EXPECT_FALSE(answered);
  release.Notify();
  waiter.join();
}

TEST_F(RequestTest, WaitsInAQueueWhileAllWorkersAreBusyHoweverManyThereAre) {
  constexpr int kRequests = 200;  // more than the queue holds
  absl::Notification release;
  std::atomic<int> answered{0};
  Serve([&](const std::string& request, const RequestServer::Sender&) {
    release.WaitForNotification();
    return request;
  });
  std::vector<std::thread> clients;
  for (int i = 0; i < kRequests; ++i) {
    clients.emplace_back([&, i] {
      if (Must(client_->Call(std::to_string(i), kLong)) == std::to_string(i)) ++answered;
    });
  }
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(answered, 0);
  release.Notify();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, kRequests);
}

TEST_F(RequestTest, OfOneLaneNeverWaitsForThoseOfAnother) {
  absl::Notification release;
  std::atomic<int> begun{0};
  listener_ = Must(UnixListener::Bind(path_, 0600));
  server_ = Must(
      RequestServer::StartLanes(*listener_,
                                {.runtime = runtime_,
                                 .dropped = dropped_,
                                 .workers = {2, 1},
                                 .queued_requests = 3,
                                 .busy = "busy"},
                                [&](const std::string& request, const RequestServer::Sender&) {
                                  return RequestServer::Task{.lane = request == "status" ? 1u : 0u,
                                                             .answer = [&begun, &release, request] {
                                                               ++begun;
                                                               if (request == "waits")
                                                                 release.WaitForNotification();
                                                               return request;
                                                             }};
                                }));
  std::atomic<int> refused{0};
  std::vector<std::thread> clients;
  const auto ask = [&](int count) {
    for (int i = 0; i < count; ++i) {
      clients.emplace_back([&] {
        if (Must(client_->Call("waits", kLong)) == "busy") ++refused;
      });
    }
  };
  ask(2);
  while (begun < 2) absl::SleepFor(absl::Milliseconds(1));
  ask(8);
  while (refused < 5) absl::SleepFor(absl::Milliseconds(1));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Must(client_->Call("status", kLong)), "status");
  release.Notify();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(refused, 5) << "two were carried out and three waited";
}

TEST_F(RequestTest, ToNobodyFailsAtOnceAndSaysWhere) {
  const absl::Time begun = absl::Now();
  const auto answer = client_->Call("hello", kLong);
  EXPECT_CODE(answer, kUnavailable);
  EXPECT_THAT(std::string(answer.status().message()), testing::HasSubstr(path_));
  EXPECT_LT(absl::Now() - begun, kLong / 2);
}

TEST_F(RequestTest, ThatIsNotAnsweredInTimeTimesOut) {
  absl::Notification release;
  Serve([&](const std::string& request, const RequestServer::Sender&) {
    release.WaitForNotification();
    return request;
  });
  EXPECT_CODE(client_->Call("hello", absl::Milliseconds(50)), kDeadlineExceeded);
  release.Notify();
  server_.reset();  // its worker may still be in the handler
}

TEST_F(RequestTest, ToAListenerThatNobodyServesTimesOut) {
  listener_ = Must(UnixListener::Bind(path_, 0600));
  EXPECT_CODE(client_->Call("hello", absl::Milliseconds(50)), kDeadlineExceeded);
}

TEST_F(RequestTest, WhoseServerEndsBeforeTheAnswerIsUnavailable) {
  absl::Notification received;
  absl::Notification release;
  Serve(
      [&](const std::string&, const RequestServer::Sender&) -> std::optional<std::string> {
        received.Notify();
        release.WaitForNotification();
        return std::nullopt;
      },
      1);
  std::thread stopper([&] {
    received.WaitForNotification();
    release.Notify();
    server_.reset();
  });
  EXPECT_CODE(client_->Call("hello", kLong), kUnavailable);
  stopper.join();
}

TEST_F(RequestTest, ThatAWorkerHasIsStillAnsweredAtTheEnd) {
  absl::Notification received;
  Serve([&](const std::string& request, const RequestServer::Sender&) {
    received.Notify();
    absl::SleepFor(absl::Milliseconds(50));
    return request;
  });
  std::thread stopper([&] {
    received.WaitForNotification();
    server_.reset();
  });
  EXPECT_EQ(Must(client_->Call("last", kLong)), "last");
  stopper.join();
}

TEST_F(RequestTest, ThatTheHandlerRefusesIsCountedAndNotAnswered) {
  Serve([](const std::string&, const RequestServer::Sender&) { return std::nullopt; });
  EXPECT_CODE(client_->Call("garbage", absl::Milliseconds(50)), kDeadlineExceeded);
  EXPECT_EQ(dropped_, 1U);
}

TEST_F(RequestTest, ThatCannotBeReadIsCountedAndTakesNoWorker) {
  listener_ = Must(UnixListener::Bind(path_, 0600));
  server_ = Must(RequestServer::StartLanes(
      *listener_, {.runtime = runtime_, .dropped = dropped_, .workers = {1}},
      [](const std::string& request,
         const RequestServer::Sender&) -> std::optional<RequestServer::Task> {
        if (request == "garbled") return std::nullopt;
        return RequestServer::Task{.answer = [request] { return request; }};
      }));
  EXPECT_CODE(client_->Call("garbled", absl::Milliseconds(50)), kDeadlineExceeded);
  AwaitDropped(1);
  EXPECT_EQ(Must(client_->Call("hello", kLong)), "hello");
}

TEST_F(RequestTest, OfSeveralFramesIsCountedAndNotHandled) {
  std::atomic<int> handled{0};
  Serve([&](const std::string& request, const RequestServer::Sender&) {
    ++handled;
    return request;
  });
  SendFrames({"", "as a REQ socket sends it"});
  SendFrames(Frames(1000, "x"));
  AwaitDropped(2);
  EXPECT_EQ(handled, 0);
}

}  // namespace
}  // namespace baton::ha
