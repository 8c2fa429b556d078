// What a network refuses to be started with.
#include <gtest/gtest.h>

#include "tests/base/testing.h"
#include "tests/ha_io/pair.h"

namespace baton::ha {
namespace {

class OptionsTest : public testing::Test {
 protected:
  PeerNetwork::Options Plaintext() {
    PeerNetwork::Options options = OptionsOf("a", {.insecure = true, .keys = {}, .allowed = {}});
    options.peers["b"] = "tcp://127.0.0.1:1";
    return options;
  }
  PeerNetwork::Options WithKeys() {
    PeerNetwork::Options options = OptionsOf("a", keys_.SecurityOf("a"));
    options.peers["b"] = "tcp://127.0.0.1:1";
    return options;
  }
  absl::Status Result(PeerNetwork::Options options) {
    Player player;
    return Start(runtime_, player, std::move(options));
  }

 private:
  SystemRuntime runtime_;
  KeyRing keys_{{"a", "b"}};
};

TEST_F(OptionsTest, ThatMakeSenseAreTaken) {
  EXPECT_OK(Result(Plaintext()));
  EXPECT_OK(Result(WithKeys()));
}

TEST_F(OptionsTest, PlaintextStaysOnLoopback) {
  PeerNetwork::Options options = Plaintext();
  options.listen = "tcp://0.0.0.0:0";
  EXPECT_CODE(Result(options), kInvalidArgument);
  options = Plaintext();
  options.peers["b"] = "tcp://192.0.2.1:7401";
  EXPECT_CODE(Result(options), kInvalidArgument);
  options = Plaintext();
  options.peers["b"] = "tcp://b.example.org:7401";
  EXPECT_CODE(Result(options), kInvalidArgument);
}

TEST_F(OptionsTest, KeysAreComplete) {
  PeerNetwork::Options options = WithKeys();
  options.peers["c"] = "tcp://127.0.0.1:2";
  EXPECT_CODE(Result(options), kInvalidArgument) << "no allowed key";
  options = WithKeys();
  options.security.keys = {};
  EXPECT_CODE(Result(options), kInvalidArgument) << "no key of our own";
}

TEST_F(OptionsTest, NamesAndAddressesMakeSense) {
  PeerNetwork::Options options = Plaintext();
  options.peers["a"] = "tcp://127.0.0.1:2";
  EXPECT_CODE(Result(options), kInvalidArgument) << "a peer of itself";
  options = Plaintext();
  options.node = "No Name";
  EXPECT_CODE(Result(options), kInvalidArgument);
  options = Plaintext();
  options.peers["b"] = "tcp://127.0.0.1:0";
  EXPECT_CODE(Result(options), kInvalidArgument) << "no port";
  options = Plaintext();
  options.listen = "ipc:///tmp/somewhere";
  EXPECT_CODE(Result(options), kInvalidArgument);
}

TEST_F(OptionsTest, APortThatIsTakenIsRefused) {
  SystemRuntime runtime;
  Player first;
  ASSERT_OK(Start(runtime, first, Plaintext()));
  PeerNetwork::Options options = Plaintext();
  options.listen = first.network->endpoint();
  EXPECT_CODE(Result(options), kFailedPrecondition);
}

}  // namespace
}  // namespace baton::ha
