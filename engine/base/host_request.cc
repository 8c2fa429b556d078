#include "engine/base/host_request.h"

#include <utility>

namespace baton {
namespace {

thread_local HostRequest* current_request = nullptr;

}  // namespace

HostRequest* HostRequest::Current() { return current_request; }

HostRequest::Scope::Scope(HostRequest& request)
    : before_(std::exchange(current_request, &request)) {}

HostRequest::Scope::~Scope() { current_request = before_; }

HostRequest::Spending::Spending(const Runtime& runtime, Spent what)
    : runtime_(runtime),
      request_(Current()),
      before_(request_ == nullptr ? Spent::kOther
                                  : request_->time_spent_.Switch(what, runtime.BootTime())) {}

HostRequest::Spending::~Spending() {
  if (request_ != nullptr) request_->time_spent_.Switch(before_, runtime_.BootTime());
}

void HostRequest::NoteStorage() {
  HostRequest* const request = Current();
  if (request == nullptr || request->time_spent_.now() != Spent::kOther) return;
  request->time_spent_.Rename(Spent::kStorage);
}

HostRequest::ServiceWait::ServiceWait(const Runtime& runtime)
    : request_(Current()), spending_(runtime, Spent::kOwner) {
  if (request_ == nullptr) return;
  request_->was_unserved_ = true;
  request_->unserved_.store(true, std::memory_order_relaxed);
}

HostRequest::ServiceWait::~ServiceWait() {
  if (request_ != nullptr) request_->unserved_.store(false, std::memory_order_relaxed);
}

}  // namespace baton
