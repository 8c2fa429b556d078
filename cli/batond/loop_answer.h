// What `baton` is told while controllers end again and again.
#pragma once

#include <optional>
#include <string>

namespace baton::control {

// `status` is answered: nobody serves, and why. Every other command is refused with `problem`.
// nullopt: `request` is garbled. Thread-safe.
std::optional<std::string> AnswerForController(const std::string& node, const std::string& request,
                                               const std::string& problem);

}  // namespace baton::control
