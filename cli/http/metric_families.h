// Puts metrics together, a family at a time.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/base/latency_histogram.h"

namespace baton::http {

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

// A family is shown also while it has no series, so that every name is always there.
class MetricFamilies {
 public:
  // The family that the next calls add series to.
  MetricFamilies& Gauge(const std::string& name, const std::string& help) {
    return Begin(name, help, prometheus::MetricType::Gauge);
  }
  MetricFamilies& Counter(const std::string& name, const std::string& help) {
    return Begin(name, help, prometheus::MetricType::Counter);
  }
  MetricFamilies& Histogram(const std::string& name, const std::string& help) {
    return Begin(name, help, prometheus::MetricType::Histogram);
  }
  MetricFamilies& Add(double value, MetricLabels labels = {});
  MetricFamilies& Add(const LatencyTotals& times, MetricLabels labels);
  // One series for each of `states`, 1 for the one that holds.
  MetricFamilies& AddStates(const std::string& label, const std::vector<std::string>& states,
                            const std::string& holds);

  // In the text format of Prometheus.
  std::string Text() const;

 private:
  MetricFamilies& Begin(const std::string& name, const std::string& help,
                        prometheus::MetricType type);

  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace baton::http
