#include "engine/base/names.h"

#include "engine/base/limits.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

TEST(NamesTest, TakesPlainNames) {
  for (const std::string& name :
       {std::string("a"), std::string("0"), std::string("db-1.img_x"), std::string(63, 'z')}) {
    EXPECT_OK(CheckName(name)) << name;
  }
}

TEST(NamesTest, RefusesEverythingElse) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string(".a"), std::string("-a"),
        std::string("A"), std::string("a/b"), std::string("a b"), std::string("a\n"),
        std::string("ä"), std::string("a\0b", 3), std::string(64, 'a')}) {
    EXPECT_CODE(CheckName(name), kInvalidArgument) << name;
  }
}

TEST(SizesTest, ParsesNumbersAndUnits) {
  EXPECT_EQ(Must(ParseSize("0")), 0U);
  EXPECT_EQ(Must(ParseSize("4096")), 4096U);
  EXPECT_EQ(Must(ParseSize("4096B")), 4096U);
  EXPECT_EQ(Must(ParseSize("64K")), 65536U);
  EXPECT_EQ(Must(ParseSize("64k")), 65536U);
  EXPECT_EQ(Must(ParseSize("64KB")), 65536U);
  EXPECT_EQ(Must(ParseSize("3MiB")), 3 * limits::kMiB);
  EXPECT_EQ(Must(ParseSize("2gib")), 2 * limits::kGiB);
  EXPECT_EQ(Must(ParseSize("64T")), 64 * limits::kTiB);
  EXPECT_EQ(Must(ParseSize("18446744073709551615")), UINT64_MAX);
}

TEST(SizesTest, RefusesWhatIsNoSize) {
  for (const char* text :
       {"", "-1", "+1", " 1", "1 ", "1.5G", "K", "1iB", "1KK", "1X", "1KiBs", "0x10", "1e3",
        "18446744073709551616", "16777216T", "99999999999999999999999"}) {
    EXPECT_CODE(ParseSize(text), kInvalidArgument) << text;
  }
}

TEST(SizesTest, FormatsThreeDigitsThatMatter) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(1023), "1023 B");
  EXPECT_EQ(FormatSize(64 * limits::kKiB), "64 KiB");
  EXPECT_EQ(FormatSize(1536 * limits::kMiB), "1.5 GiB");
  EXPECT_EQ(FormatSize(1234567), "1.18 MiB");
  EXPECT_EQ(FormatSize(12345678), "11.8 MiB");
  EXPECT_EQ(FormatSize(123456789), "118 MiB");
  EXPECT_EQ(FormatSize(limits::kMiB - 1), "1 MiB");
  EXPECT_EQ(FormatSize(64 * limits::kTiB), "64 TiB");
  EXPECT_EQ(FormatSize(UINT64_MAX), "16 EiB");
}

TEST(SizesTest, AVolumeIsAPositiveMultipleOfTheBlock) {
  EXPECT_OK(CheckVolumeSize(limits::kBlockBytes));
  EXPECT_OK(CheckVolumeSize(limits::kMaxVolumeBytes));
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{4095}, uint64_t{4097}, limits::kMaxVolumeBytes + 4096}) {
    EXPECT_CODE(CheckVolumeSize(size), kInvalidArgument) << size;
  }
}

TEST(SizesTest, AnExtentIsAPowerOfTwoWithinLimits) {
  EXPECT_OK(CheckExtentSize(limits::kMinExtentBytes));
  EXPECT_OK(CheckExtentSize(limits::kDefaultExtentBytes));
  EXPECT_OK(CheckExtentSize(limits::kMaxExtentBytes));
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{2048}, uint64_t{4096 * 3}, limits::kMaxExtentBytes * 2}) {
    EXPECT_CODE(CheckExtentSize(size), kInvalidArgument) << size;
  }
}

TEST(Names, ACloneHasNotMoreExtentsThanItsBitsHaveMemoryFor) {
  EXPECT_OK(CheckExtentCount(limits::kMaxVolumeBytes, limits::kDefaultExtentBytes));
  EXPECT_OK(CheckExtentCount(4 * limits::kTiB, limits::kMinExtentBytes));
  EXPECT_CODE(CheckExtentCount(4 * limits::kTiB + limits::kBlockBytes, limits::kMinExtentBytes),
              kInvalidArgument);
  const absl::Status status = CheckExtentCount(limits::kMaxVolumeBytes, 4096);
  EXPECT_EQ(
      status.message(),
      "extent size 4 KiB: a volume of 64 TiB needs extents of at least 64 KiB, because a clone "
      "keeps a bit in memory for each");
}

}  // namespace
}  // namespace baton
