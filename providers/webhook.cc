#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/dns.h"
#include "base/log.h"
#include "base/text.h"
#include "providers/api_call.h"
#include "providers/name_servers.h"
#include "providers/read_write.h"

// The webhook provider protocol of external-dns, spoken as external-dns speaks it, so that any
// provider of that ecosystem can hold our record. The protocol knows no prerequisites and lists all
// records at once; the mark is a TXT "_pointsman.<name>" changed in the same request.
//
//   options      those of every HTTP provider (providers/api_call.h), and
//                ttl_min      "1s": the lowest TTL that the service takes
//                authorities  "192.0.2.53:53": servers to ask after a change; else the zone's NS
//   credentials  token        optional: sent as a bearer token, where something before it asks so

namespace pointsman {
namespace {

constexpr const char* kMediaType = "application/external.dns.webhook+json;version=1";
constexpr std::chrono::seconds kTtlMost = std::chrono::hours(24);
constexpr std::size_t kListMost = 32 << 20;  // What external-dns lets a provider answer.

struct WebhookSettings {
  std::chrono::seconds ttl_min{1};
  std::vector<std::string> authorities;
};

// "application/JSON; charset=utf-8" and the like: without spaces, in lower case.
std::string plain_type(std::string_view type) {
  std::string out = lowered(type);
  std::erase_if(out, [](char c) { return c == ' ' || c == '\t'; });
  return out;
}

// The content of a TXT target, which providers hand over with or without quotes. Several strings
// in quotes are one text.
std::string from_txt(std::string_view target) {
  if (target.size() < 2 || target.front() != '"' || target.back() != '"') {
    return std::string(target);
  }
  std::string out;
  bool within = false;
  for (std::size_t at = 0; at < target.size(); ++at) {
    if (target[at] == '"') {
      within = !within;
    } else if (within) {
      if (target[at] == '\\' && at + 1 < target.size()) ++at;
      out.push_back(target[at]);
    }
  }
  return out;
}

std::string to_txt(std::string_view mark) {
  std::string out = "\"";
  for (const char c : mark) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + '"';
}

std::string mark_name(const std::string& name) { return "_pointsman." + name; }

bool is_named(const Json& endpoint, const std::string& name) {
  std::string found = lowered(endpoint.string_or("dnsName"));
  if (found.ends_with('.')) found.pop_back();
  return found == name;
}

// nullopt: no endpoint as the protocol has it.
std::optional<std::vector<std::string>> targets_of(const Json& endpoint) {
  std::vector<std::string> out;
  for (const Json& target : endpoint.array_or_empty("targets")) {
    if (!target.is_string()) return std::nullopt;
    out.push_back(target.as_string());
  }
  return out;
}

bool is_endpoint(const Json& json) {
  if (!json.is_object()) return false;
  const auto absent_or = [&](std::string_view key, bool (Json::*kind)() const) {
    const Json* member = json.find(key);
    return member == nullptr || member->is_null() || (member->*kind)();
  };
  return json.string_at("dnsName").ok() && json.string_at("recordType").ok() &&
         absent_or("targets", &Json::is_array) && absent_or("recordTTL", &Json::is_int) &&
         absent_or("setIdentifier", &Json::is_string) && targets_of(json).has_value();
}

// As external-dns matches: the domain itself and what is below it; ".example.com" only the latter.
bool matches(const std::string& name, std::string filter) {
  filter = lowered(trimmed(filter));
  if (filter.ends_with('.')) filter.pop_back();
  if (filter.empty()) return true;
  if (filter.starts_with('.')) return name.ends_with(filter);
  return name == filter || name.ends_with('.' + filter);
}

bool any_matches(const Json::Array& filters, const std::string& name) {
  return std::any_of(filters.begin(), filters.end(), [&](const Json& filter) {
    return filter.is_string() && matches(name, filter.as_string());
  });
}

class WebhookProvider : public ReadWriteProvider {
 public:
  WebhookProvider(WebhookSettings settings, ApiSettings api, ApiHooks hooks, const Clock& clock)
      : settings_(std::move(settings)),
        caller_(std::move(api), std::move(hooks), ApiOutside::real(clock)) {}

  ProviderLimits limits() const override {
    return with_times({settings_.ttl_min, false}, caller_.settings().timeout, 1, 4);
  }
  Result<std::string> preflight(const RecordKey& key, Duration within) override;
  Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) override;

 protected:
  Result<RecordSet> fetch(const RecordKey& key, Instant deadline) override;
  Result<Change> adapt(const RecordSet& live, Change change, Instant deadline) override;
  Result<void> write(const RecordSet& live, const Change& change, Instant deadline) override;
  Result<std::vector<std::string>> show(const RecordSet& live, const Change& change,
                                        Instant deadline) override;
  Error error(ErrorCode code, std::string_view why) const override {
    return caller_.error(code, why);
  }

 private:
  // The endpoints of a set and of its mark; null where there is none.
  struct Pair {
    Json value;
    Json mark;
  };
  Result<ApiAnswer> ask(ApiRequest request, Instant deadline);
  // That it is such a provider, and lets us have this name.
  Result<void> negotiate(const RecordKey& key, Instant deadline);
  std::optional<std::string> note(const Json& endpoint, const RecordKey& key);
  static Json endpoint_like(Json base, const RecordKey& key, std::int64_t ttl);
  Result<void> take_adjusted(const Json& adjusted, const Change& change);
  ApiRequest changes() const;

  WebhookSettings settings_;
  ApiCaller caller_;
  std::set<std::string> negotiated_;  // Names; asked for again after a restart.
  // Of the call under way: what fetch() found, and what adapt() made of the change.
  Pair found_;
  Pair wanted_;
};

// An answer of 2xx, in JSON that says so.
Result<ApiAnswer> WebhookProvider::ask(ApiRequest request, Instant deadline) {
  request.accept = request.content_type = kMediaType;
  request.of_move = is_of_move();
  auto answer = caller_.call(request, deadline);
  if (!answer.ok()) return answer.error();
  if (!answer->well()) return caller_.status_error(answer->status, answer->body.dump());
  return answer;
}

Result<void> WebhookProvider::negotiate(const RecordKey& key, Instant deadline) {
  negotiated_.erase(key.name);
  const auto answer = ask({.target = "/"}, deadline);
  if (!answer.ok()) return answer.error();
  std::string type;
  for (const auto& [name, value] : answer->headers) {
    if (name == "content-type") type = value;
  }
  if (plain_type(type) != kMediaType) {
    return error(
        ErrorCode::kRefused,
        fmt::format("no webhook provider of version 1: it answers with media type \"{}\"", type));
  }
  const Json& filter = answer->body;
  for (const char* wanted : {"include", "filters"}) {
    const Json::Array& domains = filter.array_or_empty(wanted);
    if (domains.empty() || any_matches(domains, key.name)) continue;
    return error(ErrorCode::kRefused, key.name + " is outside its domain filter");
  }
  const Json::Array& excluded = filter.array_or_empty("exclude");
  if (!excluded.empty() && any_matches(excluded, key.name)) {
    return error(ErrorCode::kRefused, key.name + " is excluded by its domain filter");
  }
  negotiated_.insert(key.name);
  return {};
}

// Adds one endpoint of our name to what was found; a reason when it is none that we may change.
std::optional<std::string> WebhookProvider::note(const Json& endpoint, const RecordKey& key) {
  const std::string type = endpoint.string_or("recordType");
  const bool is_mark = type == "TXT" && is_named(endpoint, mark_name(key.name));
  if (!is_mark && !is_named(endpoint, key.name)) return std::nullopt;
  if (!is_mark && type != key.type) {
    if (type != "CNAME" && key.type != "CNAME") return std::nullopt;
    return fmt::format("a record of type {} stands where {} is wanted", type, to_text(key));
  }
  if (!endpoint.string_or("setIdentifier").empty()) {
    return fmt::format("{} is weighted or routed otherwise (setIdentifier {})", to_text(key),
                       endpoint.string_or("setIdentifier"));
  }
  Json& place = is_mark ? found_.mark : found_.value;
  if (!place.is_null()) return to_text(key) + " or its mark is listed twice";
  place = endpoint;
  return std::nullopt;
}

Result<RecordSet> WebhookProvider::fetch(const RecordKey& key, Instant deadline) {
  found_ = {};
  const auto keep = [&key](const Json& endpoint) {
    return !is_endpoint(endpoint) || is_named(endpoint, key.name) ||
           is_named(endpoint, mark_name(key.name));
  };
  const auto answer = ask({.target = "/records", .answer_most = kListMost, .keep = keep}, deadline);
  if (!answer.ok()) return answer.error();
  if (answer->body.is_array()) {
    for (const Json& endpoint : answer->body.as_array()) {
      if (!is_endpoint(endpoint)) {
        return error(ErrorCode::kUnavailable, "its list of records holds what is no endpoint");
      }
      if (const auto why = note(endpoint, key)) return error(ErrorCode::kConflict, *why);
    }
  }
  RecordSet out{key, {}, std::chrono::seconds(found_.value.int_or("recordTTL")), ""};
  if (!found_.value.is_null()) out.values = targets_of(found_.value).value();
  // Several TXT records are nobody's mark: joined by what no mark may hold, they equal none.
  const auto marks = targets_of(found_.mark);
  for (const std::string& target : *marks) {
    out.mark += (out.mark.empty() ? "" : "\n") + from_txt(target);
  }
  return out;
}

// What was found stays as it is in all that we do not know: labels, properties of the provider.
Json WebhookProvider::endpoint_like(Json base, const RecordKey& key, std::int64_t ttl) {
  base.set("dnsName", key.name);
  base.set("recordType", key.type);
  base.set("recordTTL", ttl);
  return base;
}

Result<Change> WebhookProvider::adapt(const RecordSet&, Change change, Instant deadline) {
  // As external-dns does it, once; each pre-flight asks anew.
  if (negotiated_.count(change.key.name) == 0) RETURN_IF_ERROR(negotiate(change.key, deadline));
  const std::int64_t ttl = change.ttl.count();
  wanted_ = {endpoint_like(found_.value, change.key, ttl), Json()};
  Json targets = Json::array();
  for (const std::string& value : change.desired) targets.push(value);
  wanted_.value.set("targets", std::move(targets));
  Json asked = Json::array();
  asked.push(wanted_.value);
  if (!change.mark.empty()) {
    wanted_.mark =
        endpoint_like(found_.mark, {change.key.zone, mark_name(change.key.name), "TXT"}, ttl);
    Json mark = Json::array();
    mark.push(to_txt(change.mark));
    wanted_.mark.set("targets", std::move(mark));
    asked.push(wanted_.mark);
  }
  const auto answer =
      ask({.method = "POST", .target = "/adjustendpoints", .body = asked.dump()}, deadline);
  if (!answer.ok()) return answer.error();
  RETURN_IF_ERROR(take_adjusted(answer->body, change));
  change.ttl = std::chrono::seconds(std::max(ttl, wanted_.value.int_or("recordTTL")));
  return change;
}

// The provider adds its defaults to what is wanted and may drop what it cannot hold; another name,
// type or content is not ours to send.
Result<void> WebhookProvider::take_adjusted(const Json& adjusted, const Change& change) {
  for (Json* mine : {&wanted_.value, &wanted_.mark}) {
    if (mine->is_null()) continue;
    const Json* kept = nullptr;
    if (adjusted.is_array()) {
      for (const Json& one : adjusted.as_array()) {
        if (is_endpoint(one) && is_named(one, mine->string_or("dnsName")) &&
            one.string_or("recordType") == mine->string_or("recordType")) {
          kept = &one;
        }
      }
    }
    const std::string what = mine->string_or("recordType") + ' ' + mine->string_or("dnsName");
    if (kept == nullptr) {
      return error(ErrorCode::kRefused, "it does not take " + what + " (adjustendpoints)");
    }
    if (targets_of(*kept) != targets_of(*mine)) {
      return error(ErrorCode::kRefused, "it would change the content of " + what);
    }
    if (kept->int_or("recordTTL") > 0 && kept->int_or("recordTTL") < change.ttl.count()) {
      return error(ErrorCode::kRefused, "it would lower the TTL of " + what);
    }
    if (kept->int_or("recordTTL") > kTtlMost.count()) {
      return error(ErrorCode::kRefused, "it would raise the TTL above a day of " + what);
    }
    *mine = *kept;
  }
  return {};
}

// One request for both sets: in place what is there, new what is not.
ApiRequest WebhookProvider::changes() const {
  Json create = Json::array(), before = Json::array(), after = Json::array(),
       remove = Json::array();
  for (const auto& [found, wanted] :
       {std::pair(&found_.value, &wanted_.value), std::pair(&found_.mark, &wanted_.mark)}) {
    if (wanted->is_null()) {
      if (!found->is_null()) remove.push(*found);
    } else if (found->is_null()) {
      create.push(*wanted);
    } else {
      before.push(*found);
      after.push(*wanted);
    }
  }
  const Json body = Json::object({{"create", std::move(create)},
                                  {"updateOld", std::move(before)},
                                  {"updateNew", std::move(after)},
                                  {"delete", std::move(remove)}});
  return {.method = "POST",
          .target = "/records",
          .body = body.dump(),
          .writes = true,
          .may_be_empty = true};
}

Result<void> WebhookProvider::write(const RecordSet&, const Change&, Instant deadline) {
  const auto answer = ask(changes(), deadline);
  if (!answer.ok()) return answer.error();
  return {};
}

Result<std::vector<std::string>> WebhookProvider::show(const RecordSet&, const Change&, Instant) {
  ApiRequest request = changes();
  request.accept = request.content_type = kMediaType;
  return std::vector<std::string>{caller_.render(request)};
}

Result<std::string> WebhookProvider::preflight(const RecordKey& key, Duration within) {
  const Instant deadline = system_clock().now() + within;
  const auto live = read(key, within);
  if (!live.ok()) return live.error();
  if (live->values.empty()) return error(ErrorCode::kNotFound, to_text(key) + " does not exist");
  // As it stands: what the provider would not keep of it is told.
  const std::string mark = live->mark.empty() ? "pointsman" : live->mark;
  const Change same{lower_key(check_key(key).value()), live->values, live->ttl, mark, {}, {}};
  RETURN_IF_ERROR(negotiate(same.key, deadline));
  const auto adapted = adapt(*live, same, deadline);
  if (!adapted.ok()) return adapted.error();
  return fmt::format(
      "{} answers as a webhook provider of version 1 and takes {}, which is {} with "
      "TTL {} s{}",
      caller_.settings().endpoint, to_text(key), to_text(live->values), live->ttl.count(),
      caller_.time_text());
}

Result<std::vector<std::string>> WebhookProvider::authorities(const RecordKey& key,
                                                              Duration within) {
  if (!settings_.authorities.empty()) return settings_.authorities;
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  return name_servers_of(checked->zone, within);
}

}  // namespace

Result<std::unique_ptr<Provider>> make_webhook(const ProviderSettings& settings,
                                               const Clock& clock) {
  SettingsReader reader(settings);
  ApiSettings api = read_api_settings(
      reader, settings, {"http://127.0.0.1:8888", {"ttl_min", "authorities"}, {"token"}});
  WebhookSettings out;
  out.ttl_min = reader.ttl_min(out.ttl_min, 1s, 24h);
  out.authorities = reader.authorities();
  RETURN_IF_ERROR(reader.finish());
  ApiHooks hooks;
  const std::string token = reader.credential("token");
  if (!token.empty()) {
    api.secrets = {token};
    hooks.sign = [token](HttpRequest& request) {
      request.headers.emplace_back("Authorization", "Bearer " + token);
    };
  }
  return std::unique_ptr<Provider>(
      std::make_unique<WebhookProvider>(std::move(out), std::move(api), std::move(hooks), clock));
}

}  // namespace pointsman
