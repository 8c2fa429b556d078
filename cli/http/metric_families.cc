#include "cli/http/metric_families.h"

#include <prometheus/text_serializer.h>

#include <limits>

namespace baton::http {
namespace {

// Bounds of the buckets that are shown: powers of two of microseconds, where buckets of the
// histogram end, from 64 us to 16.8 s.
constexpr int kFirstBound = 6;
constexpr int kLastBound = 24;

}  // namespace

MetricFamilies& MetricFamilies::Begin(const std::string& name, const std::string& help,
                                      prometheus::MetricType type) {
  prometheus::MetricFamily& family = families_.emplace_back();
  family.name = name;
  family.help = help;
  family.type = type;
  return *this;
}

MetricFamilies& MetricFamilies::Add(double value, MetricLabels labels) {
  prometheus::MetricFamily& family = families_.back();
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  if (family.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return *this;
}

MetricFamilies& MetricFamilies::Add(const LatencyTotals& times, MetricLabels labels) {
  prometheus::ClientMetric& metric = families_.back().metric.emplace_back();
  metric.label = std::move(labels);
  const uint64_t total = times.latencies.total();
  metric.histogram.sample_count = total;
  metric.histogram.sample_sum = absl::ToDoubleSeconds(times.total);
  for (int bound = kFirstBound; bound <= kLastBound; ++bound) {
    const absl::Duration limit = absl::Microseconds(int64_t{1} << bound);
    // What took longer than that is in the last bucket of the histogram, and in none of these.
    metric.histogram.bucket.push_back({.cumulative_count = times.latencies.CountBelow(limit),
                                       .upper_bound = absl::ToDoubleSeconds(limit)});
  }
  metric.histogram.bucket.push_back(
      {.cumulative_count = total, .upper_bound = std::numeric_limits<double>::infinity()});
  return *this;
}

MetricFamilies& MetricFamilies::AddStates(const std::string& label,
                                          const std::vector<std::string>& states,
                                          const std::string& holds) {
  for (const std::string& state : states) Add(state == holds ? 1 : 0, {{label, state}});
  return *this;
}

std::string MetricFamilies::Text() const {
  return prometheus::TextSerializer().Serialize(families_);
}

}  // namespace baton::http
