// What forwarding host I/O to the other controller costs: two networks on loopback, the owner's
// volume in memory. Encrypted and plain, in turns; prints medians of the rounds.
//
//   forward_bench [ROUNDS] [SECONDS]
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/ha_io/pair.h"

namespace baton::ha {
namespace {

constexpr uint64_t kVolumeBytes = 64 * limits::kMiB;

class RamTarget final : public ForwardTarget {
 public:
  absl::Status Read(const std::string&, const ForwardScope&, uint64_t offset,
                    MutableBytes out) override {
    std::memcpy(out.data(), content_.data() + offset, out.size());
    return absl::OkStatus();
  }
  absl::Status Write(const std::string&, const ForwardScope&, uint64_t offset,
                     Bytes data) override {
    std::memcpy(content_.data() + offset, data.data(), data.size());
    return absl::OkStatus();
  }
  absl::Status Flush(const std::string&, const ForwardScope&) override { return absl::OkStatus(); }
  absl::Status Discard(const std::string&, const ForwardScope&, uint64_t, uint64_t) override {
    return absl::OkStatus();
  }

 private:
  std::vector<std::byte> content_ = std::vector<std::byte>(kVolumeBytes, std::byte{1});
};

struct Row {
  const char* name;
  bool write;
  uint64_t size_bytes;
  int depth;
};
constexpr Row kRows[] = {
    {"4 KiB write, depth 1", true, 4 * limits::kKiB, 1},
    {"4 KiB write, depth 16", true, 4 * limits::kKiB, 16},
    {"4 KiB read, depth 1", false, 4 * limits::kKiB, 1},
    {"4 KiB read, depth 16", false, 4 * limits::kKiB, 16},
    {"1 MiB write, depth 1", true, limits::kMiB, 1},
    {"1 MiB write, depth 16", true, limits::kMiB, 16},
    {"1 MiB read, depth 1", false, limits::kMiB, 1},
    {"1 MiB read, depth 16", false, limits::kMiB, 16},
};

uint64_t Requests(ForwardClient& client, const Row& row, int thread, absl::Time end) {
  const ForwardScope scope{.epoch = 1, .volume_id = 1};
  std::vector<std::byte> buffer(row.size_bytes, std::byte{2});
  uint64_t count = 0;
  for (uint64_t offset = 0; absl::Now() < end; ++count) {
    offset = (static_cast<uint64_t>(thread) * limits::kMiB + count * row.size_bytes) %
             (kVolumeBytes - row.size_bytes);
    const absl::Status status = row.write ? client.Write(scope, offset, buffer)
                                          : client.Read(scope, offset, MutableBytes(buffer));
    if (!status.ok()) std::abort();
  }
  return count;
}

// Requests a second.
double Measure(ForwardClient& client, const Row& row, absl::Duration duration) {
  const absl::Time begin = absl::Now();
  std::vector<uint64_t> counts(static_cast<size_t>(row.depth));
  std::vector<std::thread> threads;
  for (int t = 0; t < row.depth; ++t) {
    threads.emplace_back(
        [&, t] { counts[static_cast<size_t>(t)] = Requests(client, row, t, begin + duration); });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t total = 0;
  for (const uint64_t count : counts) total += count;
  return static_cast<double>(total) / absl::ToDoubleSeconds(absl::Now() - begin);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Report(const Row& row, double plain, double encrypted) {
  const double mib = static_cast<double>(row.size_bytes) / static_cast<double>(limits::kMiB);
  fmt::print("| {} | {:.0f} | {:.0f} | {:.0f} | {:.0f} | {:.2f} |\n", row.name, plain, encrypted,
             plain * mib, encrypted * mib, encrypted / plain);
}

int Run(int rounds, absl::Duration duration) {
  RamTarget plain_target, encrypted_target;
  Pair plain(Pair::Mode::kPlaintext, &plain_target);
  Pair encrypted(Pair::Mode::kKeys, &encrypted_target);
  if (!plain.AwaitForwarding() || !encrypted.AwaitForwarding()) return 1;
  fmt::print(
      "| | plain, a second | encrypted, a second | plain MiB/s | encrypted MiB/s | "
      "encrypted/plain |\n|---|--:|--:|--:|--:|--:|\n");
  for (const Row& row : kRows) {
    std::vector<double> plain_rates, encrypted_rates;
    for (int round = 0; round < rounds; ++round) {
      plain_rates.push_back(Measure(*plain.network().forward("b"), row, duration));
      encrypted_rates.push_back(Measure(*encrypted.network().forward("b"), row, duration));
    }
    Report(row, Median(plain_rates), Median(encrypted_rates));
  }
  return 0;
}

}  // namespace
}  // namespace baton::ha

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 3;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 1;
  return baton::ha::Run(rounds, absl::Seconds(seconds));
}
