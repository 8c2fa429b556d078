#include "engine/base/virtual_machine.h"

#include <filesystem>
#include <fstream>

#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

class VirtualMachineTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = directory_.path() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void WriteFlags(const std::string& flags) {
    Write("/proc/cpuinfo", "processor\t: 0\nflags\t\t: " + flags + "\nbugs\t\t:\n");
  }
  void WriteVendor(const std::string& vendor) {
    Write("/sys/class/dmi/id/sys_vendor", vendor + "\n");
  }
  std::optional<std::string> Found() { return VirtualMachine(directory_.path()); }

  TemporaryDirectory directory_;
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
  Write("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\n");
  EXPECT_EQ(Found(), std::nullopt);
  WriteVendor("QEMU");
  EXPECT_EQ(Found(), "QEMU");
}

}  // namespace
}  // namespace baton
