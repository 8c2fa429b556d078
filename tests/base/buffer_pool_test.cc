#include "engine/base/buffer_pool.h"

#include <atomic>
#include <set>

#include "engine/base/limits.h"
#include "engine/base/system_runtime.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

TEST(BufferPoolTest, BuffersAreAlignedAndApart) {
  SystemRuntime runtime;
  BufferPool pool(runtime, 3, 5000);
  const auto a = pool.Acquire();
  const auto b = pool.Acquire();
  const auto c = pool.Acquire();
  std::set<uintptr_t> addresses;
  for (const auto* lease : {&a, &b, &c}) {
    const auto address = reinterpret_cast<uintptr_t>(lease->bytes().data());
    EXPECT_EQ(address % limits::kBlockBytes, 0U);
    EXPECT_EQ(lease->bytes().size(), 5000U);
    addresses.insert(address);
  }
  ASSERT_EQ(addresses.size(), 3U);
  EXPECT_GE(*addresses.rbegin() - *addresses.begin(), 10000U);
}

TEST(BufferPoolTest, AReturnedBufferIsLentAgain) {
  SystemRuntime runtime;
  BufferPool pool(runtime, 1, 4096);
  const std::byte* first = pool.Acquire().bytes().data();
  EXPECT_EQ(pool.Acquire().bytes().data(), first);
}

TEST(BufferPoolTest, AcquireWaitsWhileAllAreLent) {
  SystemRuntime runtime;
  BufferPool pool(runtime, 2, 4096);
  std::atomic<int> lent = 0;
  std::atomic<int> most = 0;
  {
    std::vector<std::unique_ptr<Thread>> threads;
    for (int t = 0; t < 8; ++t) {
      threads.push_back(runtime.StartThread("borrower", [&] {
        for (int i = 0; i < 500; ++i) {
          const auto lease = pool.Acquire();
          const int now = ++lent;
          int seen = most.load();
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
          --lent;
        }
      }));
    }
  }
  EXPECT_EQ(lent, 0);
  EXPECT_GE(most, 1);
  EXPECT_LE(most, 2);
}

}  // namespace
}  // namespace baton
