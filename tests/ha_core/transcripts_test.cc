// Every file of tests/ha_core/transcripts is replayed: the answers must be those in the file. To
// write them anew after a change that is meant: BATON_WRITE_TRANSCRIPTS=1, and read the diff.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/ha_core/transcript.h"

namespace baton::ha {
namespace {

std::vector<std::filesystem::path> Files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(TRANSCRIPTS)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class Transcript : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Transcript, GivesTheAnswersThatAreWrittenDown) {
  const std::string text = ReadAll(GetParam());
  std::vector<bool> taken;
  const std::string replayed = Replay(text, taken);
  if (std::getenv("BATON_WRITE_TRANSCRIPTS") != nullptr) std::ofstream(GetParam()) << replayed;
  EXPECT_EQ(replayed, text);
}

INSTANTIATE_TEST_SUITE_P(Files, Transcript, testing::ValuesIn(Files()), [](const auto& info) {
  std::string name = info.param.stem();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Transcripts, TakeEveryRowOfTheTable) {
  std::vector<bool> taken;
  for (const auto& file : Files()) Replay(ReadAll(file), taken);
  ASSERT_EQ(taken.size(), Machine::rows());
  for (size_t row = 0; row < taken.size(); ++row) {
    EXPECT_TRUE(taken[row]) << "no transcript takes row " << row << " (counted from 0)";
  }
}

}  // namespace
}  // namespace baton::ha
