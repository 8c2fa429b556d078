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

HostRequest::ServiceWait::ServiceWait() : request_(Current()) {
  if (request_ == nullptr) return;
  request_->was_unserved_ = true;
  request_->unserved_.store(true, std::memory_order_relaxed);
}

HostRequest::ServiceWait::~ServiceWait() {
  if (request_ != nullptr) request_->unserved_.store(false, std::memory_order_relaxed);
}

}  // namespace baton
