#include "orchestrator/sim/sim_rejoiner.h"

#include "orchestrator/sim/world.h"

namespace pointsman {
namespace {

class RejoinerTwin final : public Rejoiner {
 public:
  RejoinerTwin(World& world, int service, int site)
      : world_(world), service_(service), site_(site) {}

  std::string begin(RejoinTask task) override;
  void cancel(const std::string& why) override {
    if (busy_) fail(why);
  }
  std::optional<RejoinReport> report() const override { return report_; }
  void stop() override {}

 private:
  SimStore& store() { return world_.store(service_, site_); }
  const SimStore& source() { return world_.store(service_, 1 - site_); }
  const HostClock& clock() const {
    return world_.hosts.at(static_cast<std::size_t>(end_of(site_))).clock;
  }
  // The agent's process goes on meanwhile; when it dies, nothing of it comes.
  template <typename What>
  void later(Duration most, What what) {
    const std::uint64_t turn = ++turn_;
    world_.on_host(end_of(site_), world_.line.now() + world_.dice.between(1ms, most),
                   [this, turn, what = std::move(what)] {
                     if (turn == turn_) what();
                   });
  }
  bool reaches_source() {
    return world_.net.passes(end_of(site_), end_of(1 - site_)) && source().up && !source().hung &&
           world_.is_awake(end_of(1 - site_)) && store().up && !store().hung;
  }
  void fail(const std::string& why) {
    ++turn_;
    busy_ = false;
    failed_at_ = clock().now();
    report_->stage = "failed";
    report_->problem = why;
  }
  void survey(const RejoinTask& task);
  void spoil(const RejoinTask& task);
  void load(const RejoinTask& task);

  World& world_;
  const int service_;
  const int site_;
  std::optional<RejoinReport> report_;
  bool busy_ = false;
  std::uint64_t turn_ = 0;
  Instant failed_at_{0};
};

std::string RejoinerTwin::begin(RejoinTask task) {
  const bool same = report_ && report_->move == task.move;
  if (busy_ && same) return "";
  if (busy_) {
    fail("another rejoin was ordered");
    return "another rejoin is under way here";
  }
  const std::string stage = same ? report_->stage : "";
  if (same && stage != "failed" && (stage != "surveyed" || !task.reseed)) return "";
  if (stage == "failed" && clock().now() - failed_at_ < 2s) return "failed just now";
  if (task.reseed && (!same || report_->bundle.empty())) return "not surveyed for this order";
  if (!same) report_ = RejoinReport{};
  report_->move = task.move;
  report_->stage = task.reseed ? "copying" : "surveying";
  busy_ = true;
  if (task.reseed) {
    later(2s, [this, task] { spoil(task); });
  } else {
    later(300ms, [this, task] { survey(task); });
  }
  return "";
}

void RejoinerTwin::survey(const RejoinTask& task) {
  if (!task.spoiled && (!reaches_source() || store().writable)) return fail("out of reach");
  busy_ = false;
  report_->stage = "surveyed";
  report_->diverged = task.spoiled || !holds_all(source().executed, store().executed);
  report_->what = "mysql";
  if (report_->diverged) report_->bundle = task.spoiled ? task.bundle : "/bundle/" + task.move;
}

void RejoinerTwin::spoil(const RejoinTask& task) {
  if (!reaches_source()) return fail("out of reach");
  if (!task.may_spoil(report_->bundle)) return fail("no longer");
  if (world_.site_host(site_).doomed) return;
  if (store().writable) {
    world_.fail("S22", "stores are replaced at a site that takes writes");
  }
  store().replica = false;
  store().executed = store().received = {};
  store().errant.clear();
  report_->stage = "loading";
  later(5s, [this, task] { load(task); });
}

void RejoinerTwin::load(const RejoinTask& task) {
  if (!reaches_source()) return fail("out of reach");
  store().executed = store().received = source().executed;
  store().origin = world_.clients.new_origin(service_);
  store().applier_stopped = false;
  if (!task.replaced()) return fail("no longer");
  if (world_.site_host(site_).doomed) return;
  busy_ = false;
  report_->stage = "seeded";
}

}  // namespace

std::unique_ptr<Rejoiner> make_rejoiner_twin(World& world, int service, int site) {
  return std::make_unique<RejoinerTwin>(world, service, site);
}

}  // namespace pointsman
