#include "engine/base/virtual_machine.h"

#include "tests/base/machine_files.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

class VirtualMachineTest : public testing::Test {
 protected:
  void WriteFlags(const std::string& flags) {
    files_.Write("/proc/cpuinfo", "processor\t: 0\nflags\t\t: " + flags + "\nbugs\t\t:");
  }
  void WriteVendor(const std::string& vendor) {
    files_.Write("/sys/class/dmi/id/sys_vendor", vendor);
  }
  std::optional<std::string> Found() { return VirtualMachine(files_.root()); }

  MachineFiles files_;
};

TEST_F(VirtualMachineTest, IsToldByTheProcessor) {
  WriteFlags("fpu hypervisor sse");
  EXPECT_EQ(Found(), "its maker is not told");
  WriteVendor("QEMU");
  EXPECT_EQ(Found(), "QEMU");
}

TEST_F(VirtualMachineTest, ARealOneOfAMakerOfGuestsIsNone) {
  WriteFlags("fpu sse");
  WriteVendor("Xen");
  EXPECT_EQ(Found(), std::nullopt);
}

TEST_F(VirtualMachineTest, IsToldByTheFirmwareWhereTheProcessorHasNoFlags) {
  files_.Write("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd");
  EXPECT_EQ(Found(), std::nullopt);
  WriteVendor("QEMU");
  EXPECT_EQ(Found(), "QEMU");
}

}  // namespace
}  // namespace baton
