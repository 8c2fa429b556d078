// Whether this machine can be paused without noticing it.
#pragma once

#include <optional>
#include <set>
#include <string>

namespace baton {

// `root`: above /proc and /sys, for tests.

// Of a guest of a hypervisor: its maker as its firmware tells it ("QEMU"), or that it is not told;
// nullopt: it is none, as far as can be told. A container is what its machine is.
std::optional<std::string> VirtualMachine(const std::string& root = "");

// What the kernel calls the features of the processor; nullopt: it has none, as everywhere but on
// x86.
std::optional<std::set<std::string>> ProcessorFlags(const std::string& root = "");

// Where the kernel has the time from ("tsc"); empty: it does not tell.
std::string ClockSource(const std::string& root = "");

}  // namespace baton
