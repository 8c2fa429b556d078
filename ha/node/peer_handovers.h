// What controllers ask of each other when the owner changes in good order.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <map>
#include <string>

#include "engine/base/runtime.h"
#include "ha/core/events.h"
#include "ha/io/peer_api.pb.h"
#include "ha/io/peer_network.h"
#include "ha/node/event_queue.h"
#include "ha/node/seal_feedback.h"
#include "ha/node/work_queue.h"

namespace baton::ha {

// A thread, "peer-orders", asks peers, one after the other. Thread-safe.
class PeerHandovers {
 public:
  // The references outlive this.
  PeerHandovers(Runtime& runtime, PeerNetwork& network, SealFeedback& feedback, EventQueue& events);

  // ---- by order of the coordinator; each returns at once ----
  // StopAnswered follows, unless there is no answer: the coordinator goes on without one.
  void AskToStop(const action::AskOwnerToStop& action);
  void Offer(const action::OfferHandover& action);
  void Answer(const action::AnswerStop& action);

  // ---- of peers ----
  // Waits until the coordinator has an answer. FailedPrecondition: that epoch is not sealed;
  // DeadlineExceeded.
  absl::StatusOr<peer_api::Answer> AnswerStop(const std::string& peer, uint64_t epoch);
  absl::StatusOr<peer_api::Answer> AnswerOffer(const std::string& peer,
                                               const peer_api::Offer& offer);

  // Peers that wait have an answer.
  void StopWaiting();
  // Waits for the call that is under way.
  void Stop() { queue_.Stop(); }

 private:
  void CallToStop(const std::string& owner, uint64_t epoch);
  void CallToOffer(const std::string& to, uint64_t epoch);

  Runtime& runtime_;
  PeerNetwork& network_;
  SealFeedback& feedback_;
  EventQueue& events_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::map<std::string, bool> answers_ ABSL_GUARDED_BY(mutex_);  // to a stop, by who asked
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  WorkQueue queue_;
};

}  // namespace baton::ha
