// Options that several clone commands share.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/baton/clone_calls.h"

namespace baton {

// SRC DST [--extent] [--rate] [--latency-target] [--on-error] [--no-digests].
void AddCreateOptions(CLI::App& app, CreateCloneArguments& arguments);

// ID.
CLI::Option* AddCloneId(CLI::App& app, std::string& id);

// --degraded.
void AddDegraded(CLI::App& app, bool& degraded);

}  // namespace baton
