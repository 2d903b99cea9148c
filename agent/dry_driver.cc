#include "agent/dry_driver.h"

#include "base/log.h"

namespace pointsman {
namespace {

class DryDriver : public Driver {
 public:
  DryDriver(std::unique_ptr<Driver> real, std::string service)
      : real_(std::move(real)), service_(std::move(service)) {}

  std::string name() const override { return real_->name(); }
  bool is_store() const override { return real_->is_store(); }
  StoreReport report(Duration within) override { return real_->report(within); }
  Result<void> fence(FenceDepth depth, Duration) override {
    // A unit is stopped only by order.
    return would(depth == FenceDepth::kLease && !is_store() ? "" : "fence");
  }
  Result<void> unfence(Duration) override { return would("unfence"); }
  Result<void> promote(Duration) override { return would("promote"); }
  Result<void> follow(const FollowTarget&, Duration) override { return would("follow"); }
  Result<void> keep_standby(Duration) override { return would("keep_standby"); }
  std::vector<std::string> render(const std::string& verb) override { return real_->render(verb); }
  std::optional<bool> contains(const std::string& received,
                               const std::string& executed) const override {
    return real_->contains(received, executed);
  }

 private:
  Result<void> would(const std::string& verb) {
    if (!verb.empty() && verb != said_) {
      for (const std::string& line : real_->render(verb)) {
        log(LogLevel::kNotice, "would-send",
            {{"service", service_}, {"driver", name()}, {"verb", verb}, {"text", line}});
      }
    }
    said_ = verb;
    return {};
  }

  const std::unique_ptr<Driver> real_;
  const std::string service_;
  std::string said_;
};

}  // namespace

std::unique_ptr<Driver> make_dry_driver(std::unique_ptr<Driver> real, std::string service) {
  return std::make_unique<DryDriver>(std::move(real), std::move(service));
}

}  // namespace pointsman
