#include "agent/protocol.h"

#include <array>

#include <fmt/format.h>

#include "agent/codec.h"

namespace pointsman {
namespace {

constexpr std::array<const char*, 8> kVerbs = {"adopt",  "prepare", "fence",  "promote",
                                               "follow", "void",    "survey", "reseed"};
constexpr std::size_t kServicesMost = 1000;
constexpr std::size_t kMoveMost = 64;
constexpr std::size_t kPositionMost = 4096;

Json vouch_json(const Vouch& vouch) {
  return Json::object({{"number", number_json(vouch.number)},
                       {"reign", reign_json(vouch.reign)},
                       {"token", token_json(vouch.token)},
                       {"lease_ms", rounded_down(vouch.lease)},
                       {"lone", vouch.lone}});
}

Vouch read_vouch(Members& in) {
  Vouch vouch;
  vouch.number = in.number("number");
  vouch.reign = in.reign("reign");
  vouch.token = in.token("token");
  vouch.lone = in.flag("lone");
  vouch.lease = in.duration("lease_ms", kLeaseLeast, vouch.lone ? kLoneLeaseMost : kLeaseMost);
  return vouch;
}

Json service_poll_json(const ServicePoll& poll) {
  Json json = Json::object({{"service", poll.service},
                            {"lease_ms", rounded_down(poll.lease)},
                            {"prepare_ttl_ms", rounded_down(poll.prepare_ttl)},
                            {"spec_version", number_json(poll.spec_version)}});
  if (poll.vouch) json.set("vouch", vouch_json(*poll.vouch));
  if (poll.renewal) {
    json.set("renewal", Json::object({{"reign", reign_json(poll.renewal->reign)},
                                      {"move", poll.renewal->move}}));
  }
  if (poll.witness) json.set("witness", *poll.witness);
  Json hurry = Json::array();
  for (const std::string& site : poll.hurry) hurry.push(site);
  json.set("hurry", std::move(hurry));
  if (poll.own) json.set("own", to_json(*poll.own));
  return json;
}

ServicePoll read_service_poll(Members& in) {
  ServicePoll poll;
  poll.service = in.text("service");
  poll.lease = in.duration("lease_ms", kLeaseLeast, kLeaseMost);
  poll.prepare_ttl = in.duration("prepare_ttl_ms", kPrepareTtlLeast, kPrepareTtlMost);
  poll.spec_version = in.number("spec_version");
  if (in.has("vouch")) {
    Members inner(*in.raw("vouch"), "vouch", Absent::kRefused);
    poll.vouch = read_vouch(inner);
    if (!inner.ok()) in.adopt_error(inner.error());
  }
  if (in.has("renewal")) {
    Members inner(*in.raw("renewal"), "renewal", Absent::kRefused);
    poll.renewal = PrepareRenewal{inner.reign("reign"), inner.text("move", kMoveMost)};
    if (!inner.ok()) in.adopt_error(inner.error());
  }
  if (in.has("witness")) {
    in.list("witness", 256);
    poll.witness = *in.raw("witness");
  }
  for (const Json& site : in.list("hurry", 16)) {
    if (!site.is_string() || site.as_string().size() > 256) in.fail("hurry", "must hold texts");
    if (in.ok()) poll.hurry.push_back(site.as_string());
  }
  if (in.has("own")) {
    auto own = service_report_from(*in.raw("own"));
    if (!own) in.adopt_error(own.error());
    if (own) poll.own = std::move(*own);
  }
  return poll;
}

void read_positions(Members& in, Order& order) {
  for (const Json& item : in.list("positions", 32)) {
    Members inner(item, "positions", Absent::kRefused);
    order.positions.emplace_back(inner.text("store"), inner.text("position", kPositionMost));
    if (!inner.ok()) in.adopt_error(inner.error());
  }
}

void read_order_bounds(Members& in, Order& order) {
  order.lease = in.duration("lease_ms", kLeaseLeast, kLeaseMost);
  order.order_ttl = in.duration("order_ttl_ms", kOrderTtlLeast, kOrderTtlMost);
  order.prepare_ttl = in.duration("prepare_ttl_ms", kPrepareTtlLeast, kPrepareTtlMost);
  order.max_lag = in.duration("max_lag_ms", 0s, kMaxLagMost);
}

}  // namespace

const char* to_string(Verb verb) { return kVerbs[static_cast<std::size_t>(verb)]; }

std::optional<Verb> verb_from(std::string_view text) {
  for (std::size_t k = 0; k < kVerbs.size(); ++k) {
    if (text == kVerbs[k]) return static_cast<Verb>(k);
  }
  return std::nullopt;
}

Json to_json(const PollRequest& request) {
  Json services = Json::array();
  for (const ServicePoll& poll : request.services) services.push(service_poll_json(poll));
  return Json::object({{"run", request.run},
                       {"sequence", number_json(request.sequence)},
                       {"sender", request.sender},
                       {"counter", number_json(request.counter)},
                       {"dry_run", request.dry_run},
                       {"services", std::move(services)}});
}

Result<PollRequest> poll_request_from(const Json& json) {
  Members in(json, "poll", Absent::kRefused);
  PollRequest request;
  request.run = in.text("run", 64);
  request.sequence = in.number("sequence");
  request.sender = in.text("sender");
  request.counter = in.number("counter");
  if (in.has("dry_run")) request.dry_run = in.flag("dry_run");
  for (const Json& item : in.list("services", kServicesMost)) {
    Members inner(item, "service", Absent::kRefused);
    request.services.push_back(read_service_poll(inner));
    if (!inner.ok()) in.adopt_error(inner.error());
  }
  if (in.ok() && (request.run.empty() || request.sender.empty())) {
    in.fail("run", "run and sender must not be empty");
  }
  if (!in.ok()) return in.error();
  return request;
}

Json to_json(const PollReply& reply) {
  Json services = Json::array();
  for (const ServiceReport& report : reply.services) services.push(to_json(report));
  return Json::object(
      {{"site", reply.site}, {"version", reply.version}, {"services", std::move(services)}});
}

Result<PollReply> poll_reply_from(const Json& json) {
  Members in(json, "reply", Absent::kDefault);
  PollReply reply;
  reply.site = in.text("site");
  reply.version = in.count("version", 1, 1'000'000);
  for (const Json& item : in.list("services", kServicesMost)) {
    auto report = service_report_from(item);
    if (!report) return report.error();
    reply.services.push_back(std::move(*report));
  }
  if (!in.ok()) return in.error();
  return reply;
}

Json to_json(const Order& order) {
  Json json = Json::object({{"run", order.run},
                            {"sequence", number_json(order.sequence)},
                            {"sender", order.sender},
                            {"service", order.service},
                            {"site", order.site},
                            {"verb", to_string(order.verb)},
                            {"reign", reign_json(order.reign)},
                            {"power", order.power},
                            {"move", order.move},
                            {"token", token_json(order.token)}});
  json.set("automatic", order.automatic).set("old_fenced", order.old_fenced);
  json.set("asserted_off", order.asserted_off);
  json.set("replication_forced", order.replication_forced);
  json.set("lease_ms", rounded_down(order.lease));
  json.set("order_ttl_ms", rounded_down(order.order_ttl));
  json.set("prepare_ttl_ms", rounded_down(order.prepare_ttl));
  json.set("max_lag_ms", rounded_down(order.max_lag));
  json.set("counter", number_json(order.counter)).set("dry_run", order.dry_run);
  if (order.positions.empty()) return json;
  Json positions = Json::array();
  for (const auto& [store, position] : order.positions) {
    positions.push(Json::object({{"store", store}, {"position", position}}));
  }
  json.set("positions", std::move(positions));
  return json;
}

Result<Order> order_from(const Json& json) {
  Members in(json, "order", Absent::kRefused);
  Order order;
  order.run = in.text("run", 64);
  order.sequence = in.number("sequence");
  order.sender = in.text("sender");
  order.service = in.text("service");
  order.site = in.text("site");
  const std::string word = in.text("verb", 32);
  const auto verb = verb_from(word);
  if (in.ok() && !verb) in.fail("verb", fmt::format("unknown verb \"{}\"", word));
  order.verb = verb.value_or(Verb::kPrepare);
  order.reign = in.reign("reign");
  order.power = in.text("power");
  order.move = in.text("move", kMoveMost);
  order.token = in.token("token");
  order.automatic = in.flag("automatic");
  order.old_fenced = in.flag("old_fenced");
  order.asserted_off = in.flag("asserted_off");
  order.replication_forced = in.flag("replication_forced");
  read_order_bounds(in, order);
  order.counter = in.number("counter");
  order.dry_run = in.flag("dry_run");
  if (in.has("positions")) read_positions(in, order);
  if (in.ok() && !order.reign.any()) in.fail("reign", "must be given");
  if (in.ok() && order.move.empty()) in.fail("move", "must be given");
  if (in.ok() && order.power.empty()) in.fail("power", "must be given");
  if (in.ok() && order.run.empty()) in.fail("run", "must be given");
  if (!in.ok()) return in.error();
  return order;
}

Json to_json(const OrderReply& reply) {
  Json rendered = Json::array();
  for (const std::string& line : reply.rendered) rendered.push(line);
  return Json::object({{"accepted", reply.accepted},
                       {"reason", reply.reason},
                       {"report", to_json(reply.report)},
                       {"rendered", std::move(rendered)}});
}

Result<OrderReply> order_reply_from(const Json& json) {
  Members in(json, "reply", Absent::kDefault);
  OrderReply reply;
  reply.accepted = in.flag("accepted");
  reply.reason = in.text("reason", 4096);
  if (!in.has("report")) in.fail("report", "must be given");
  if (!in.ok()) return in.error();
  auto report = service_report_from(*in.raw("report"));
  if (!report) return report.error();
  reply.report = std::move(*report);
  for (const Json& line : in.list("rendered", 256)) {
    if (!line.is_string()) in.fail("rendered", "must hold texts");
    if (in.ok()) reply.rendered.push_back(line.as_string());
  }
  if (!in.ok()) return in.error();
  return reply;
}

}  // namespace pointsman
