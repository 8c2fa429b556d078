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

struct QueuedRequest {
  std::string peer;
  RequestServer::Task task;
};

struct QueuedAnswer {
  std::string peer;
  std::string body;
};

struct Lane {
  absl::CondVar queued;
  std::deque<QueuedRequest> requests;
};

// One loop thread owns the socket; workers meet it at queues.
class Server final : public RequestServer {
 public:
  Server(RequestServer::Options options, Reader reader)
      : options_(std::move(options)), reader_(std::move(reader)), lanes_(options_.workers.size()) {}
  ~Server() override;
  absl::Status Start(const UnixListener& listener);

 private:
  void Loop();
  void ReceiveRequests();
  void Queue(QueuedRequest request) ABSL_LOCKS_EXCLUDED(mutex_);
  void NoteDropped() { options_.dropped.fetch_add(1, std::memory_order_relaxed); }
  void SendAnswers();
  bool HasRoom() ABSL_LOCKS_EXCLUDED(mutex_);
  bool Finished() ABSL_LOCKS_EXCLUDED(mutex_);

  void Work(size_t lane);
  std::optional<QueuedRequest> NextRequest(size_t number) ABSL_LOCKS_EXCLUDED(mutex_);
  void CarryOut(QueuedRequest request) ABSL_LOCKS_EXCLUDED(mutex_);

  const RequestServer::Options options_;
  const Reader reader_;
  std::unique_ptr<ZmqContext> context_;
  std::unique_ptr<ZmqSocket> socket_;  // the loop's
  WakeFd wake_;                        // by which workers wake the loop

  absl::Mutex mutex_;
  std::deque<Lane> lanes_ ABSL_GUARDED_BY(mutex_);  // their number never changes
  std::deque<QueuedAnswer> answers_ ABSL_GUARDED_BY(mutex_);
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
    std::optional<Task> task;
    if (count == frames.size()) task = reader_(frames[1].text(), frames[1].local_peer());
    if (task) {
      Queue({frames[0].text(), *std::move(task)});
    } else {
      NoteDropped();
    }
  }
}

void Server::Queue(QueuedRequest request) {
  absl::MutexLock guard(&mutex_);
  Lane& lane = lanes_[request.task.lane];
  if (lane.requests.size() >= options_.queued_requests) {
    answers_.push_back({std::move(request.peer), options_.busy});
    return;
  }
  lane.requests.push_back(std::move(request));
  lane.queued.Signal();
}

void Server::SendAnswers() {
  std::deque<QueuedAnswer> answers;
  {
    absl::MutexLock guard(&mutex_);
    answers.swap(answers_);
  }
  // Not taken: a sender that asks on and on without reading. It loses the answer.
  for (QueuedAnswer& answer : answers) {
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
  while (std::optional<QueuedRequest> request = NextRequest(lane)) CarryOut(*std::move(request));
  absl::MutexLock guard(&mutex_);
  --workers_left_;
}

std::optional<QueuedRequest> Server::NextRequest(size_t number) {
  std::optional<QueuedRequest> request;
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

void Server::CarryOut(QueuedRequest request) {
  std::optional<std::string> body = request.task.answer();
  if (!body) return NoteDropped();
  {
    absl::MutexLock guard(&mutex_);
    answers_.push_back({std::move(request.peer), *std::move(body)});
  }
  wake_.Wake();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RequestServer>> RequestServer::StartLanes(
    const UnixListener& listener, Options options, Reader reader) {
  auto server = std::make_unique<Server>(std::move(options), std::move(reader));
  BATON_RETURN_IF_ERROR(server->Start(listener));
  return std::unique_ptr<RequestServer>(std::move(server));
}

absl::StatusOr<std::unique_ptr<RequestServer>> RequestServer::Start(const UnixListener& listener,
                                                                    Options options,
                                                                    Handler handler) {
  return StartLanes(
      listener, std::move(options),
      [handler = std::move(handler)](const std::string& request, const Sender& sender) {
        return std::optional(
            Task{.answer = [handler, request, sender] { return handler(request, sender); }});
      });
}

}  // namespace baton::ha
