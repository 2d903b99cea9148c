// The rejoiner with stores that are told what to find: what is written down, in which order, and
// that nothing is touched before that is whole and the guard has agreed.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/bundle.h"
#include "agent/rejoiner.h"
#include "base/crypto.h"
#include "base/file.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>

using namespace pointsman;
namespace fs = std::filesystem;

namespace {

struct Script {
  std::string diverged;  // What the survey finds.
  Result<void> fit;
  Result<void> copied;
  std::atomic<bool> hang = false;
  std::vector<std::string> done;  // Of the rejoiner's thread.
};

class Told final : public WayBack {
 public:
  explicit Told(Script& script) : script_(script) {}
  std::string name() const override { return "mysql"; }
  Result<std::string> survey(const std::string&, Duration) override {
    script_.done.emplace_back("survey");
    return script_.diverged;
  }
  Result<Json> write_down(const std::string&, const std::string& folder,
                          const WayBackWatch& watch) override {
    script_.done.emplace_back("write");
    watch.progress(5, 10);
    std::ofstream(folder + "/mysql.sql") << "INSERT\n";
    return Json::object({{"text", "1 transaction"}});
  }
  Result<void> preflight(const std::string&, const std::string&) override { return script_.fit; }
  Result<void> copy(const std::string&, const std::string&, const WayBackWatch& watch) override {
    while (script_.hang && !watch.stopped()) std::this_thread::sleep_for(2ms);
    if (watch.stopped()) return {ErrorCode::kConflict, "ended"};
    script_.done.emplace_back("copy");
    return script_.copied;
  }
  Result<void> replace(const std::string&, const std::string&, const WayBackWatch&) override {
    script_.done.emplace_back("replace");
    return {};
  }

 private:
  Script& script_;
};

class Scene {
 public:
  Scene() : folder_(fs::temp_directory_path() / ("pm-rejoin-" + random_id())) {
    fs::create_directories(folder_);
    anew();
  }
  ~Scene() {
    rejoiner.reset();
    fs::remove_all(folder_);
  }

  // As a restarted agent has it.
  void anew() {
    RejoinerParts parts;
    parts.service = "im-api";
    parts.site = "hz";
    parts.state_dir = folder_.string();
    parts.clock = &system_clock();
    parts.stores.push_back(std::make_unique<Told>(script));
    rejoiner = make_rejoiner(std::move(parts));
  }

  RejoinTask task(bool reseed, const std::string& move) {
    RejoinTask task;
    task.reseed = reseed;
    task.move = move;
    task.reign = {2, "aa"};
    task.power = "sh";
    task.sources = {{"mysql", "192.0.2.1:3306"}};
    task.may_spoil = [this](const std::string& bundle) -> Result<void> {
      script.done.push_back("spoil " + fs::path(bundle).filename().string());
      if (!may_spoil) return {ErrorCode::kConflict, "no longer"};
      return {};
    };
    task.replaced = [this]() -> Result<void> {
      script.done.emplace_back("whole");
      return {};
    };
    return task;
  }

  RejoinReport run(RejoinTask task) {
    CHECK(rejoiner->begin(std::move(task)) == "");
    return settled();
  }
  RejoinReport settled() {
    for (int k = 0; k < 2000; ++k) {
      const auto report = rejoiner->report();
      if (report && report->store.empty() && report->stage != "surveying" &&
          report->stage != "exporting" && report->stage != "copying" &&
          report->stage != "loading") {
        rejoiner->stop();
        return *report;
      }
      std::this_thread::sleep_for(2ms);
    }
    FAIL("it does not end");
    return {};
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  Script script;
  bool may_spoil = true;
  std::unique_ptr<Rejoiner> rejoiner;

 private:
  fs::path folder_;
};

using Steps = std::vector<std::string>;

}  // namespace

TEST_CASE("a survey that finds nothing writes nothing down") {
  Scene scene;
  const RejoinReport report = scene.run(scene.task(false, "r-1"));
  CHECK(report.stage == "surveyed");
  CHECK_FALSE(report.diverged);
  CHECK(report.bundle == "");
  CHECK_FALSE(fs::exists(scene.path("bundles")));
  CHECK(scene.script.done == Steps{"survey"});
}

TEST_CASE("what diverged is written down once, and only after that anything is replaced") {
  Scene scene;
  scene.script.diverged = "0-101-4..7";
  RejoinReport report = scene.run(scene.task(false, "r-1"));
  CHECK(report.stage == "surveyed");
  CHECK(report.what == "mysql: 0-101-4..7");
  CHECK(report.holds == "mysql: 1 transaction");
  CHECK(report.bundle == scene.path("bundles/im-api/r-1"));
  const auto bundle = read_bundle(report.bundle);
  REQUIRE(bundle.ok());
  CHECK(bundle->stores.at(0).what == "0-101-4..7");
  // Over a restart of the agent: it is found again, and goes on.
  scene.anew();
  CHECK(scene.rejoiner->begin(scene.task(true, "r-1")) == "not surveyed for this order");
  scene.run(scene.task(false, "r-1"));
  report = scene.run(scene.task(true, "r-1"));
  CHECK(report.stage == "seeded");
  CHECK(scene.script.done ==
        Steps{"survey", "write", "survey", "copy", "spoil r-1", "replace", "whole"});
  // Told again, both are done already.
  CHECK(scene.rejoiner->begin(scene.task(true, "r-1")) == "");
  CHECK(scene.rejoiner->begin(scene.task(false, "r-1")) == "");
  CHECK(scene.script.done.size() == 7);
}

TEST_CASE("a bundle that was cut off, or whose files are gone, is written anew") {
  Scene scene;
  scene.script.diverged = "x";
  scene.run(scene.task(false, "r-1"));
  fs::remove(scene.path("bundles/im-api/r-1/mysql.sql"));
  CHECK(read_bundle(scene.path("bundles/im-api/r-1")).error().code == ErrorCode::kInvalid);
  scene.anew();
  CHECK(scene.run(scene.task(false, "r-1")).stage == "surveyed");
  CHECK(read_bundle(scene.path("bundles/im-api/r-1")).ok());
  CHECK(std::count(scene.script.done.begin(), scene.script.done.end(), "write") == 2);
}

TEST_CASE("nothing is touched when the guard does not agree, or the preflight refuses") {
  Scene scene;
  scene.script.diverged = "x";
  scene.run(scene.task(false, "r-1"));
  scene.may_spoil = false;
  RejoinReport report = scene.run(scene.task(true, "r-1"));
  CHECK(report.stage == "failed");
  CHECK(report.problem == "no longer");
  Scene other;
  other.script.diverged = "x";
  other.script.fit = {ErrorCode::kRefused, "seed_user lacks rights"};
  other.run(other.task(false, "r-1"));
  report = other.run(other.task(true, "r-1"));
  CHECK(report.stage == "refused");
  CHECK(report.problem == "seed_user lacks rights");
  for (const Scene* each : {&scene, &other}) {
    const Steps& done = each->script.done;
    CHECK(std::find(done.begin(), done.end(), "replace") == done.end());
  }
}

TEST_CASE("a dry survey looks and writes nothing") {
  Scene scene;
  scene.script.diverged = "x";
  RejoinTask task = scene.task(false, "dry-1");
  task.dry = true;
  const RejoinReport report = scene.run(std::move(task));
  CHECK(report.diverged);
  CHECK(report.bundle == "");
  CHECK_FALSE(fs::exists(scene.path("bundles")));
}

TEST_CASE("what is under way is ended by name, and an attempt that failed rests a moment") {
  Scene scene;
  scene.script.diverged = "x";
  scene.run(scene.task(false, "r-1"));
  scene.script.hang = true;
  CHECK(scene.rejoiner->begin(scene.task(true, "r-1")) == "");
  CHECK(scene.rejoiner->begin(scene.task(true, "r-1")) == "");
  scene.rejoiner->cancel("an order to fence came");
  const RejoinReport report = scene.settled();
  CHECK(report.stage == "failed");
  CHECK(report.problem == "an order to fence came");
  CHECK(scene.rejoiner->begin(scene.task(true, "r-1")).starts_with("failed just now"));
}

TEST_CASE("stores that were touched already are not compared: the first bundle counts") {
  Scene scene;
  scene.script.diverged = "x";
  scene.run(scene.task(false, "r-1"));
  scene.anew();
  scene.script.done.clear();
  RejoinTask survey = scene.task(false, "r-2");
  survey.spoiled = true;
  survey.bundle = scene.path("bundles/im-api/r-1");
  RejoinReport report = scene.run(survey);
  CHECK(report.diverged);
  CHECK(report.bundle == survey.bundle);
  // Taken away by a person who looks at it: it was whole once, and nothing waits for it.
  fs::rename(survey.bundle, scene.path("elsewhere"));
  RejoinTask reseed = scene.task(true, "r-2");
  reseed.spoiled = true;
  reseed.bundle = survey.bundle;
  report = scene.run(reseed);
  CHECK(report.stage == "seeded");
  CHECK(scene.script.done == Steps{"copy", "spoil r-1", "replace", "whole"});
}
