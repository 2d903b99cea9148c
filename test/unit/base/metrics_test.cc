#include "base/metrics.h"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/process_metrics.h"

using namespace pointsman;

namespace {

constexpr Metric kUp{"pointsman_site_up", "Whether a site is up."};
constexpr Metric kMoves{"pointsman_moves_total", "Moves that ended."};
constexpr Metric kSeconds{"pointsman_probe_duration_seconds", "How long a probe took."};

bool holds(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

int lines_with(const std::string& text, const std::string& part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("metrics: a family has its help and its type once, whatever was put in between") {
  MetricsPage page;
  page.gauge(kUp, {{"service", "a"}, {"site", "hz"}}, 1);
  page.counter(kMoves, {{"service", "a"}}, 3);
  page.gauge(kUp, {{"service", "a"}, {"site", "sh"}}, 0);
  const std::string text = page.text();
  CHECK(lines_with(text, "# HELP pointsman_site_up Whether a site is up.") == 1);
  CHECK(holds(text, "# TYPE pointsman_site_up gauge"));
  CHECK(holds(text, "# TYPE pointsman_moves_total counter"));
  CHECK(holds(text, "pointsman_site_up{service=\"a\",site=\"hz\"} 1"));
  CHECK(holds(text, "pointsman_site_up{service=\"a\",site=\"sh\"} 0"));
  CHECK(holds(text, "pointsman_moves_total{service=\"a\"} 3"));
}

TEST_CASE("metrics: what a label must not hold is escaped, replaced or cut") {
  MetricsPage page;
  page.gauge(kUp, {{"site", "a\"b\\c\nd"}}, 1);
  page.gauge(kUp, {{"site", std::string("\xff\xfe\0z", 4)}}, 2);
  CHECK(holds(page.text(), "pointsman_site_up{site=\"a\\\"b\\\\c?d\"} 1"));
  CHECK(holds(page.text(), "pointsman_site_up{site=\"???z\"} 2"));
  CHECK(label_value(std::string(500, 'x')).size() == kLabelValueMost);
  // No sequence is cut in its middle.
  CHECK(label_value(std::string(kLabelValueMost - 1, 'x') + "\u00e4").size() ==
        kLabelValueMost - 1);
  CHECK(label_value("\u6b63\u5e38") == "\u6b63\u5e38");
}

TEST_CASE("metrics: labels that look alike once cut make one series, and the other is told") {
  MetricsPage page;
  page.gauge(kUp, {{"site", std::string(kLabelValueMost, 'x') + "1"}}, 1);
  page.gauge(kUp, {{"site", std::string(kLabelValueMost, 'x') + "2"}}, 0);
  const std::string text = page.text();
  CHECK(lines_with(text, "pointsman_site_up{") == 1);
  CHECK(holds(text, "pointsman_metrics_dropped 1"));
}

TEST_CASE("metrics: a family takes only so many series, from readings and from counts") {
  Counts counts;
  for (std::size_t k = 0; k < kSeriesMost + 7; ++k) {
    counts.add(kMoves, {{"service", std::to_string(k)}});
    counts.observe(kSeconds, {{"site", std::to_string(k)}}, 0.1, {1});
  }
  MetricsPage page;
  for (std::size_t k = 0; k < kSeriesMost + 5; ++k) {
    page.gauge(kUp, {{"site", std::to_string(k)}}, 1);
  }
  counts.collect(page);
  const std::string text = page.text();
  CHECK(lines_with(text, "pointsman_site_up{") == static_cast<int>(kSeriesMost));
  CHECK(lines_with(text, "pointsman_moves_total{") == static_cast<int>(kSeriesMost));
  CHECK(lines_with(text, "pointsman_probe_duration_seconds_count{") ==
        static_cast<int>(kSeriesMost));
  CHECK(holds(text, "pointsman_metrics_dropped 19"));
}

TEST_CASE("metrics: buckets of a histogram are cumulative and end with all") {
  Counts counts;
  for (const double took : {0.05, 0.1, 0.7, 30.0}) {
    counts.observe(kSeconds, {{"site", "hz"}}, took, {0.1, 1, 10});
  }
  MetricsPage page;
  counts.collect(page);
  const std::string text = page.text();
  CHECK(holds(text, "# TYPE pointsman_probe_duration_seconds histogram"));
  const std::string bucket = "pointsman_probe_duration_seconds_bucket{site=\"hz\",le=";
  CHECK(holds(text, bucket + "\"0.1\"} 2"));
  CHECK(holds(text, bucket + "\"1\"} 3"));
  CHECK(holds(text, bucket + "\"10\"} 3"));
  CHECK(holds(text, bucket + "\"+Inf\"} 4"));
  CHECK(holds(text, "pointsman_probe_duration_seconds_count{site=\"hz\"} 4"));
  CHECK(holds(text, "pointsman_probe_duration_seconds_sum{site=\"hz\"} 30.85"));
}

TEST_CASE("metrics: a counter is there at nought before anything happens, and only grows") {
  Counts counts;
  counts.add(kMoves, {{"outcome", "done"}}, 0);
  counts.add(kMoves, {{"outcome", "failed"}});
  counts.add(kMoves, {{"outcome", "failed"}});
  MetricsPage page;
  counts.collect(page);
  const std::string text = page.text();
  CHECK(holds(text, "pointsman_moves_total{outcome=\"done\"} 0"));
  CHECK(holds(text, "pointsman_moves_total{outcome=\"failed\"} 2"));
}

TEST_CASE("metrics: of the words of a state exactly one is set") {
  MetricsPage page;
  page.state(kUp, {{"service", "a"}, {"phase", "stuck"}}, {"steady", "stuck"});
  const std::string text = page.text();
  CHECK(holds(text, "pointsman_site_up{service=\"a\",phase=\"steady\"} 0"));
  CHECK(holds(text, "pointsman_site_up{service=\"a\",phase=\"stuck\"} 1"));
}

TEST_CASE("metrics: a process tells of itself what Prometheus expects") {
  MetricsPage page;
  put_process_metrics(page);
  const std::string text = page.text();
  for (const char* name :
       {"process_cpu_seconds_total ", "process_threads ", "process_resident_memory_bytes ",
        "process_start_time_seconds ", "process_open_fds ", "process_max_fds "}) {
    const auto at = text.find("\n" + std::string(name));
    CHECK_MESSAGE(at != std::string::npos, name);
    if (at == std::string::npos) continue;
    const double value = std::stod(text.substr(at + 1 + std::string(name).size()));
    CHECK_MESSAGE(value >= 0, name);
    if (std::string(name) == "process_start_time_seconds ") CHECK(value > 1.5e9);
  }
}

TEST_CASE("metrics: nothing is lost between threads that count and scrapes that read") {
  Counts counts;
  constexpr int kEach = 5000;
  std::vector<std::thread> threads;
  for (int k = 0; k < 4; ++k) {
    threads.emplace_back([&counts, k] {
      for (int n = 0; n < kEach; ++n) {
        counts.add(kMoves, {{"service", std::to_string(n % 7)}});
        counts.observe(kSeconds, {{"site", std::to_string(k)}}, 0.5, {1});
      }
    });
  }
  for (int n = 0; n < 20; ++n) {
    MetricsPage page;
    counts.collect(page);
    CHECK(page.text().find("pointsman_metrics_dropped 0") != std::string::npos);
  }
  for (std::thread& thread : threads) thread.join();
  MetricsPage page;
  counts.collect(page);
  const std::string text = page.text();
  double sum = 0;
  for (int n = 0; n < 7; ++n) {
    const std::string line = "pointsman_moves_total{service=\"" + std::to_string(n) + "\"} ";
    sum += std::stod(text.substr(text.find(line) + line.size()));
  }
  CHECK(sum == 4 * kEach);
  for (int k = 0; k < 4; ++k) {
    CHECK(holds(text,
                "pointsman_probe_duration_seconds_count{site=\"" + std::to_string(k) + "\"} 5000"));
  }
}
