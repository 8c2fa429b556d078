// The client as a function: command line in, exit code out.
#pragma once

namespace baton {

int RunBaton(int argc, char** argv);

}  // namespace baton
