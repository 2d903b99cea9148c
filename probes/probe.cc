#include "probes/probe.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/log.h"
#include "probes/place.h"

namespace pointsman {
namespace {

// Text of the site's own in a detail is shown this far; the rest helps nobody.
constexpr std::size_t kShownMost = 120;

std::string shown(std::string_view text) {
  std::string cut = printable(text.substr(0, kShownMost));
  if (text.size() > kShownMost) cut += "...";
  return cut;
}

// `detail` is of our own words; what the site said in it has gone through printable().
Observation observed(Outcome outcome, Duration took, std::string detail) {
  return {outcome, outcome == Outcome::kUnknown ? Duration(0) : took, std::move(detail)};
}

Observation failure(const Error& error, Duration took) {
  const bool ours = error.code == ErrorCode::kInternal;
  return observed(ours ? Outcome::kUnknown : Outcome::kFail, took, printable(error.message));
}

class TcpProbe final : public Probe {
 public:
  TcpProbe(ProbeSpec spec, std::string where) : spec_(std::move(spec)), where_(std::move(where)) {}
  const ProbeSpec& spec() const override { return spec_; }
  Observation judge(const Result<ProbeReply>& reply, Duration took) const override {
    if (!reply) return failure(reply.error(), took);
    return observed(Outcome::kPass, took, "connected to " + where_);
  }

 private:
  const ProbeSpec spec_;
  const std::string where_;
};

// The value at "a.b.0.c"; nullptr when there is none.
const Json* value_at(const Json& root, std::string_view path) {
  const Json* at = &root;
  while (!path.empty() && at != nullptr) {
    const auto dot = path.find('.');
    const auto key = path.substr(0, dot);
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    if (at->is_array()) {
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
      const bool whole = error == std::errc() && end == key.data() + key.size();
      at = whole && index < at->as_array().size() ? &at->as_array()[index] : nullptr;
    } else {
      at = at->find(key);
    }
  }
  return at;
}

class HttpProbe final : public Probe {
 public:
  HttpProbe(ProbeSpec spec, std::string where) : spec_(std::move(spec)), where_(std::move(where)) {}
  const ProbeSpec& spec() const override { return spec_; }

  Observation judge(const Result<ProbeReply>& reply, Duration took) const override {
    if (!reply) return failure(reply.error(), took);
    std::string status = fmt::format("{} from {}", reply->status, where_);
    const auto& wanted = spec_.expect_status;
    if (std::find(wanted.begin(), wanted.end(), reply->status) == wanted.end()) {
      return observed(Outcome::kFail, took, std::move(status));
    }
    std::string complaint = against_certificate(*reply);
    if (complaint.empty()) complaint = against_body(*reply);
    if (!complaint.empty()) {
      return observed(Outcome::kFail, took, fmt::format("{}, but {}", status, complaint));
    }
    return observed(Outcome::kPass, took, std::move(status));
  }

 private:
  std::string against_certificate(const ProbeReply& reply) const {
    if (spec_.cert_days == 0) return "";
    if (!reply.cert_seconds_left) return "the end of its certificate cannot be read";
    const std::int64_t left = *reply.cert_seconds_left;
    if (left >= std::int64_t{spec_.cert_days} * 86'400) return "";
    return fmt::format("its certificate ends in {} days, wanted at least {}", left / 86'400,
                       spec_.cert_days);
  }

  std::string against_body(const ProbeReply& reply) const {
    if (!spec_.expect_body.empty() && reply.body.find(spec_.expect_body) == std::string::npos) {
      return fmt::format("its body{} lacks \"{}\"", reply.cut ? " (first 64 KiB)" : "",
                         shown(spec_.expect_body));
    }
    if (spec_.expect_json.empty()) return "";
    return against_field(reply);
  }

  std::string against_field(const ProbeReply& reply) const {
    if (reply.cut) return "its body is larger than 64 KiB, so no JSON can be read";
    const auto json = Json::parse(reply.body);
    if (!json) return "its body is no JSON: " + shown(json.error().message);
    const auto equals = spec_.expect_json.find('=');
    const auto path = std::string_view(spec_.expect_json).substr(0, equals);
    const auto wanted = std::string_view(spec_.expect_json).substr(equals + 1);
    const Json* found = value_at(*json, path);
    if (found == nullptr) return fmt::format("its JSON has no field {}", shown(path));
    const std::string text = found->is_string() ? found->as_string() : found->dump();
    if (text == wanted) return "";
    return fmt::format("field {} is \"{}\", not \"{}\"", shown(path), shown(text), shown(wanted));
  }

  const ProbeSpec spec_;
  const std::string where_;
};

Result<void> check_times(const ProbeSpec& spec) {
  const auto wrong = [&](std::string_view what) {
    return Error{ErrorCode::kInvalid, fmt::format("probe {}: {}", spec.name, what)};
  };
  if (spec.interval < 10ms || spec.interval > 24h) return wrong("interval: 10ms to 24h");
  if (spec.timeout < 10ms || spec.timeout > 60s) return wrong("timeout: 10ms to 60s");
  if (spec.suspect_interval < 10ms || spec.suspect_interval > 60s) {
    return wrong("suspect_interval: 10ms to 60s");
  }
  if (spec.fall < 1 || spec.fall > 100) return wrong("fall: 1 to 100");
  return {};
}

Result<void> check_expectations(const ProbeSpec& spec) {
  const auto wrong = [&](std::string_view what) {
    return Error{ErrorCode::kInvalid, fmt::format("probe {}: {}", spec.name, what)};
  };
  if (spec.expect_status.empty()) return wrong("expect_status: at least one of 100 to 599");
  for (const int status : spec.expect_status) {
    if (status < 100 || status > 599) return wrong("expect_status: 100 to 599");
  }
  if (!spec.expect_json.empty() && spec.expect_json.find('=') == std::string::npos) {
    return wrong("expect_json: path.to.field=value");
  }
  if (spec.cert_days < 0 || spec.cert_days > 3650) return wrong("cert_days: 0 to 3650");
  return {};
}

}  // namespace

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass: return "pass";
    case Outcome::kFail: return "fail";
    case Outcome::kUnknown: return "unknown";
  }
  return "unknown";
}

Result<std::unique_ptr<Probe>> make_probe(const ProbeSpec& spec) {
  if (spec.name.empty()) return Error{ErrorCode::kInvalid, "probe: name: must not be empty"};
  RETURN_IF_ERROR(check_times(spec));
  RETURN_IF_ERROR(check_expectations(spec));
  const auto place = place_of(spec);
  if (!place) return place.error();
  if (!place->http) return {std::make_unique<TcpProbe>(spec, place->where)};
  if (spec.cert_days > 0 && !place->tls) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("probe {}: cert_days: needs an https url", spec.name)};
  }
  return {std::make_unique<HttpProbe>(spec, place->where)};
}

}  // namespace pointsman
