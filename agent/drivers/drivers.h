#pragma once

#include <memory>
#include <string>

#include "agent/config.h"
#include "agent/driver.h"
#include "agent/rejoiner.h"
#include "base/result.h"

// The drivers there are. Each factory only remembers its settings: nothing is contacted, and
// nothing fails, before the first verb.
//
// `state_dir` is where a store driver keeps the few settings that fence() changed and that must
// outlive this process ("redis-127.0.0.1_6379.json"); "" keeps them in memory only.

namespace pointsman {

std::unique_ptr<Driver> make_mysql_driver(const MysqlSettings& settings);
std::unique_ptr<Driver> make_redis_driver(const RedisSettings& settings,
                                          const std::string& state_dir = "");
std::unique_ptr<Driver> make_unit_driver(const UnitSettings& settings);

// The same stores on their way back. Each has connections of its own.
std::unique_ptr<WayBack> make_mysql_way_back(const MysqlSettings& settings);
std::unique_ptr<WayBack> make_redis_way_back(const RedisSettings& settings,
                                             const std::string& state_dir);

// Runs a hook with the order on its standard input. kRefused when it ends with another code than 0
// (the message has the code and its last words), kTimeout when it outlived hook.timeout and was
// killed with all it started, kNotFound when there is no such program.
Result<void> run_hook(const HookSettings& hook, const std::string& order_json);

}  // namespace pointsman
