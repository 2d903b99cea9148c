#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// The signatures of the robots and of our own webhook, each made in its channel's file; here so
// that they can be held against vectors.

namespace pointsman {

std::string dingtalk_sign(std::int64_t timestamp_ms, const std::string& secret);
std::string feishu_sign(std::int64_t timestamp_s, const std::string& secret);
// "sha256=<hex>" over timestamp "." body.
std::string webhook_sign(std::int64_t timestamp_s, const std::string& secret,
                         std::string_view body);

}  // namespace pointsman
