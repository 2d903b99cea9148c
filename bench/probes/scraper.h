#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace pointsman::bench {

// Blackbox exporter probes when it is scraped, so something has to scrape: each target once a
// second, over kept connections, as Prometheus would.
class Scraper {
 public:
  Scraper(int port, std::vector<std::string> places);
  ~Scraper();
  std::string account() const;

 private:
  struct Line {
    int fd = -1;
    bool busy = false;
    std::string heard;
  };

  void run();
  void ask_due();
  bool ask(Line& line, const std::string& place);
  void hear(Line& line);
  void connect_line(Line& line);

  const int port_;
  const std::vector<std::string> places_;
  std::vector<Line> lines_;
  std::vector<std::size_t> free_;
  int epoll_fd_ = -1;
  std::int64_t began_us_ = 0;
  std::uint64_t asked_ = 0;
  std::atomic<std::uint64_t> passed_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::uint64_t> missed_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace pointsman::bench
