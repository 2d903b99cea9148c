#include "agent/peer.h"

#include <algorithm>

#include "base/log.h"

namespace pointsman {
namespace {

constexpr Duration kWithin = 500ms;
constexpr Duration kPeriodLeast = 50ms;
constexpr Duration kPeriodMost = 500ms;  // How far a store is behind is known this finely.

}  // namespace

PeerPoller::PeerPoller(Settings settings, std::vector<ServiceRunner*> services, const Clock& clock)
    : settings_(std::move(settings)), services_(std::move(services)), clock_(clock) {}

PeerPoller::~PeerPoller() { stop(); }

void PeerPoller::start() {
  thread_ = std::thread([this] { run(); });
}

void PeerPoller::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::string PeerPoller::peer_name() const {
  for (ServiceRunner* service : services_) {
    std::string name = service->peer_name();
    if (!name.empty()) return name;
  }
  return "";
}

Duration PeerPoller::period() const {
  Duration shortest = kLeaseMost;
  for (ServiceRunner* service : services_) shortest = std::min(shortest, service->lease());
  return std::clamp<Duration>(shortest / 6, kPeriodLeast, kPeriodMost);
}

void PeerPoller::run() {
  for (;;) {
    const Instant began = clock_.now();
    const std::string peer = peer_name();
    // Before a monitor has told who the peer is, its certificate could not be checked.
    if (!peer.empty()) poll(peer);
    std::unique_lock lock(mutex_);
    const Duration rest = std::max<Duration>(began + period() - clock_.now(), 1ms);
    wake_.wait_for(lock, rest, [&] { return stopping_; });
    if (stopping_) return;
  }
}

// Once when it falls silent and once when it answers again; the reasons of a bad link vary.
void PeerPoller::say(const std::string& trouble) {
  if (told_ && trouble.empty() == answers_) return;
  told_ = true;
  answers_ = trouble.empty();
  if (answers_) {
    log(LogLevel::kNotice, "peer-answers", {{"peer", connected_}});
  } else {
    log(LogLevel::kWarning, "peer-silent", {{"peer", connected_}, {"reason", trouble}});
  }
}

void PeerPoller::poll(const std::string& peer) {
  if (!client_ || connected_ != peer) {
    TlsIdentity tls = settings_.tls;
    tls.peer_name = peer;
    client_ = std::make_unique<HttpClient>(std::move(tls));
    connected_ = peer;
  }
  PollRequest request;
  request.run = settings_.run;
  request.sequence = ++sequence_;
  request.sender = settings_.site;
  for (ServiceRunner* service : services_) {
    if (service->peer_name() == peer) request.services.push_back(service->poll_for_peer());
  }
  HttpRequest http;
  http.method = "POST";
  http.url = settings_.url + "/v1/poll";
  http.headers = {{"content-type", "application/json"}};
  http.body = to_json(request).dump();
  http.may_repeat = true;  // A vouch that comes twice grants nothing more.
  http.answer_most = kPollBodyMost;
  const Instant asked = clock_.now();
  const auto answer = client_->exchange(http, kWithin);
  if (!answer) return say(answer.error().message);
  take(*answer, peer, asked);
}

void PeerPoller::take(const HttpAnswer& answer, const std::string& peer, Instant asked) {
  if (answer.status != 200) return say("answers " + std::to_string(answer.status));
  const auto json = Json::parse(answer.body);
  if (!json) return say(json.error().message);
  const auto reply = poll_reply_from(*json);
  if (!reply) return say(reply.error().message);
  if (reply->site != peer) return say("says it is " + reply->site);
  for (const ServiceReport& report : reply->services) {
    for (ServiceRunner* service : services_) {
      if (service->name() == report.service && report.site == peer) {
        service->on_peer_reply(report, asked);
      }
    }
  }
  say("");
}

}  // namespace pointsman
