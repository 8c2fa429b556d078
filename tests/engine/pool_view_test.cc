// The owner of a pool and a standby that has seen all of it answer every question alike.
#include "engine/pool_view.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <ostream>

#include "engine/standby_view.h"
#include "tests/engine/engine_pool.h"
#include "tests/engine/pool_node.h"

namespace baton {
namespace {

using testing::HasSubstr;

// A question, and its answer as text.
using Question = std::function<std::string(const PoolView&)>;

struct Questions {
  const char* name;
  std::vector<Question> all;
};
void PrintTo(const Questions& questions, std::ostream* out) { *out << questions.name; }

// Without the time of the last change, which only the owner knows while it writes.
std::string TextOf(const VolumeInfo& volume) {
  return fmt::format("{} {} {} {}", volume.id, volume.name, volume.size_bytes,
                     volume.created_unix_us);
}
std::string TextOf(VolumeStatus volume) {
  volume.clear_changed_unix_us();
  return volume.DebugString();
}
std::string TextOf(const CloneStatus& clone) { return clone.DebugString(); }
std::string TextOf(const Residual& residual) { return residual.DebugString(); }
std::string TextOf(const Event& event) { return event.DebugString(); }
std::string TextOf(uint64_t number) { return fmt::format("{}", number); }

template <typename T>
std::string TextOf(const std::vector<T>& all) {
  std::string text = fmt::format("{}:", all.size());
  for (const T& each : all) text += " [" + TextOf(each) + "]";
  return text;
}
template <typename T>
std::string TextOf(const absl::StatusOr<T>& answer) {
  return answer.ok() ? TextOf(*answer) : answer.status().ToString();
}

// Names and numbers of what is there, of what was, and of what never is.
const std::vector<std::string> kNames = {"src",       "created", "paused",  "activated",
                                         "completed", "6",       "deleted", "none",
                                         "",          "../src",  "a b c"};
constexpr uint64_t kIds = 20;  // more than were ever given out, and 0 and 1

Questions AskLists() {
  return {"Lists",
          {[](const PoolView& pool) { return TextOf(pool.ListVolumes()); },
           [](const PoolView& pool) { return TextOf(uint64_t{pool.CountVolumes()}); },
           [](const PoolView& pool) { return TextOf(pool.ListClones()); }}};
}

Questions AskPages() {
  Questions pages{"Pages", {}};
  for (const size_t limit : {size_t{0}, size_t{1}, size_t{3}, std::numeric_limits<size_t>::max()}) {
    for (const uint64_t after : {uint64_t{0}, uint64_t{2}, uint64_t{5}, uint64_t{1000}}) {
      pages.all.emplace_back([after, limit](const PoolView& pool) {
        return TextOf(pool.ListVolumesAfter(after, limit));
      });
    }
  }
  return pages;
}

Questions AskVolumes() {
  Questions volumes{"Volumes", {}};
  for (const std::string& name : kNames) {
    volumes.all.emplace_back(
        [name](const PoolView& pool) { return TextOf(pool.FindVolume(name)); });
    volumes.all.emplace_back([name](const PoolView& pool) {
      return TextOf(pool.ShowVolume(name, Allocation::kMeasured)) +
             TextOf(pool.ShowVolume(name, Allocation::kAssumed));
    });
    volumes.all.emplace_back(
        [name](const PoolView& pool) { return TextOf(pool.ClonesUsing(name)); });
  }
  for (uint64_t id = 0; id < kIds; ++id) {
    volumes.all.emplace_back([id](const PoolView& pool) {
      return TextOf(pool.FindVolume(id)) + TextOf(pool.AllocatedBytes(id));
    });
  }
  return volumes;
}

Questions AskClones() {
  Questions clones{"Clones", {}};
  for (uint64_t id = 0; id < kIds; ++id) {
    clones.all.emplace_back([id](const PoolView& pool) {
      return TextOf(pool.ShowClone(id)) + TextOf(pool.CloneResidual(id, false)) +
             TextOf(pool.CloneResidual(id, true));
    });
  }
  return clones;
}

Questions AskNamesOfClones() {
  Questions names{"NamesOfClones", {}};
  std::vector<std::string> texts = kNames;
  for (uint64_t id = 0; id < kIds; ++id) {
    for (const char* sign : {"", "+", "-", " "}) texts.push_back(fmt::format("{}{}", sign, id));
  }
  for (const std::string& text : texts) {
    names.all.emplace_back([text](const PoolView& pool) { return TextOf(pool.FindClone(text)); });
  }
  return names;
}

Questions AskEvents() {
  Questions events{"Events", {}};
  for (const uint64_t after : {uint64_t{0}, uint64_t{3}, uint64_t{100'000}}) {
    for (const size_t limit : {size_t{1}, size_t{4}, size_t{1000}}) {
      events.all.emplace_back(
          [after, limit](const PoolView& pool) { return TextOf(pool.ListEvents(after, limit)); });
    }
  }
  return events;
}

class AskedPool : public EngineTest {
 protected:
  // A clone in each state, two of them with one target; gaps in the ids; volumes whose names and
  // ids are in different orders.
  AskedPool() : EngineTest(MemoryDirectory()) {
    for (const char* name : {"src", "paused", "completed", "deleted"}) MakeVolume(name);
    EXPECT_OK(pool_->DeleteVolume("deleted"));
    Fill("src", 1);
    const uint64_t first = Create("src", "paused", kCrawl);
    for (const char* name : {"created", "activated"}) MakeVolume(name);
    EXPECT_OK(pool_->CreateVolume({.name = "thick", .size_bytes = 2 * kSize, .thick = true}));
    EXPECT_OK(pool_->CreateVolume({.name = "coming", .size_bytes = kSize, .importing = true}));
    Create("src", "created");
    Create("src", "created");
    Activate("src", "activated");
    Complete(Start("src", "completed"));
    EXPECT_OK(pool_->ActivateClones({first}));
    EXPECT_OK(pool_->StartClones({first}));
    Write("src", 8 * kExtent, Pattern(4 * kExtent, 2));
    EXPECT_OK(pool_->PauseClone(first));
    AwaitLanded(pool_.engine());
    view_ = Must(StandbyView::Open({.storage = pool_.storage(),
                                    .pool_directory = pool_.storage().directory(),
                                    .runtime = pool_.runtime()}));
  }

  std::unique_ptr<StandbyView> view_;
};

class SameAnswers : public AskedPool, public testing::WithParamInterface<Questions> {};

TEST_P(SameAnswers, OfOwnerAndStandby) {
  for (const Question& question : GetParam().all) {
    const std::string answer = question(pool_.engine());
    EXPECT_NE(answer, "");
    EXPECT_EQ(question(*view_), answer);
  }
}

INSTANTIATE_TEST_SUITE_P(To, SameAnswers,
                         testing::Values(AskLists(), AskPages(), AskVolumes(), AskClones(),
                                         AskNamesOfClones(), AskEvents()),
                         [](const auto& info) { return info.param.name; });

// That they are the same says little if they are wrong.
class RightAnswers : public AskedPool {
 protected:
  void Check(const PoolView& pool) const {
    std::vector<std::string> names;
    for (const VolumeInfo& volume : pool.ListVolumes()) names.push_back(volume.name);
    EXPECT_THAT(names, testing::ElementsAre("activated", "coming", "completed", "created", "paused",
                                            "src", "thick"));
    EXPECT_EQ(pool.ListVolumesAfter(0, 2).at(1).name, "paused") << "by id";
    EXPECT_EQ(pool.CountVolumes(), 7u);
    const uint64_t first = Must(pool.FindClone("paused"));
    EXPECT_EQ(Must(pool.FindClone(fmt::format("{}", first))), first);
    EXPECT_EQ(Must(pool.FindClone(fmt::format("+{}", first))), first);
    EXPECT_GT(Must(pool.FindClone("created")), first + 1) << "the newest of two";
    EXPECT_TRUE(Must(pool.ShowVolume("activated")).offline());
    EXPECT_EQ(Must(pool.ShowVolume("created")).clone_ids_size(), 2);
    EXPECT_TRUE(Must(pool.ShowVolume("coming")).importing());
    EXPECT_EQ(Must(pool.ShowVolume("coming")).allocated_bytes(), 0u);
    EXPECT_EQ(Must(pool.ShowVolume("coming", Allocation::kAssumed)).allocated_bytes(), kSize);
    EXPECT_THAT(pool.ShowVolume("none").status().ToString(),
                HasSubstr("there is no volume none; `baton volume list` shows all"));
    EXPECT_CODE(pool.ShowVolume("../src"), kInvalidArgument);
    EXPECT_CODE(pool.FindVolume("../src"), kNotFound) << "a mount may look up anything";
    EXPECT_CODE(pool.FindVolume(first), kNotFound) << "a clone's number is no volume's";
    const CloneStatus paused = Must(pool.ShowClone(first));
    EXPECT_EQ(paused.state(), "paused");
    EXPECT_GE(paused.extents_copied(), 4u);
    EXPECT_EQ(pool.ListClones().size(), 5u);
  }
};

TEST_F(RightAnswers, OfEach) {
  Check(pool_.engine());
  Check(*view_);
}

}  // namespace
}  // namespace baton
