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

}  // namespace baton
