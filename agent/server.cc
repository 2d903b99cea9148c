#include "agent/server.h"

#include <algorithm>

#include "base/certificate.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"

namespace pointsman {
namespace {

bool names_hold(const std::vector<std::string>& names, const std::string& name) {
  return !name.empty() && std::find(names.begin(), names.end(), name) != names.end();
}

HttpReply json_reply(const Json& json) {
  HttpReply reply;
  reply.body = json.dump();
  return reply;
}

HttpReply refuse(const HttpCall& call, const std::string& reason) {
  static LogPace pace;
  std::string names;
  for (const std::string& name : call.peer_names) names += (names.empty() ? "" : ",") + name;
  if (pace.due(system_clock().now())) {
    log(LogLevel::kWarning, "caller-refused",
        {{"from", call.peer_address}, {"certificate", names}, {"reason", reason}});
  }
  return problem(403, "Forbidden", reason);
}

}  // namespace

AgentServer::AgentServer(const AgentConfig& config, std::vector<ServiceRunner*> services,
                         bool dry_run)
    : config_(config), services_(std::move(services)), dry_run_(dry_run) {
  public_.route("POST", "/v1/poll", [this](const HttpCall& call) { return poll(call); });
  public_.route("POST", "/v1/order", [this](const HttpCall& call) { return order(call); });
  public_.route("GET", "/v1/version", [this](const HttpCall&) { return version(); });
  // For `pointsman status` when the daemon is down: it comes with the monitor's certificate.
  public_.route("GET", "/v1/status", [this](const HttpCall& call) {
    const auto ours = [&](const std::string& name) { return is_monitor(call, name); };
    const bool monitor = std::any_of(config_.monitors.begin(), config_.monitors.end(), ours);
    return monitor ? status() : refuse(call, "only a monitor may see the whole state");
  });
  control_.route("GET", "/v1/version", [this](const HttpCall&) { return version(); });
  control_.route("GET", "/v1/status", [this](const HttpCall&) { return status(); });
  // Only here: the permissions of the socket are its lock.
  control_.route("POST", "/v1/take", [this](const HttpCall& call) { return take(call); });
  control_.route("POST", "/v1/vip", [this](const HttpCall& call) { return vip(call); });
}

Result<void> AgentServer::start() {
  HttpServerOptions options;
  options.listen = config_.listen;
  options.cert_file = config_.tls.cert_file;
  options.key_file = config_.tls.key_file;
  options.client_ca_file = config_.tls.ca_file;
  options.body_most = kPollBodyMost;
  RETURN_IF_ERROR(public_.start(options));
  if (config_.control.empty()) return {};
  HttpServerOptions control;
  control.listen = "unix:" + config_.control;
  return control_.start(control);
}

void AgentServer::stop() {
  public_.stop();
  control_.stop();
}

// Under another name monitors and the peer would refuse us.
Result<void> AgentServer::identity_holds() const {
  const auto names = certificate_names(config_.tls.cert_file);
  if (!names) return names.error();
  if (names_hold(*names, config_.site)) return {};
  return {ErrorCode::kInvalid,
          config_.tls.cert_file + " does not carry the name of this site, " + config_.site};
}

void AgentServer::reload_tls() {
  auto loaded = identity_holds();
  if (loaded) loaded = public_.reload_tls();
  log(loaded ? LogLevel::kNotice : LogLevel::kError,
      loaded ? "certificates-loaded" : "certificates-refused",
      {{"reason", loaded ? "" : loaded.error().message}});
}

// A monitor is who the certificate says, and one of ours.
bool AgentServer::is_monitor(const HttpCall& call, const std::string& name) const {
  return names_hold(call.peer_names, name) && names_hold(config_.monitors, name);
}

ServiceRunner* AgentServer::find(const std::string& service) const {
  for (ServiceRunner* runner : services_) {
    if (runner->name() == service) return runner;
  }
  return nullptr;
}

HttpReply AgentServer::poll(const HttpCall& call) {
  const auto json = Json::parse(call.body);
  if (!json) return problem(400, "Bad request", json.error().message);
  const auto request = poll_request_from(*json);
  if (!request) return problem(400, "Bad request", request.error().message);
  const bool monitor = is_monitor(call, request->sender);
  if (!monitor && !names_hold(call.peer_names, request->sender)) {
    return refuse(call, "the certificate does not name the sender " + request->sender);
  }
  if (!monitor && names_hold(config_.monitors, request->sender)) {
    return refuse(call, "a monitor's name without its certificate");
  }
  PollReply reply;
  reply.site = config_.site;
  bool peer = false;
  for (const ServicePoll& poll : request->services) {
    ServiceRunner* runner = find(poll.service);
    if (runner == nullptr) continue;
    if (monitor) {
      reply.services.push_back(runner->on_monitor_poll(*request, poll));
    } else if (runner->peer_name() == request->sender) {
      peer = true;
      reply.services.push_back(runner->on_peer_poll(*request, poll));
    }
  }
  if (!monitor && !peer) {
    return problem(403, "Forbidden", request->sender + " is no peer of ours, as far as we know");
  }
  return json_reply(to_json(reply));
}

HttpReply AgentServer::order(const HttpCall& call) {
  const auto json = Json::parse(call.body);
  if (!json) return problem(400, "Bad request", json.error().message);
  const auto order = order_from(*json);
  if (!order) return problem(400, "Bad request", order.error().message);
  if (!is_monitor(call, order->sender)) {
    return refuse(call, "only a monitor may give orders, not " + order->sender);
  }
  ServiceRunner* runner = find(order->service);
  if (runner == nullptr) return problem(404, "Not found", "no service " + order->service);
  return json_reply(to_json(runner->on_order(*order)));
}

HttpReply AgentServer::take(const HttpCall& call) {
  const auto json = Json::parse(call.body);
  if (!json) return problem(400, "Bad request", json.error().message);
  ServiceRunner* runner = find(json->string_or("service"));
  if (runner == nullptr) return problem(404, "Not found", "no service of that name");
  if (dry_run_) return problem(409, "Refused", "this agent runs dry: it takes no power");
  const Take take{json->string_or("off"), json->string_or("actor"), json->string_or("reason"),
                  json->string_or("at")};
  for (const std::string* text : {&take.off, &take.actor, &take.at}) {
    if (text->size() > 64) return problem(400, "Bad request", "a name of more than 64 bytes");
  }
  if (take.reason.size() > kTakeTextMost) {
    return problem(400, "Bad request", "a reason of more than 500 bytes");
  }
  const ServiceRunner::TakeAnswer answer = runner->take(take, random_id());
  return json_reply(Json::object({{"accepted", answer.verdict.accepted},
                                  {"reason", answer.verdict.reason},
                                  {"wait_ms", whole_ms(answer.rest)}}));
}

// What keepalived's scripts tell; it is reported, and moves nothing here.
HttpReply AgentServer::vip(const HttpCall& call) {
  const auto json = Json::parse(call.body);
  if (!json) return problem(400, "Bad request", json.error().message);
  ServiceRunner* runner = find(json->string_or("service"));
  if (runner == nullptr) return problem(404, "Not found", "no service of that name");
  const Json* word = json->find("holds");
  if (word != nullptr && !word->is_bool()) {
    return problem(400, "Bad request", "holds is true or false");
  }
  const auto holds = word == nullptr ? std::nullopt : std::optional<bool>(word->as_bool());
  const std::string unfit = vip_unfit(runner->on_vip(holds));
  return json_reply(Json::object({{"fit", unfit.empty()}, {"reason", unfit}}));
}

HttpReply AgentServer::version() const {
  Json services = Json::array();
  for (const ServiceRunner* runner : services_) services.push(runner->name());
  Json json = Json::object({{"site", config_.site},
                            {"version", PM_VERSION},
                            {"protocol", kProtocolVersion},
                            {"services", std::move(services)}});
  const auto left = certificate_seconds_left(config_.tls.cert_file);
  if (left) json.set("certificate_seconds_left", *left);
  return json_reply(json);
}

HttpReply AgentServer::status() {
  Json services = Json::array();
  for (ServiceRunner* runner : services_) services.push(to_json(runner->report()));
  return json_reply(Json::object(
      {{"site", config_.site}, {"version", PM_VERSION}, {"services", std::move(services)}}));
}

}  // namespace pointsman
