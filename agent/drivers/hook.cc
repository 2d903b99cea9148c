#include <fmt/format.h>

#include "agent/drivers/drivers.h"
#include "base/log.h"
#include "base/process.h"

namespace pointsman {

Result<void> run_hook(const HookSettings& hook, const std::string& order_json) {
  if (hook.argv.empty()) return {ErrorCode::kInvalid, "hook on " + hook.on + ": no program"};
  const std::string who = fmt::format("hook on {}: {}", hook.on, hook.argv[0]);
  auto ran = run_process(hook.argv, order_json, hook.timeout);
  if (!ran) return Error{ran.error().code, who + ": " + ran.error().message};
  if (ran->exit_code == 0) return {};
  std::string words = ran->err;
  if (words.size() > 200) words = "..." + words.substr(words.size() - 200);
  return {ErrorCode::kRefused,
          fmt::format("{} ended with {}: {}", who, ran->exit_code, printable(words))};
}

}  // namespace pointsman
