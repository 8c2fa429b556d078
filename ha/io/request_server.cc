#include "ha/io/request_server.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <deque>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/status.h"
#include "engine/base/wake_fd.h"
#include "ha/io/zmq_socket.h"

namespace baton::ha {
namespace {

struct Envelope {
  std::string peer;
  std::string body;
  RequestServer::Sender sender;  // of a request
};

struct Lane {
  absl::CondVar queued;
  std::deque<Envelope> requests;
};

// One loop thread owns the socket; workers meet it at queues.
class Server final : public RequestServer {
 public:
  Server(RequestServer::Options options, Handler handler)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        lanes_(options_.workers.size()) {}
  ~Server() override;
  absl::Status Start(const UnixListener& listener);

 private:
  void Loop();
  void ReceiveRequests();
  void Queue(Envelope request) ABSL_LOCKS_EXCLUDED(mutex_);
  void SendAnswers();
  bool HasRoom() ABSL_LOCKS_EXCLUDED(mutex_);
  bool Finished() ABSL_LOCKS_EXCLUDED(mutex_);

  void Work(size_t lane);
  std::optional<Envelope> NextRequest(size_t number) ABSL_LOCKS_EXCLUDED(mutex_);
  void Answer(const Envelope& request) ABSL_LOCKS_EXCLUDED(mutex_);

  const RequestServer::Options options_;
  const Handler handler_;
  std::unique_ptr<ZmqContext> context_;
  std::unique_ptr<ZmqSocket> socket_;  // the loop's
  WakeFd wake_;                        // by which workers wake the loop

  absl::Mutex mutex_;
  std::deque<Lane> lanes_ ABSL_GUARDED_BY(mutex_);  // their number never changes
  std::deque<Envelope> answers_ ABSL_GUARDED_BY(mutex_);
  int workers_left_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::thread> workers_;
  std::thread loop_;
};

absl::Status Server::Start(const UnixListener& listener) {
  BATON_RETURN_IF_ERROR(wake_.status());
  BATON_ASSIGN_OR_RETURN(context_, ZmqContext::Make());
  BATON_ASSIGN_OR_RETURN(socket_, ZmqSocket::Open(*context_, ZmqSocket::Type::kRouter));
  BATON_RETURN_IF_ERROR(socket_->Serve(listener.path(), listener.fd()));
  {
    absl::MutexLock guard(&mutex_);
    workers_left_ = std::accumulate(options_.workers.begin(), options_.workers.end(), 0);
  }
  for (size_t lane = 0; lane < options_.workers.size(); ++lane) {
    for (int i = 0; i < options_.workers[lane]; ++i) {
      workers_.emplace_back([this, lane] { Work(lane); });
    }
  }
  loop_ = std::thread([this] { Loop(); });
  return absl::OkStatus();
}

Server::~Server() {
  {
    absl::MutexLock guard(&mutex_);
    stopping_ = true;
    for (Lane& lane : lanes_) lane.queued.SignalAll();
  }
  for (std::thread& worker : workers_) worker.join();
  if (loop_.joinable()) {
    wake_.Wake();
    loop_.join();
  }
}

void Server::Loop() {
  pthread_setname_np(pthread_self(), "control");
  while (!Finished()) {
    // While the queue is full nothing is read: requests wait in their senders' sockets.
    std::array<ZmqPollItem, 2> items{ZmqPollItem{.fd = wake_.fd()},
                                     ZmqPollItem{.handle = socket_->handle()}};
    ZmqPoll(std::span(items).first(HasRoom() ? 2 : 1), absl::InfiniteDuration());
    if (items[0].readable) wake_.Clear();
    if (items[1].readable) ReceiveRequests();
    SendAnswers();
  }
  SendAnswers();
}

// Not all at once: answers are not to wait for one who sends on and on.
void Server::ReceiveRequests() {
  for (size_t i = 0; i < options_.queued_requests && HasRoom(); ++i) {
    std::array<ZmqMessage, 2> frames;
    const size_t count = socket_->Receive(frames);
    if (count == 0) return;
    if (count == frames.size()) {
      Queue({frames[0].text(), frames[1].text(), frames[1].local_peer()});
    } else {
      options_.dropped.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

void Server::Queue(Envelope request) {
  const size_t number = options_.lane_of ? options_.lane_of(request.body) : 0;
  absl::MutexLock guard(&mutex_);
  Lane& lane = lanes_[number];
  if (lane.requests.size() >= options_.queued_requests) {
    answers_.push_back({std::move(request.peer), options_.busy, std::nullopt});
    return;
  }
  lane.requests.push_back(std::move(request));
  lane.queued.Signal();
}

void Server::SendAnswers() {
  std::deque<Envelope> answers;
  {
    absl::MutexLock guard(&mutex_);
    answers.swap(answers_);
  }
  // Not taken: a sender that asks on and on without reading. It loses the answer.
  for (Envelope& answer : answers) {
    static_cast<void>(socket_->Send({std::move(answer.peer), std::move(answer.body)}));
  }
}

bool Server::HasRoom() {
  absl::MutexLock guard(&mutex_);
  if (stopping_ || !options_.busy.empty()) return !stopping_;
  return std::all_of(lanes_.begin(), lanes_.end(), [this](const Lane& lane) {
    return lane.requests.size() < options_.queued_requests;
  });
}

bool Server::Finished() {
  absl::MutexLock guard(&mutex_);
  return stopping_ && workers_left_ == 0;
}

void Server::Work(size_t lane) {
  pthread_setname_np(pthread_self(), "control-worker");
  while (std::optional<Envelope> request = NextRequest(lane)) Answer(*request);
  absl::MutexLock guard(&mutex_);
  --workers_left_;
}

std::optional<Envelope> Server::NextRequest(size_t number) {
  std::optional<Envelope> request;
  {
    absl::MutexLock guard(&mutex_);
    Lane& lane = lanes_[number];
    while (lane.requests.empty() && !stopping_) lane.queued.Wait(&mutex_);
    if (stopping_) return std::nullopt;
    request = std::move(lane.requests.front());
    lane.requests.pop_front();
  }
  wake_.Wake();  // there is room again
  return request;
}

void Server::Answer(const Envelope& request) {
  std::optional<std::string> body = handler_(request.body, request.sender);
  if (!body) {
    options_.dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  {
    absl::MutexLock guard(&mutex_);
    answers_.push_back({request.peer, *std::move(body), std::nullopt});
  }
  wake_.Wake();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RequestServer>> RequestServer::Start(const UnixListener& listener,
                                                                    Options options,
                                                                    Handler handler) {
  auto server = std::make_unique<Server>(std::move(options), std::move(handler));
  BATON_RETURN_IF_ERROR(server->Start(listener));
  return std::unique_ptr<RequestServer>(std::move(server));
}

}  // namespace baton::ha
