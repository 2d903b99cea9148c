#include "agent/vip_command.h"

#include <ostream>
#include <vector>

#include <fmt/format.h>
#include <fmt/ostream.h>

#include "agent/config.h"
#include "agent/local_agent.h"
#include "agent/vip.h"
#include "base/address.h"
#include "base/file.h"

namespace pointsman {
namespace {

enum Exit { kDone = 0, kFailed = 1, kUsage = 2, kUnreachable = 3, kRefused = 4 };

constexpr Duration kAnswerWithin = 2s;  // keepalived gives its script 3 s.

int fail(std::ostream& out, int code, const std::string& text) {
  fmt::print(out, "pointsman-agent vip: {}\n", text);
  return code;
}

struct Place {
  std::string control;
  std::string state_dir;
};

// Two keys and no more: this runs every other second, and a file that was broken after the agent
// had started must not cost the site its address.
Result<Place> find_agent(const std::string& path) {
  std::vector<ConfigError> errors;
  const auto file = ConfigFile::load(path, errors);
  if (!file) {
    return Error{ErrorCode::kInvalid,
                 errors.empty() ? path + ": cannot be read" : errors.front().text()};
  }
  const AgentConfig usual;
  ConfigTable agent = file->root().table("agent");
  Place place{beside(path, agent.text("control", usual.control)),
              beside(path, agent.text("state_dir", usual.state_dir))};
  if (!errors.empty()) return Error{ErrorCode::kInvalid, errors.front().text()};
  if (agent.has("control") && agent.text("control").empty()) {
    return Error{ErrorCode::kInvalid, path + ": [agent] has no control socket"};
  }
  return place;
}

// The word outlives an agent that is away just now: the next question brings it again.
Result<void> keep_word(const VipAsked& asked, const std::string& state_dir) {
  if (asked.word == "fit") return {};
  return write_file_durably(vip_word_path(state_dir, asked.service), asked.word + "\n");
}

}  // namespace

int run_vip(const VipAsked& asked, std::ostream& out) {
  if (!is_plain_name(asked.service)) {
    return fail(out, kUsage, "a service's name is of letters, digits, \"-\", \"_\" and \".\"");
  }
  const auto place = find_agent(asked.config);
  if (!place) return fail(out, kUsage, place.error().message);
  const auto holds = asked.word == "fit" ? vip_word_from(place->state_dir, asked.service)
                                         : std::optional<bool>(asked.word == "holds");
  Json body = Json::object({{"service", asked.service}});
  if (holds) body.set("holds", *holds);
  http_global_init();
  LocalAgent agent(place->control, kAnswerWithin);
  const auto answer = agent.ask("POST", "/v1/vip", body);
  if (const auto kept = keep_word(asked, place->state_dir); !kept) {
    return fail(out, kFailed, "told, but not kept: " + kept.error().message);
  }
  if (!answer) {
    const bool known = answer.error().code == ErrorCode::kRefused;
    return known ? fail(out, kRefused, answer.error().message)
                 : fail(out, kUnreachable,
                        "no agent answers at " + place->control + ": " + answer.error().message);
  }
  if (asked.word != "fit" || answer->bool_or("fit")) return kDone;
  return fail(out, kFailed, asked.service + " is not fit here: " + answer->string_or("reason"));
}

}  // namespace pointsman
