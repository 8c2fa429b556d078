// The proof that an owner was reaped, as a file.
#include "engine/lease/death_certificate.h"

#include "engine/meta/file_copy.h"
#include "engine/lease/lease_file.h"
#include "tests/meta/lease_support.h"

namespace baton {
namespace {

class DeathCertificateTest : public testing::Test {
 protected:
  void Run(const std::function<void()>& body) {
    machine_.runtime().Run([&] {
      MakePoolDirectories(storage_);
      body();
    });
  }
  static DeathCertificate Of(uint64_t epoch) {
    DeathCertificate certificate;
    certificate.set_epoch(epoch);
    certificate.set_node("a");
    certificate.set_boot_id("boot-of-a");
    certificate.set_instance("instance-of-a");
    return certificate;
  }

  sim::SimMachine machine_{1};
  sim::SimStorage& storage_ = machine_.storage();
};

TEST_F(DeathCertificateTest, WhatWasWrittenIsRead) {
  Run([&] {
    ASSERT_OK(WriteDeathCertificate(storage_, Of(7)));
    const std::optional<DeathCertificate> read = Must(ReadDeathCertificate(storage_, 7));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->epoch(), 7u);
    EXPECT_EQ(read->node(), "a");
    EXPECT_EQ(read->boot_id(), "boot-of-a");
    EXPECT_EQ(read->instance(), "instance-of-a");
    EXPECT_EQ(Must(storage_.List("lease")).size(), 1u) << "nothing is left over";
  });
}

TEST_F(DeathCertificateTest, TheFileIsTheGoldenSample) {
  DeathCertificate certificate;
  certificate.set_epoch(7);
  certificate.set_node("left");
  certificate.set_boot_id("6a768f43-c58f-4b96-8a43-2b851b9b682f");
  certificate.set_instance("b88cb292-7ca1-4c03-bbdc-7c6e9fdb8652");
  Run([&] { ASSERT_OK(WriteDeathCertificate(storage_, certificate)); });
  const std::string sample =
      "\x0a\x56\x08\x01\x10\x07\x1a\x04left"
      "\x22\x24"
      "6a768f43-c58f-4b96-8a43-2b851b9b682f"
      "\x2a\x24"
      "b88cb292-7ca1-4c03-bbdc-7c6e9fdb8652"
      "\x11\x9c\xbe\x96\xf7\x06\xa2\x67\x26";
  EXPECT_EQ(storage_.Peek("lease/epoch-7.reaped"), BytesOf(sample));
}

TEST_F(DeathCertificateTest, WhereThereIsNoneThereIsNone) {
  Run([&] { EXPECT_FALSE(Must(ReadDeathCertificate(storage_, 7)).has_value()); });
}

TEST_F(DeathCertificateTest, ItMayBeWrittenTwice) {
  Run([&] {
    ASSERT_OK(WriteDeathCertificate(storage_, Of(7)));
    ASSERT_OK(WriteDeathCertificate(storage_, Of(7)));
    EXPECT_TRUE(Must(ReadDeathCertificate(storage_, 7)).has_value());
  });
}

TEST_F(DeathCertificateTest, ItMustNameAnEpochAndANode) {
  Run([&] {
    EXPECT_CODE(WriteDeathCertificate(storage_, Of(0)), kInvalidArgument);
    DeathCertificate nobody = Of(7);
    nobody.clear_node();
    EXPECT_CODE(WriteDeathCertificate(storage_, nobody), kInvalidArgument);
  });
}

TEST_F(DeathCertificateTest, ItIsDurable) {
  Run([&] { ASSERT_OK(WriteDeathCertificate(storage_, Of(7))); });
  storage_.Crash(sim::CrashKind::kPower);
  machine_.runtime().Run([&] { EXPECT_TRUE(Must(ReadDeathCertificate(storage_, 7)).has_value()); });
}

TEST_F(DeathCertificateTest, OneThatIsGarbledProvesNothing) {
  Run([&] {
    ASSERT_OK(WriteDeathCertificate(storage_, Of(7)));
    const std::string path = DeathCertificatePath(7);
    const std::vector<std::byte> good = storage_.Peek(path);
    for (size_t at = 0; at < good.size(); ++at) {
      const std::byte flipped = good[at] ^ std::byte{1};
      storage_.Poke(path, at, {&flipped, 1});
      EXPECT_FALSE(Must(ReadDeathCertificate(storage_, 7)).has_value()) << at;
      storage_.Poke(path, at, {&good[at], 1});
    }
    EXPECT_TRUE(Must(ReadDeathCertificate(storage_, 7)).has_value());
  });
}

TEST_F(DeathCertificateTest, OneOfAnotherEpochProvesNothing) {
  Run([&] {
    ASSERT_OK(WriteDeathCertificate(storage_, Of(7)));
    ASSERT_OK(storage_.Rename(DeathCertificatePath(7), DeathCertificatePath(8)));
    EXPECT_FALSE(Must(ReadDeathCertificate(storage_, 8)).has_value());
  });
}

TEST_F(DeathCertificateTest, ItIsAboutOneProcessAlone) {
  LeaseRecord record = RecordOf(7, "a");
  EXPECT_TRUE(IsAbout(Of(7), record));
  EXPECT_FALSE(IsAbout(Of(8), record));
  record.instance = "of the process after it";
  EXPECT_FALSE(IsAbout(Of(7), record));
  record = RecordOf(7, "a");
  record.boot_id = "after a reboot";
  EXPECT_FALSE(IsAbout(Of(7), record));
  EXPECT_FALSE(IsAbout(Of(7), RecordOf(7, "b")));
}

TEST_F(DeathCertificateTest, OldOnesGoWithTheLeaseRecords) {
  Run([&] {
    for (const uint64_t epoch : {1, 2, 30}) {
      ASSERT_OK(WriteDeathCertificate(storage_, Of(epoch)));
    }
    ASSERT_OK(WriteNewFile(storage_, "lease/epoch-30.reaped.x.tmp", "left over"));
    ASSERT_OK(CreateLease(storage_, RecordOf(31, "b")));
    ASSERT_OK(RemoveOldLeases(storage_, 31));
    EXPECT_EQ(Must(storage_.List("lease")),
              (std::vector<std::string>{"epoch-30.reaped", "epoch-31"}));
  });
}

TEST_F(DeathCertificateTest, ItProvesNothingWhereWritesOutliveTheirProcess) {
  EXPECT_TRUE(CertificateIsProof(storage_));
  sim::SimStorage network(machine_.steps(), {.writes_end_with_process = false});
  EXPECT_FALSE(CertificateIsProof(network));
}

}  // namespace
}  // namespace baton
