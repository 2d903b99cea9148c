#include <fmt/format.h>

#include "probes/probe.h"

namespace pointsman {
namespace {

// Times travel as whole milliseconds: the unit ends the name.
Result<Duration> ms_at(const Json& json, std::string_view key, Duration otherwise) {
  const Json* found = json.find(key);
  if (found == nullptr) return otherwise;
  if (!found->is_int() || found->as_int() < 0 || found->as_int() > 86'400'000) {
    return Error{ErrorCode::kInvalid, fmt::format("probe: {}: 0 to 86400000", key)};
  }
  return Duration(found->as_int() * 1'000'000);
}

Result<int> int_at(const Json& json, std::string_view key, int otherwise) {
  const Json* found = json.find(key);
  if (found == nullptr) return otherwise;
  if (!found->is_int() || found->as_int() < 0 || found->as_int() > 1'000'000) {
    return Error{ErrorCode::kInvalid, fmt::format("probe: {}: a whole number, 0 or more", key)};
  }
  return static_cast<int>(found->as_int());
}

Result<void> read_status(const Json& json, std::vector<int>& into) {
  const Json* found = json.find("expect_status");
  if (found == nullptr) return {};
  const Error wrong{ErrorCode::kInvalid, "probe: expect_status: a list of 100 to 599"};
  if (!found->is_array()) return wrong;
  into.clear();
  for (const Json& item : found->as_array()) {
    if (!item.is_int() || item.as_int() < 100 || item.as_int() > 599) return wrong;
    into.push_back(static_cast<int>(item.as_int()));
  }
  return {};
}

Result<void> read_numbers(const Json& json, ProbeSpec& spec) {
  const std::pair<const char*, int*> whole[] = {
      {"port", &spec.port}, {"cert_days", &spec.cert_days}, {"fall", &spec.fall}};
  for (const auto& [key, into] : whole) {
    const auto value = int_at(json, key, *into);
    if (!value) return value.error();
    *into = *value;
  }
  const std::pair<const char*, Duration*> times[] = {
      {"interval_ms", &spec.interval},
      {"timeout_ms", &spec.timeout},
      {"suspect_interval_ms", &spec.suspect_interval}};
  for (const auto& [key, into] : times) {
    const auto value = ms_at(json, key, *into);
    if (!value) return value.error();
    *into = *value;
  }
  return {};
}

}  // namespace

Json ProbeSpec::to_json() const {
  Json status = Json::array();
  for (const int code : expect_status) status.push(code);
  return Json::object({{"name", name},
                       {"type", type},
                       {"url", url},
                       {"address", address},
                       {"port", port},
                       {"host", host},
                       {"expect_status", std::move(status)},
                       {"expect_body", expect_body},
                       {"expect_json", expect_json},
                       {"cert_days", cert_days},
                       {"ca_file", ca_file},
                       {"family", family},
                       {"keep_alive", keep_alive},
                       {"interval_ms", whole_ms(interval)},
                       {"timeout_ms", whole_ms(timeout)},
                       {"suspect_interval_ms", whole_ms(suspect_interval)},
                       {"fall", fall}});
}

Result<ProbeSpec> ProbeSpec::from_json(const Json& json) {
  ProbeSpec spec;
  auto name = json.string_at("name");
  if (!name) return name.error();
  spec.name = *name;
  spec.type = json.string_or("type", spec.type);
  spec.url = json.string_or("url");
  spec.address = json.string_or("address");
  spec.host = json.string_or("host");
  spec.expect_body = json.string_or("expect_body");
  spec.expect_json = json.string_or("expect_json");
  spec.ca_file = json.string_or("ca_file");
  spec.family = json.string_or("family");
  spec.keep_alive = json.bool_or("keep_alive");
  RETURN_IF_ERROR(read_status(json, spec.expect_status));
  RETURN_IF_ERROR(read_numbers(json, spec));
  const auto probe = make_probe(spec);
  if (!probe) return probe.error();
  return spec;
}

}  // namespace pointsman
