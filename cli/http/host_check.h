// Who may have sent a browser here.
#pragma once

#include <string>

namespace baton::http {

// Whether the header Host names this machine's loopback: a number, or localhost, with or without a
// port. A page of a stranger whose name was made to lead to 127.0.0.1 (DNS rebinding) shows another
// name there. True where there is no header: browsers always send it.
bool NamesLoopback(const std::string& host);

}  // namespace baton::http
