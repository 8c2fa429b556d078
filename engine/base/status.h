// Errors are values: absl::Status and absl::StatusOr. A message is one line that says what was
// refused or failed, why, and (where there is something to do) what to do.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <string>
#include <utility>

namespace baton {

template <typename... Args>
[[nodiscard]] absl::Status Error(absl::StatusCode code, fmt::format_string<Args...> format,
                                 Args&&... args) {
  return absl::Status(code, fmt::format(format, std::forward<Args>(args)...));
}

// The message of `status` without its code, for nesting in another message.
inline std::string Message(const absl::Status& status) { return std::string(status.message()); }

// `status` with "context: " in front of its message; OK stays OK.
inline absl::Status Annotate(const absl::Status& status, const std::string& context) {
  if (status.ok()) return status;
  absl::Status annotated = Error(status.code(), "{}: {}", context, Message(status));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    annotated.SetPayload(type, payload);
  });
  return annotated;
}

}  // namespace baton

#define BATON_STATUS_CONCAT_(a, b) a##b
#define BATON_STATUS_CONCAT(a, b) BATON_STATUS_CONCAT_(a, b)

#define BATON_RETURN_IF_ERROR(expression)                                   \
  do {                                                                      \
    if (absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#define BATON_ASSIGN_OR_RETURN(declaration, expression) \
  BATON_ASSIGN_OR_RETURN_(BATON_STATUS_CONCAT(status_or_, __LINE__), declaration, expression)
#define BATON_ASSIGN_OR_RETURN_(result, declaration, expression) \
  auto result = (expression);                                    \
  if (!result.ok()) return result.status();                      \
  declaration = std::move(*result)
