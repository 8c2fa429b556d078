#include "cli/batond/daemon.h"

int main(int argc, char** argv) { return baton::RunDaemon(argc, argv); }
