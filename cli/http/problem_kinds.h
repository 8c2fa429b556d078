// What a line of `problems` or `warnings` of a status is about.
#pragma once

#include <string>
#include <vector>

namespace baton::http {

// In the order in which they are shown.
const std::vector<std::string>& ProblemKinds();
// One of them; "other": a line that no kind is known for, such as a fault in its own words.
std::string KindOfProblem(const std::string& line);

}  // namespace baton::http
