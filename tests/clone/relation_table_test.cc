// Look-ups in the registry of relations.
#include "engine/clone/relation_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/testing.h"
#include "tests/clone/pool.h"

namespace baton {
namespace {

using testing::ElementsAre;

class RelationTableTest : public testing::Test {
 protected:
  void Run(const std::function<void()>& body) { pool_.runtime().Run(body); }
  RelationRecord Record(uint64_t id, const std::string& source, const std::string& target,
                        RelationState state) {
    RelationRecord record;
    record.set_id(id);
    record.set_run_id(100 + id);
    record.set_source(source);
    record.set_target(target);
    record.set_state(state);
    return record;
  }
  void Insert(uint64_t id, const std::string& source, const std::string& target,
              RelationState state) {
    table_.Insert(CloneLocks::Change(locks_), Record(id, source, target, state));
  }
  RelationState StateOf(uint64_t id) { return Must(table_.Get(id)).record.state(); }

  SimPool pool_;
  CloneLocks locks_{pool_.runtime()};
  RelationTable table_;
};

TEST_F(RelationTableTest, ARelationIsFoundFromItsInsertionToItsErasure) {
  Run([&] {
    EXPECT_CODE(table_.Get(7), kNotFound);
    Insert(7, "a", "b", CREATED);
    EXPECT_EQ(StateOf(7), CREATED);
    table_.Publish(CloneLocks::Change(locks_), {Record(7, "a", "b", ACTIVATED)});
    EXPECT_EQ(StateOf(7), ACTIVATED);
    table_.Erase(CloneLocks::Command(locks_), 7);
    EXPECT_CODE(table_.Get(7), kNotFound);
    table_.Publish(CloneLocks::Change(locks_), {Record(7, "a", "b", FAILED)});
    EXPECT_CODE(table_.Get(7), kNotFound) << "it does not come back";
  });
}

TEST_F(RelationTableTest, AChangeOfTheRecordKeepsTheRun) {
  Run([&] {
    CopyBench bench(pool_, 8 * kBlock);
    Insert(7, "src", "dst", ACTIVATED);
    EXPECT_FALSE(table_.HasView("dst"));
    table_.SetRun(CloneLocks::Command(locks_), 7, bench.run);
    table_.SetRun(CloneLocks::Command(locks_), 8, bench.run);  // there is no such relation
    table_.Publish(CloneLocks::Change(locks_), {Record(7, "src", "dst", COPYING)});
    EXPECT_EQ(Must(table_.Get(7)).run, bench.run);
    EXPECT_CODE(table_.Get(8), kNotFound);
    EXPECT_TRUE(table_.HasView("dst"));
    EXPECT_FALSE(table_.HasView("src"));
    const Relation before = Must(table_.Get(7));
    table_.SetRun(CloneLocks::Command(locks_), 7, nullptr);
    EXPECT_FALSE(table_.HasView("dst"));
    EXPECT_EQ(before.run, bench.run) << "what was looked at stays as it was";
  });
}

TEST_F(RelationTableTest, LooksThroughAllInTheOrderOfTheirNumbers) {
  Run([&] {
    Insert(9, "a", "b", COPYING);
    Insert(3, "b", "c", STOPPED);
    Insert(5, "d", "e", ACTIVATED);
    Insert(6, "a", "e", COMPLETED);
    std::vector<uint64_t> ids;
    table_.ForEach([&](const Relation& relation) { ids.push_back(relation.record.id()); });
    EXPECT_THAT(ids, ElementsAre(3, 5, 6, 9));
    EXPECT_EQ(table_.CountActive(), 2u);
    EXPECT_EQ(table_.FindRun(105), 5u);
    EXPECT_EQ(table_.FindRun(5), std::nullopt);
  });
}

}  // namespace
}  // namespace baton
