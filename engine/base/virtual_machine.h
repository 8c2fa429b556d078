// Whether this machine can be paused without noticing it.
#pragma once

#include <optional>
#include <string>

namespace baton {

// Of a guest of a hypervisor: its maker as its firmware tells it ("QEMU"), or that it is not told;
// nullopt: it is none, as far as can be told. A container is what its machine is. `root`: above
// /proc and /sys, for tests.
std::optional<std::string> VirtualMachine(const std::string& root = "");

}  // namespace baton
