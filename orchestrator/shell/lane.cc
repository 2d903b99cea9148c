#include "orchestrator/shell/lane.h"

#include <pthread.h>

namespace pointsman {

Lane::Lane(std::string name) : name_(std::move(name)), jobs_(64) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    while (!jobs_.closed()) {
      if (auto job = jobs_.pop(1s); job && !jobs_.closed()) (*job)();
    }
  });
}

Lane::~Lane() { end(); }

void Lane::end() {
  jobs_.close();
  if (thread_.joinable()) thread_.join();
}

}  // namespace pointsman
