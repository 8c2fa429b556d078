// As gtest's own main, and the entry of the processes that tests start: see child_process.h.
#include <gtest/gtest.h>

#include <map>

#include "tests/meta/child_process.h"

namespace {

int RunChild(const std::string& name, const baton::Arguments& arguments) {
  const std::map<std::string, void (*)(const baton::Arguments&)> bodies = {
      {"WriteAsZombie", baton::WriteAsZombie},
      {"WriteRowsAndDie", baton::WriteRowsAndDie},
      {"TakeNodeLockAndDie", baton::TakeNodeLockAndDie}};
  bodies.at(name)(arguments);
  return testing::Test::HasFailure() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const baton::Arguments words(argv, argv + argc);
  if (words.size() < 3 || words[1] != "--child") return RUN_ALL_TESTS();
  return RunChild(words[2], baton::Arguments(words.begin() + 3, words.end()));
}
