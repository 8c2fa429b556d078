// baton keygen.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ha/io/keys.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"
#include "tests/cli/fake_controller.h"

namespace baton {
namespace {

class KeygenTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

 private:
  TemporaryDirectory directory_;
};

TEST_F(KeygenTest, MakesAPairAndPrintsTheLineThatAllowsIt) {
  const Finished made = RunProgram("baton", {"keygen", "--out", Path("key"), "--node", "alpha"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const ha::KeyPair keys = Must(ha::ReadKeyFile(Path("key")));
  EXPECT_EQ(made.out, "alpha " + ha::KeyInHex(keys.public_key) + "\n");
  EXPECT_EQ(Must(ha::AllowedKeys::Parse(made.out)).NameOf(keys.public_key), "alpha");
  EXPECT_TRUE(std::filesystem::exists(Path("key.pub")));
}

TEST_F(KeygenTest, SaysTheSameInJson) {
  const Finished made =
      RunProgram("baton", {"--json", "keygen", "--out", Path("key"), "--node", "alpha"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto json = nlohmann::json::parse(made.out);
  EXPECT_EQ(json["path"], Path("key"));
  EXPECT_EQ(json["public_path"], Path("key.pub"));
  EXPECT_EQ(json["public_key"], ha::KeyInHex(Must(ha::ReadKeyFile(Path("key"))).public_key));
  EXPECT_EQ(json["allowed_line"], "alpha " + json["public_key"].get<std::string>());
}

TEST_F(KeygenTest, NeverOverwrites) {
  ASSERT_EQ(RunProgram("baton", {"keygen", "--out", Path("key"), "--node", "a"}).exit_code, 0);
  const std::string secret = Must(ha::ReadKeyFile(Path("key"))).secret_key;
  const Finished again = RunProgram("baton", {"keygen", "--out", Path("key"), "--node", "a"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, testing::HasSubstr("not overwritten"));
  EXPECT_EQ(Must(ha::ReadKeyFile(Path("key"))).secret_key, secret);
}

TEST_F(KeygenTest, RefusesANameThatNoControllerCanHave) {
  EXPECT_EQ(RunProgram("baton", {"keygen", "--out", Path("key"), "--node", "No"}).exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(Path("key")));
}

}  // namespace
}  // namespace baton
