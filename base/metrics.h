#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What /metrics serves, in Prometheus' text format. Text and histograms are prometheus-cpp's (its
// own server is not used: ours is guarded); what is here bounds them. A label's value may come from
// far away: it is cut and cleaned, and a family takes only so many of them.

namespace pointsman {

// In the order in which every sample of a family names them.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// One family, as a constant of whoever measures it.
struct Metric {
  const char* name;  // pointsman_..., a counter's ends in _total.
  const char* help;
};

inline constexpr std::size_t kSeriesMost = 1000;     // Of one family; a further one is left out.
inline constexpr std::size_t kLabelValueMost = 128;  // Bytes.

// A label's value as it is shown: valid UTF-8 without control characters, cut.
std::string label_value(std::string_view text);

// One answer to a scrape: readings of the present are put in as they are taken. Not thread-safe.
class MetricsPage {
 public:
  MetricsPage();
  ~MetricsPage();
  MetricsPage(const MetricsPage&) = delete;
  MetricsPage& operator=(const MetricsPage&) = delete;

  void gauge(const Metric& metric, MetricLabels labels, double value);
  void counter(const Metric& metric, MetricLabels labels, double value);
  // The last label is one of `words`: 1 for it, and 0 for each other.
  void state(const Metric& metric, const MetricLabels& labels,
             const std::vector<std::string>& words);

  // Families by name. Tells in pointsman_metrics_dropped how many series were left out.
  std::string text();

 private:
  friend class Counts;
  struct Families;
  std::unique_ptr<Families> families_;
};

// Everything is served as this.
inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

// Counters and histograms of what happens, for as long as the process lives. Thread-safe: where it
// happens it is counted, and a scrape reads; the lock is held for no longer than that.
class Counts {
 public:
  Counts();
  ~Counts();
  Counts(const Counts&) = delete;
  Counts& operator=(const Counts&) = delete;

  // By nothing: the series is there before anything happens, as rates of it need.
  void add(const Metric& metric, const MetricLabels& labels, double by = 1);
  // One more of `seconds`, in the buckets of the family's first observation.
  void observe(const Metric& metric, const MetricLabels& labels, double seconds,
               const std::vector<double>& buckets);

  void collect(MetricsPage& page) const;

 private:
  struct Family;
  Family& family(const Metric& metric);

  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Family>> families_;
  std::uint64_t dropped_ = 0;
};

}  // namespace pointsman
