#include "orchestrator/shell/publisher.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/crash_point.h"
#include "base/log.h"
#include "base/planted.h"
#include "providers/compare.h"

namespace pointsman {
namespace {

std::string joined(const std::vector<std::string>& values) {
  return values.empty() ? "nothing" : fmt::format("{}", fmt::join(values, " "));
}

std::string word_after(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return "";
  const auto begin = at + key.size();
  return std::string(text.substr(begin, text.find(' ', begin) - begin));
}

bool is_api(const std::vector<std::string>& servers) {
  return servers.size() == 1 && servers.front() == kApiAuthority;
}

// The provider's own account as one server's answer.
AuthorityAnswer answer_of(const Result<RecordSet>& live, Duration took) {
  AuthorityAnswer answer;
  answer.server = kApiAuthority;
  answer.took = took;
  answer.answered = live.ok();
  if (live.ok()) {
    answer.values = live->values;
    answer.ttl = live->ttl;
  } else {
    answer.problem = live.error().message;
  }
  return answer;
}

}  // namespace

std::string format_mark(const Mark& mark) {
  return fmt::format("pointsman service={} epoch={} reign={} site={}", mark.service,
                     mark.reign.epoch, mark.reign.id.text(), mark.site);
}

std::optional<Mark> parse_mark(const std::string& text) {
  if (!text.starts_with("pointsman ")) return std::nullopt;
  Mark mark;
  mark.service = word_after(text, " service=");
  mark.reign.id = word_after(text, " reign=");
  mark.site = word_after(text, " site=");
  const std::string epoch = word_after(text, " epoch=");
  const auto [end, error] =
      std::from_chars(epoch.data(), epoch.data() + epoch.size(), mark.reign.epoch);
  if (error != std::errc() || end != epoch.data() + epoch.size() || mark.service.empty()) {
    return std::nullopt;
  }
  return mark;
}

Publisher::Publisher(const ServiceSettings& service, const RecordSettings& record,
                     Provider& provider, AskServer ask_server)
    : service_(service.name),
      key_{record.zone, record.name, record.type},
      ttl_(std::max(service.ttl, provider.limits().ttl_min)),
      provider_(provider),
      ask_server_(std::move(ask_server)),
      authorities_given_(!record.authorities.empty()),
      authorities_(record.authorities) {
  for (std::size_t k = 0; k < kSites; ++k) {
    sites_[k] = service.sites.at(k).name;
    const auto found = record.values.find(sites_[k]);
    if (found != record.values.end()) values_[k] = found->second;
    std::sort(values_[k].begin(), values_[k].end());
  }
}

const std::vector<std::string>& Publisher::values_of(int site) const {
  return values_.at(static_cast<std::size_t>(site));
}

int Publisher::site_of(const std::vector<std::string>& values) const {
  for (int k = 0; k < kSites; ++k) {
    if (values == values_of(k)) return k;
  }
  return -1;
}

RecordRead Publisher::read(int index, Duration within) {
  RecordRead read;
  read.record = index;
  const Instant began = system_clock().now();
  const auto live = provider_.read(key_, within);
  if (asks_api()) {
    AuthorityAnswer answer = answer_of(live, system_clock().now() - began);
    const std::lock_guard lock(mutex_);
    answers_ = {std::move(answer)};
  }
  if (!live.ok()) {
    read.problem = live.error().message;
    return read;
  }
  note_values(live->values);
  read.readable = true;
  read.site = site_of(live->values);
  read.values = joined(live->values);
  if (const auto mark = parse_mark(live->mark); mark && mark->service == service_) {
    read.mark = mark->reign.epoch;
  }
  return read;
}

Result<void> Publisher::may_overwrite(const std::string& text, const Reign& reign) const {
  const auto mark = parse_mark(text);
  if (!mark || mark->service != service_) {
    return {ErrorCode::kConflict,
            fmt::format("{} carries the mark of another: {}", key_.name,
                        text.empty() ? "none at all on a part of it" : printable(text))};
  }
  if (!planted(Plant::kDnsEpochUnchecked) &&
      (mark->reign.epoch > reign.epoch ||
       (mark->reign.epoch == reign.epoch && mark->reign.id != reign.id))) {
    return {ErrorCode::kConflict, fmt::format("{} carries the mark of reign {}, not below {}",
                                              key_.name, mark->reign.epoch, reign.epoch)};
  }
  return {};
}

Result<void> Publisher::judge_marks(const std::string& live, const Reign& reign) const {
  if (live.empty()) return {};
  for (const std::string& each : marks_of(live)) RETURN_IF_ERROR(may_overwrite(each, reign));
  return {};
}

Change Publisher::change_for(int site, const Reign& reign) const {
  Change change;
  change.key = key_;
  change.desired = values_of(site);
  change.ttl = ttl_;
  change.mark = format_mark({service_, reign, sites_.at(static_cast<std::size_t>(site))});
  for (const auto& values : values_) {
    change.expected.insert(change.expected.end(), values.begin(), values.end());
  }
  change.judge_mark = [this, reign](const std::string& live) { return judge_marks(live, reign); };
  return change;
}

Result<void> Publisher::replace(const Change& change, Duration within) {
  crash_point("before-update", change.key.type);
  auto replaced = provider_.replace(change, within);
  crash_point("after-update", change.key.type);
  return replaced;
}

PublishAnswered Publisher::publish(const PublishRecord& order, Duration within) {
  PublishAnswered answered;
  answered.record = order.record;
  answered.move = order.move;
  if (std::exchange(sought_for_, order.move) != order.move) seek_authorities();
  Change change = change_for(order.site, order.reign);
  if (planted(Plant::kHumanOverwritten)) {
    if (const auto live = provider_.read_for_move(key_, within); live.ok())
      change.expected = live->values;
  }
  const auto replaced = replace(change, within);
  if (replaced.ok()) {
    note_values(change.desired);
    answered.accepted = true;
    answered.values = joined(change.desired);
    answered.detail = fmt::format("{} {} is {} by the provider's own account", key_.name, key_.type,
                                  joined(change.desired));
    return answered;
  }
  const ErrorCode code = replaced.error().code;
  answered.for_good =
      code == ErrorCode::kConflict || code == ErrorCode::kRefused || code == ErrorCode::kInvalid;
  answered.detail = replaced.error().message;
  return answered;
}

Result<std::vector<std::string>> Publisher::render(int site, const Reign& reign, Duration within) {
  return provider_.render(change_for(site, reign), within);
}

void Publisher::seek_authorities() {
  const std::lock_guard lock(mutex_);
  seek_ = true;
  authorities_problem_.clear();
}

// On the provider's own lane: ask() runs beside it and only reads what was found.
void Publisher::find_authorities(Duration within) {
  {
    const std::lock_guard lock(mutex_);
    if (authorities_given_ || !seek_) return;
  }
  auto found = provider_.authorities(key_, within);
  const std::lock_guard lock(mutex_);
  seek_ = !found.ok() || found->empty();
  authorities_problem_ = !found.ok() ? found.error().message
                         : seek_     ? "the provider names none"
                                     : "";
  if (!seek_) authorities_ = std::move(*found);
}

bool Publisher::asks_api() const {
  const std::lock_guard lock(mutex_);
  return is_api(authorities_);
}

std::vector<std::string> Publisher::servers_for(const AskAuthorities& order,
                                                AuthoritiesAnswered& answered) const {
  answered.record = order.record;
  answered.move = order.move;
  answered.site = order.site;
  const std::lock_guard lock(mutex_);
  answered.detail = key_.name + ": authoritative servers not known: " + authorities_problem_;
  // A move does not end on the word of servers that may no longer be asked by anybody.
  if (!order.move.empty() && seek_ && !authorities_given_ && authorities_problem_.empty()) {
    answered.detail = key_.name + ": authoritative servers are looked for again";
    return {};
  }
  return authorities_;
}

AuthoritiesAnswered Publisher::ask(const AskAuthorities& order, Duration within) {
  AuthoritiesAnswered answered;
  const std::vector<std::string> servers = servers_for(order, answered);
  if (is_api(servers)) answered.detail = key_.name + ": not asked yet by the provider's API";
  if (servers.empty() || is_api(servers)) return answered;
  std::vector<AuthorityAnswer> answers;
  for (const std::string& server : servers) {
    answers.push_back(ask_server_(server, key_, std::min<Duration>(within, 1s)));
  }
  return judge(std::move(answered), std::move(answers));
}

AuthoritiesAnswered Publisher::ask_api(const AskAuthorities& order, Duration within) {
  AuthoritiesAnswered answered;
  const std::vector<std::string> servers = servers_for(order, answered);
  if (!servers.empty() && !is_api(servers)) {
    answered.detail = key_.name + ": authoritative servers not asked yet";
  }
  if (!is_api(servers)) return answered;
  const Instant began = system_clock().now();
  const auto live = provider_.read_for_move(key_, within);
  return judge(std::move(answered), {answer_of(live, system_clock().now() - began)});
}

AuthoritiesAnswered Publisher::judge(AuthoritiesAnswered answered,
                                     std::vector<AuthorityAnswer> answers) {
  std::string agree;
  std::string differ;
  for (const AuthorityAnswer& answer : answers) {
    const bool agrees =
        answer.answered && answered.site >= 0 && answer.values == values_of(answered.site);
    std::string& list = agrees ? agree : differ;
    list += (list.empty() ? "" : ", ") + answer.server;
    if (!agrees) list += answer.answered ? " says " + joined(answer.values) : " " + answer.problem;
  }
  answered.agreed = !answers.empty() && differ.empty();
  answered.any_agreed = !agree.empty();
  answered.detail = key_.name + " " + key_.type + ": " +
                    (agree.empty() ? "" : "published at " + agree) +
                    (agree.empty() || differ.empty() ? "" : "; ") +
                    (differ.empty() ? "" : "not yet at " + differ);
  const std::lock_guard lock(mutex_);
  answers_ = std::move(answers);
  return answered;
}

Result<std::string> Publisher::preflight(Duration within) {
  auto result = provider_.preflight(key_, within);
  if (!result.ok()) return result;
  seek_authorities();
  const auto live = provider_.read(key_, within);
  if (!live.ok()) return result;
  note_values(live->values);
  for (const std::string& each : marks_of(live->mark)) {
    const auto mark = parse_mark(each);
    if (each.empty() || (mark && mark->service == service_)) continue;
    return Error{ErrorCode::kInvalid,
                 fmt::format("{} carries the mark of another, \"{}\": no move would overwrite it",
                             to_text(key_), printable(each))};
  }
  return result;
}

void Publisher::note_values(std::vector<std::string> values) {
  const std::lock_guard lock(mutex_);
  last_values_ = std::move(values);
}

std::vector<std::string> Publisher::last_values() const {
  const std::lock_guard lock(mutex_);
  return last_values_;
}

std::vector<AuthorityAnswer> Publisher::answers() const {
  const std::lock_guard lock(mutex_);
  return answers_;
}

}  // namespace pointsman
