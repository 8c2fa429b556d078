#include "cli/keeper/channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/keeper/keeper_settings.h"
#include "tests/base/testing.h"

namespace baton::keeper {
namespace {

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    auto ends = Must(Channel::Pair());
    left_ = std::make_unique<Channel>(std::move(ends.first));
    right_ = std::make_unique<Channel>(std::move(ends.second));
  }

  std::unique_ptr<Channel> left_;
  std::unique_ptr<Channel> right_;
};

TEST_F(ChannelTest, NothingThereIsNoError) {
  const auto received = right_->Receive();
  ASSERT_TRUE(received.ok());
  EXPECT_FALSE(received->has_value());
}

TEST_F(ChannelTest, PacketsArriveOneByOneInOrder) {
  Packet beat;
  beat.mutable_beat();
  Packet warm;
  warm.mutable_warm()->set_version("9");
  ASSERT_TRUE(left_->Send(beat).ok());
  ASSERT_TRUE(left_->Send(warm).ok());
  EXPECT_TRUE(Must(right_->Receive())->message.has_beat());
  EXPECT_EQ(Must(right_->Receive())->message.warm().version(), "9");
}

TEST_F(ChannelTest, DescriptorsArriveInOrderAndAreClosedOnExec) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  Packet packet;
  packet.mutable_facts();
  ASSERT_TRUE(left_->Send(packet, {null.get(), zero.get()}).ok());
  const std::optional<Received> received = Must(right_->Receive());
  ASSERT_EQ(received->descriptors.size(), 2u);
  char byte = 'x';
  EXPECT_EQ(::read(received->descriptors[0].get(), &byte, 1), 0);
  EXPECT_EQ(::read(received->descriptors[1].get(), &byte, 1), 1);
  EXPECT_EQ(byte, '\0');
  EXPECT_NE(::fcntl(received->descriptors[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(ChannelTest, EndOfTheOtherEndIsUnavailable) {
  left_.reset();
  EXPECT_TRUE(absl::IsUnavailable(right_->Receive().status()));
  Packet packet;
  packet.mutable_beat();
  EXPECT_TRUE(absl::IsUnavailable(right_->Send(packet)));
}

TEST_F(ChannelTest, WhatWasSentBeforeTheEndIsThere) {
  Packet packet;
  packet.mutable_goodbye()->set_reason("why");
  ASSERT_TRUE(left_->Send(packet).ok());
  left_.reset();
  EXPECT_EQ(Must(right_->Receive())->message.goodbye().reason(), "why");
}

TEST_F(ChannelTest, GarbageIsToldFromAnEnd) {
  ASSERT_EQ(::send(left_->fd(), "\xff\xff\xff", 3, 0), 3);
  EXPECT_TRUE(absl::IsDataLoss(right_->Receive().status()));
  const std::string long_one(kMaxPacketBytes + 1, 'x');
  ASSERT_GT(::send(left_->fd(), long_one.data(), long_one.size(), 0), 0);
  EXPECT_TRUE(absl::IsDataLoss(right_->Receive().status()));
}

TEST_F(ChannelTest, WhoDoesNotReadHoldsNobodyUp) {
  Packet packet;
  packet.mutable_beat();
  absl::Status status;
  for (int i = 0; i < 100'000 && status.ok(); ++i) status = left_->Send(packet);
  EXPECT_TRUE(absl::IsUnavailable(status));
}

}  // namespace
}  // namespace baton::keeper
