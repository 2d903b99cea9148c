#include "base/metrics.h"

#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>

#include "base/utf8.h"

namespace pointsman {
namespace {

constexpr Metric kDropped{"pointsman_metrics_dropped",
                          "Series that were left out because their family has too many."};

// As prometheus-cpp wants them; the text is made of these.
std::vector<prometheus::ClientMetric::Label> shown_labels(const MetricLabels& labels) {
  std::vector<prometheus::ClientMetric::Label> all;
  for (const auto& [name, value] : labels) all.push_back({name, label_value(value)});
  return all;
}

}  // namespace

std::string label_value(std::string_view text) {
  std::string value;
  while (!text.empty()) {
    const std::size_t whole = std::max<std::size_t>(utf8_length(text), 1);
    if (value.size() + whole > kLabelValueMost) break;
    const auto first = static_cast<unsigned char>(text.front());
    const bool shown = utf8_length(text) != 0 && first >= 0x20 && first != 0x7f;
    value += shown ? text.substr(0, whole) : "?";
    text.remove_prefix(whole);
  }
  return value;
}

struct MetricsPage::Families {
  std::map<std::string, prometheus::MetricFamily> by_name;
  std::map<std::string, std::set<std::vector<prometheus::ClientMetric::Label>>> seen;
  double dropped = 0;

  // nullptr: the family is full.
  prometheus::ClientMetric* add(const Metric& metric, prometheus::MetricType type,
                                const MetricLabels& labels) {
    prometheus::MetricFamily& family = by_name[metric.name];
    family.name = metric.name;
    family.help = metric.help;
    family.type = type;
    auto shown = shown_labels(labels);
    // Two values may look alike once they are cut; the format forbids a series twice.
    const bool full = family.metric.size() >= kSeriesMost;
    if (full || !seen[metric.name].insert(shown).second) {
      ++dropped;
      return nullptr;
    }
    family.metric.emplace_back().label = std::move(shown);
    return &family.metric.back();
  }
};

MetricsPage::MetricsPage() : families_(std::make_unique<Families>()) {}
MetricsPage::~MetricsPage() = default;

void MetricsPage::gauge(const Metric& metric, MetricLabels labels, double value) {
  auto* sample = families_->add(metric, prometheus::MetricType::Gauge, labels);
  if (sample != nullptr) sample->gauge.value = value;
}

void MetricsPage::counter(const Metric& metric, MetricLabels labels, double value) {
  auto* sample = families_->add(metric, prometheus::MetricType::Counter, labels);
  if (sample != nullptr) sample->counter.value = value;
}

void MetricsPage::state(const Metric& metric, const MetricLabels& labels,
                        const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    MetricLabels all = labels;
    all.back().second = word;
    gauge(metric, std::move(all), word == labels.back().second ? 1 : 0);
  }
}

std::string MetricsPage::text() {
  std::vector<prometheus::MetricFamily> all;
  for (const auto& [name, family] : families_->by_name) all.push_back(family);
  prometheus::MetricFamily dropped{kDropped.name, kDropped.help, prometheus::MetricType::Gauge, {}};
  dropped.metric.emplace_back().gauge.value = families_->dropped;
  all.push_back(std::move(dropped));
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, all);
  return out.str();
}

struct Counts::Family {
  Metric metric{};
  std::vector<double> buckets;
  std::map<MetricLabels, double> counters;
  std::map<MetricLabels, std::unique_ptr<prometheus::Histogram>> histograms;
};

Counts::Counts() = default;
Counts::~Counts() = default;

Counts::Family& Counts::family(const Metric& metric) {
  auto& family = families_[metric.name];
  if (!family) {
    family = std::make_unique<Family>();
    family->metric = metric;
  }
  return *family;
}

void Counts::add(const Metric& metric, const MetricLabels& labels, double by) {
  const std::lock_guard lock(mutex_);
  auto& counters = family(metric).counters;
  const auto found = counters.find(labels);
  if (found != counters.end()) {
    found->second += by;
  } else if (counters.size() >= kSeriesMost) {
    ++dropped_;
  } else {
    counters.emplace(labels, by);
  }
}

void Counts::observe(const Metric& metric, const MetricLabels& labels, double seconds,
                     const std::vector<double>& buckets) {
  const std::lock_guard lock(mutex_);
  Family& all = family(metric);
  if (all.buckets.empty()) all.buckets = buckets;
  auto found = all.histograms.find(labels);
  if (found == all.histograms.end()) {
    if (all.histograms.size() >= kSeriesMost) {
      ++dropped_;
      return;
    }
    found =
        all.histograms.emplace(labels, std::make_unique<prometheus::Histogram>(all.buckets)).first;
  }
  found->second->Observe(seconds);
}

void Counts::collect(MetricsPage& page) const {
  struct Read {
    Metric metric{};
    MetricLabels labels;
    std::optional<double> counter;
    prometheus::ClientMetric::Histogram histogram;
  };
  std::vector<Read> all;  // Rendered without the lock: whoever counts must not wait for that.
  {
    const std::lock_guard lock(mutex_);
    page.families_->dropped += static_cast<double>(dropped_);
    for (const auto& [name, family] : families_) {
      for (const auto& [labels, value] : family->counters) {
        all.push_back({family->metric, labels, value, {}});
      }
      for (const auto& [labels, histogram] : family->histograms) {
        all.push_back({family->metric, labels, std::nullopt, histogram->Collect().histogram});
      }
    }
  }
  for (Read& one : all) {
    if (one.counter) {
      page.counter(one.metric, std::move(one.labels), *one.counter);
      continue;
    }
    auto* sample = page.families_->add(one.metric, prometheus::MetricType::Histogram, one.labels);
    if (sample != nullptr) sample->histogram = std::move(one.histogram);
  }
}

}  // namespace pointsman
