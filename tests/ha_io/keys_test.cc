#include "ha/io/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

mode_t ModeOf(const std::string& path) {
  struct stat file = {};
  EXPECT_EQ(::stat(path.c_str(), &file), 0);
  return file.st_mode & 0777;
}

class KeysTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  void WriteText(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }

 private:
  TemporaryDirectory directory_;
};

TEST_F(KeysTest, AreReadBackFromTheirFile) {
  const KeyPair keys = Must(MakeKeyPair());
  ASSERT_OK(WriteKeyFiles("a", keys, Path("node.key")));
  const KeyPair read = Must(ReadKeyFile(Path("node.key")));
  EXPECT_EQ(read.secret_key, keys.secret_key);
  EXPECT_EQ(read.public_key, keys.public_key);
  EXPECT_EQ(ModeOf(Path("node.key")), 0600u);
  EXPECT_EQ(ModeOf(Path("node.key.pub")), 0644u);
  std::string line;
  std::getline(std::ifstream(Path("node.key.pub")), line);
  EXPECT_EQ(line, AllowedKeysLine("a", keys));
}

TEST_F(KeysTest, AreWrittenInWhatNoShellTakesForAnythingElse) {
  ASSERT_OK(WriteKeyFiles("a", Must(MakeKeyPair()), Path("node.key")));
  std::string secret;
  std::getline(std::ifstream(Path("node.key")), secret);
  EXPECT_THAT(secret, MatchesRegex("[0-9a-f]{64}"));
  std::string allowed;
  std::getline(std::ifstream(Path("node.key.pub")), allowed);
  EXPECT_THAT(allowed, MatchesRegex("a [0-9a-f]{64}"));
}

TEST_F(KeysTest, OfEarlierVersionsAreReadToo) {
  const KeyPair keys = Must(MakeKeyPair());
  WriteText("node.key", keys.secret_key + "\n");  // Z85
  ASSERT_EQ(::chmod(Path("node.key").c_str(), 0600), 0);
  EXPECT_EQ(Must(ReadKeyFile(Path("node.key"))).public_key, keys.public_key);
  const AllowedKeys allowed = Must(AllowedKeys::Parse("a " + keys.public_key));
  EXPECT_EQ(allowed.NameOf(keys.public_key), "a");
  EXPECT_CODE(AllowedKeys::Parse("a " + keys.public_key + "\n" + AllowedKeysLine("b", keys)),
              kAlreadyExists)
      << "one key in two spellings";
}

TEST_F(KeysTest, AreNeverOverwritten) {
  const KeyPair keys = Must(MakeKeyPair());
  ASSERT_OK(WriteKeyFiles("a", keys, Path("node.key")));
  EXPECT_CODE(WriteKeyFiles("a", Must(MakeKeyPair()), Path("node.key")), kAlreadyExists);
  EXPECT_EQ(Must(ReadKeyFile(Path("node.key"))).secret_key, keys.secret_key);

  WriteText("other.key.pub", "here first\n");
  EXPECT_CODE(WriteKeyFiles("a", keys, Path("other.key")), kAlreadyExists);
  EXPECT_FALSE(std::filesystem::exists(Path("other.key"))) << "half a pair is left";
}

TEST_F(KeysTest, ThatOthersCanReadAreRefused) {
  ASSERT_OK(WriteKeyFiles("a", Must(MakeKeyPair()), Path("node.key")));
  ASSERT_EQ(::chmod(Path("node.key").c_str(), 0640), 0);
  EXPECT_CODE(ReadKeyFile(Path("node.key")), kPermissionDenied);
}

TEST_F(KeysTest, ThatAreNoneAreRefused) {
  WriteText("node.key", "not a key\n");
  ASSERT_EQ(::chmod(Path("node.key").c_str(), 0600), 0);
  EXPECT_CODE(ReadKeyFile(Path("node.key")), kInvalidArgument);
  EXPECT_CODE(ReadKeyFile(Path("missing.key")), kNotFound);
}

TEST_F(KeysTest, AllowedOnesAreNamed) {
  const KeyPair a = Must(MakeKeyPair());
  const KeyPair b = Must(MakeKeyPair());
  WriteText("allowed",
            "# the pair\n\n" + AllowedKeysLine("a", a) + "\n  " + AllowedKeysLine("b", b) + "  \n");
  const AllowedKeys allowed = Must(AllowedKeys::Read(Path("allowed")));
  EXPECT_EQ(allowed.NameOf(a.public_key), "a");
  EXPECT_THAT(allowed.KeysOf("b"), ElementsAre(b.public_key));
  EXPECT_EQ(allowed.NameOf(a.secret_key), std::nullopt);
  EXPECT_THAT(allowed.KeysOf("c"), IsEmpty());
}

TEST_F(KeysTest, ANameMayHaveSeveralAllowedOnes) {
  const KeyPair old_key = Must(MakeKeyPair());
  const KeyPair new_key = Must(MakeKeyPair());
  const AllowedKeys allowed = Must(
      AllowedKeys::Parse(AllowedKeysLine("a", old_key) + "\n" + AllowedKeysLine("a", new_key)));
  EXPECT_EQ(allowed.NameOf(old_key.public_key), "a");
  EXPECT_EQ(allowed.NameOf(new_key.public_key), "a");
  EXPECT_THAT(allowed.KeysOf("a"), ElementsAre(old_key.public_key, new_key.public_key));
  EXPECT_EQ(allowed.Only({"b"}).NameOf(new_key.public_key), std::nullopt);
  EXPECT_EQ(allowed.Only({"a", "b"}).NameOf(new_key.public_key), "a");
}

TEST_F(KeysTest, AFileThatOthersCouldChangeIsNotBelieved) {
  WriteText("allowed", AllowedKeysLine("a", Must(MakeKeyPair())) + "\n");
  ASSERT_OK(AllowedKeys::Read(Path("allowed")));
  for (const mode_t mode : {0664, 0646, 0666}) {
    ASSERT_EQ(::chmod(Path("allowed").c_str(), mode), 0);
    EXPECT_CODE(AllowedKeys::Read(Path("allowed")), kPermissionDenied) << mode;
  }
  ASSERT_EQ(::chmod(Path("allowed").c_str(), 0644), 0);
  ASSERT_OK(WriteKeyFiles("a", Must(MakeKeyPair()), Path("node.key")));
  for (const char* name : {"allowed", "node.key"}) {
    ASSERT_EQ(::chown(Path(name).c_str(), 12345, 0), 0);
  }
  EXPECT_CODE(AllowedKeys::Read(Path("allowed")), kPermissionDenied);
  EXPECT_CODE(ReadKeyFile(Path("node.key")), kPermissionDenied);
}

TEST_F(KeysTest, AFileThatOthersCouldReplaceIsNotBelieved) {
  WriteText("allowed", AllowedKeysLine("a", Must(MakeKeyPair())) + "\n");
  ASSERT_OK(WriteKeyFiles("a", Must(MakeKeyPair()), Path("node.key")));
  ASSERT_EQ(::chmod(Path("").c_str(), 0777), 0);
  EXPECT_CODE(AllowedKeys::Read(Path("allowed")), kPermissionDenied);
  EXPECT_CODE(ReadKeyFile(Path("node.key")), kPermissionDenied);
  ASSERT_EQ(::chmod(Path("").c_str(), 01777), 0);
  EXPECT_OK(AllowedKeys::Read(Path("allowed")));
}

TEST_F(KeysTest, AFileOfAllowedOnesThatIsWrongIsRefusedWithItsLine) {
  const std::string line = AllowedKeysLine("a", Must(MakeKeyPair()));
  for (const std::string& wrong :
       {std::string("a"), std::string("a key"), line + " more", "A" + line, line + "\n" + line,
        line + "\nb " + line.substr(2)}) {
    const auto keys = AllowedKeys::Parse(wrong);
    EXPECT_FALSE(keys.ok()) << wrong;
    EXPECT_THAT(std::string(keys.status().message()), HasSubstr("line ")) << wrong;
  }
}

}  // namespace
}  // namespace baton::ha
