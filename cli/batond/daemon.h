// batond as a function: command line in, exit code out.
#pragma once

namespace baton {

// 0: stopped as it was asked to; 1: refused, or ended by a fault; 2: usage.
int RunDaemon(int argc, char** argv);

}  // namespace baton
