#include "cli/baton/baton_app.h"

int main(int argc, char** argv) { return baton::RunBaton(argc, argv); }
