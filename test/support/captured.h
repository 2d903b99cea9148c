#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>

namespace pointsman {

// Standard error goes into a pipe while this lives.
class Captured {
 public:
  Captured() {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    reading_ = ends[0];
    before_ = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
  }
  ~Captured() {
    dup2(before_, STDERR_FILENO);
    close(before_);
    close(reading_);
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  std::string text() const {
    std::string all;
    std::array<char, 65536> buffer{};
    for (ssize_t got = 0; (got = read(reading_, buffer.data(), buffer.size())) > 0;) {
      all.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  int reading_ = -1;
  int before_ = -1;
};

}  // namespace pointsman
