#pragma once

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/json.h"
#include "test/support/fake_http.h"

// A Cloudflare of one account on loopback: it judges requests as the real one does by its
// documents, keeps records, and plays the faults that it is told to.

namespace pointsman {

class FakeCloudflare {
 public:
  struct Zone {
    std::string id;
    std::string name;
    std::string status = "active";
    std::vector<std::string> name_servers{"localhost"};
  };
  struct Row {
    std::string id{};
    std::string zone_id{};
    std::string name{};
    std::string type = "A";
    std::string content{};
    std::int64_t ttl = 60;
    bool proxied = false;
    std::string comment{};
    bool flattened = false;

    bool operator==(const Row&) const = default;
  };
  // What befalls one request; those of a kind are used up in order.
  struct Fault {
    enum class Kind {
      kReply,      // `reply` instead; nothing is done.
      kDoneReply,  // The request is done, then `reply` instead of its answer.
      kNotDone,    // Answered as a success and not done.
      kLate,       // Answered as a success and done later.
      kFirstOnly,  // Of a batch only the first change is done, and the answer is a success.
    };
    Kind kind = Kind::kReply;
    FakeReply reply{};
    int late_by = 0;  // Of kLate: it is done just before this many requests later.
  };

  explicit FakeCloudflare(std::string token) : token_(std::move(token)) {}

  std::string url() const { return server_.url() + "/client/v4"; }
  FakeHttp& server() { return server_; }

  // Everything below under the lock: use `with`.
  template <typename Use>
  auto with(Use use) {
    const std::lock_guard lock(mutex_);
    return use(*this);
  }

  std::vector<Zone> zones{{std::string(32, 'a'), "example.test"}};
  std::vector<Row> rows;
  std::deque<Fault> on_read, on_write;
  std::vector<FakeRequest> heard;
  std::vector<std::string> complaints;  // What a real API might bear and we should not do.
  long changes = 0;
  std::string token_status = "active", expires_on, not_before;
  bool users_token = true, may_write = true, may_read_zones = true, may_read = true;
  std::int64_t ttl_least = 60;
  std::size_t comment_most = 500;
  bool ignores_filter = false;
  std::size_t page_most = 1000;  // A page holds no more, whatever it says and is asked for.

  std::string add(Row row) {
    row.id = fresh_id();
    if (row.zone_id.empty()) row.zone_id = zones.front().id;
    if (row.proxied) row.ttl = 1;
    rows.push_back(row);
    return row.id;
  }
  int writes_heard() const {
    return static_cast<int>(
        std::count_if(heard.begin(), heard.end(), [](const auto& r) { return r.method != "GET"; }));
  }

 private:
  struct Refusal {
    int status;
    int code;
    std::string text;
    int chained = 0;
  };
  using Done = std::optional<Refusal>;

  static std::string fresh_id() {
    static int next = 1;
    std::string id = std::to_string(next++);
    return std::string(32 - id.size(), '0') + id;
  }

  static FakeReply refused(const Refusal& why) {
    Json error = Json::object({{"code", why.code}, {"message", why.text}});
    if (why.chained != 0) {
      error.set(
          "error_chain",
          Json(Json::Array{Json::object({{"code", why.chained}, {"message", "the reason"}})}));
    }
    Json body = Json::object({{"success", false}, {"messages", Json::array()}, {"result", Json()}});
    body.set("errors", Json(Json::Array{std::move(error)}));
    return {.status = why.status, .body = body.dump()};
  }
  static FakeReply answered(Json result, Json about = {}) {
    Json body =
        Json::object({{"success", true}, {"errors", Json::array()}, {"messages", Json::array()}});
    body.set("result", std::move(result));
    if (!about.is_null()) body.set("result_info", std::move(about));
    return {.status = 200, .body = body.dump()};
  }

  FakeReply serve(const FakeRequest& request) {
    const std::lock_guard lock(mutex_);
    heard.push_back(request);
    if (late_in_ > 0 && --late_in_ == 0) {
      std::swap(rows, late_rows_);
      ++changes;
    }
    std::deque<Fault>& faults = request.method == "GET" ? on_read : on_write;
    if (faults.empty()) return judged(request);
    const Fault fault = faults.front();
    faults.pop_front();
    if (fault.kind == Fault::Kind::kReply) return fault.reply;
    first_only_ = fault.kind == Fault::Kind::kFirstOnly;
    const std::vector<Row> before = rows;
    const long count = changes;
    const FakeReply reply = judged(request);
    first_only_ = false;
    if (fault.kind == Fault::Kind::kDoneReply) return fault.reply;
    if (fault.kind == Fault::Kind::kNotDone || fault.kind == Fault::Kind::kLate) {
      late_rows_ = std::exchange(rows, before);
      changes = count;
      if (fault.kind == Fault::Kind::kLate) late_in_ = fault.late_by;
    }
    return reply;
  }

  FakeReply judged(const FakeRequest& request) {
    const std::string bearer = request.header("authorization");
    if (!bearer.starts_with("Bearer "))
      return refused({400, 6003, "Invalid request headers", 6111});
    if (bearer != "Bearer " + token_) return refused({401, 10000, "Authentication error"});
    if (!request.body.empty() && request.header("content-type") != "application/json") {
      return refused({400, 9207, "content type"});
    }
    const std::size_t mark = request.target.find('?');
    std::string path = request.target.substr(0, mark);
    if (!path.starts_with("/client/v4/")) return refused({404, 7003, "Could not route"});
    path = path.substr(10);
    const auto query =
        parsed_query(mark == std::string::npos ? "" : request.target.substr(mark + 1));
    if (path == "/user/tokens/verify") return verify();
    if (path == "/zones") return list_zones(query);
    if (path.starts_with("/zones/")) return in_zone(request, path.substr(7), query);
    return refused({404, 7003, "Could not route"});
  }

  static std::map<std::string, std::string> parsed_query(const std::string& text) {
    std::map<std::string, std::string> out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('&', at), text.size());
      const std::string one = text.substr(at, end - at);
      out[one.substr(0, one.find('='))] = one.substr(one.find('=') + 1);
      at = end + 1;
    }
    return out;
  }

  FakeReply verify() {
    if (!users_token) return refused({401, 1000, "Invalid API Token"});
    Json told = Json::object({{"id", std::string(32, 'e')}, {"status", token_status}});
    if (!expires_on.empty()) told.set("expires_on", expires_on);
    if (!not_before.empty()) told.set("not_before", not_before);
    return answered(std::move(told));
  }

  static Json zone_json(const Zone& zone) {
    Json out = Json::object({{"id", zone.id}, {"name", zone.name}, {"status", zone.status}});
    Json servers = Json::array();
    for (const std::string& server : zone.name_servers) servers.push(server);
    out.set("name_servers", std::move(servers));
    return out;
  }

  FakeReply list_zones(const std::map<std::string, std::string>& query) {
    if (!may_read_zones) return refused({403, 9109, "Unauthorized to access requested resource"});
    Json::Array found;
    for (const Zone& zone : zones) {
      if (zone.name == lowered(query.at("name"))) found.push_back(zone_json(zone));
    }
    return page(found, query);
  }

  FakeReply page(const Json::Array& all, const std::map<std::string, std::string>& query) {
    const std::size_t size = std::stoul(query.at("per_page"));
    const std::size_t number = std::stoul(query.at("page"));
    Json::Array part;
    for (std::size_t k = (number - 1) * size; k < std::min(number * size, all.size()); ++k) {
      if (part.size() == page_most) break;
      part.push_back(all[k]);
    }
    Json about =
        Json::object({{"page", static_cast<std::int64_t>(number)},
                      {"per_page", static_cast<std::int64_t>(size)},
                      {"count", static_cast<std::int64_t>(part.size())},
                      {"total_count", static_cast<std::int64_t>(all.size())},
                      {"total_pages", static_cast<std::int64_t>((all.size() + size - 1) / size)}});
    return answered(Json(std::move(part)), std::move(about));
  }

  FakeReply in_zone(const FakeRequest& request, const std::string& path,
                    const std::map<std::string, std::string>& query) {
    const std::string id = path.substr(0, path.find('/'));
    const auto zone =
        std::find_if(zones.begin(), zones.end(), [&](const Zone& z) { return z.id == id; });
    if (zone == zones.end()) {
      return refused({404, 7003,
                      "Could not route to /zones/" + id +
                          ", perhaps your object "
                          "identifier is invalid?"});
    }
    const std::string rest = path.substr(id.size());
    if (rest.empty() && request.method == "GET") {
      if (!may_read_zones) return refused({403, 9109, "Unauthorized to access resource"});
      return answered(zone_json(*zone));
    }
    if (!rest.starts_with("/dns_records")) return refused({404, 7000, "No route for that URI"});
    if (!may_read) return refused({403, 10000, "Authentication error"});
    if (request.method == "GET" && rest == "/dns_records") {
      Json::Array found;
      for (const Row& row : rows) {
        const bool named = ignores_filter || lowered(row.name) == lowered(query.at("name"));
        if (row.zone_id == id && named) found.push_back(row_json(row));
      }
      return page(found, query);
    }
    if (!may_write) return refused({403, 10000, "Authentication error"});
    return write(request, *zone, rest.substr(12));
  }

  static Json row_json(const Row& row) {
    Json out = Json::object({{"id", row.id},
                             {"name", row.name},
                             {"type", row.type},
                             {"content", row.content},
                             {"proxiable", true},
                             {"proxied", row.proxied},
                             {"ttl", row.ttl},
                             {"meta", Json::object()},
                             {"created_on", "2024-05-06T07:08:09.12345Z"},
                             {"modified_on", "2024-05-06T07:08:09.12345Z"}});
    out.set("settings", row.flattened ? Json::object({{"flatten_cname", true}}) : Json::object());
    out.set("tags", Json::array());
    out.set("comment", row.comment.empty() ? Json() : Json(row.comment));
    return out;
  }

  FakeReply write(const FakeRequest& request, const Zone& zone, const std::string& rest) {
    const auto body = Json::parse(request.body);
    if (!body.ok() || !body->is_object()) return refused({400, 9207, "not JSON"});
    std::vector<Row> next = rows;
    Done failed;
    Json result;
    if (request.method == "POST" && rest.empty()) {
      failed = post(next, zone, *body);
      if (!failed) result = row_json(next.back());
    } else if (request.method == "PATCH" && rest.size() == 33) {
      failed = patch(next, zone, rest.substr(1), *body);
      if (!failed) result = row_json(*find(next, rest.substr(1)));
    } else if (request.method == "POST" && rest == "/batch") {
      failed = batch(next, zone, *body);
      result = Json::object({{"deletes", Json::array()},
                             {"patches", Json::array()},
                             {"puts", Json::array()},
                             {"posts", Json::array()}});
    } else {
      return refused({405, 10405, "Method not allowed"});
    }
    if (failed) return refused(*failed);
    if (next != rows) ++changes;
    rows = std::move(next);
    return answered(std::move(result));
  }

  Done batch(std::vector<Row>& next, const Zone& zone, const Json& body) {
    int done = 0;
    const auto more = [&] { return !first_only_ || done++ == 0; };
    for (const Json& one : body.array_or_empty("deletes")) {
      const std::string id = one.string_or("id");
      if (find(next, id) == next.end()) return Refusal{404, 81044, "Record does not exist."};
      if (more()) std::erase_if(next, [&](const Row& row) { return row.id == id; });
    }
    for (const Json& one : body.array_or_empty("patches")) {
      std::vector<Row> tried = next;
      if (auto failed = patch(tried, zone, one.string_or("id"), one)) return failed;
      if (more()) next = std::move(tried);
    }
    for (const Json& one : body.array_or_empty("posts")) {
      std::vector<Row> tried = next;
      if (auto failed = post(tried, zone, one)) return failed;
      if (more()) next = std::move(tried);
    }
    return std::nullopt;
  }

  static std::vector<Row>::iterator find(std::vector<Row>& in, const std::string& id) {
    return std::find_if(in.begin(), in.end(), [&](const Row& row) { return row.id == id; });
  }

  Done patch(std::vector<Row>& next, const Zone& zone, const std::string& id, const Json& body) {
    const auto row = find(next, id);
    if (row == next.end()) return Refusal{404, 81044, "Record does not exist."};
    return fill(next, static_cast<std::size_t>(row - next.begin()), zone, body);
  }

  Done post(std::vector<Row>& next, const Zone& zone, const Json& body) {
    Row row;
    row.id = fresh_id();
    row.zone_id = zone.id;
    next.push_back(row);
    return fill(next, next.size() - 1, zone, body);
  }

  Done fill(std::vector<Row>& next, std::size_t at, const Zone& zone, const Json& body) {
    static const std::set<std::string> kKnown = {"id",      "name",    "type", "content", "ttl",
                                                 "proxied", "comment", "tags", "settings"};
    for (const auto& [key, value] : body.as_object()) {
      if (kKnown.count(key) == 0) complaints.push_back("unknown member " + key);
    }
    for (const char* key : {"name", "type", "content", "ttl", "proxied", "comment"}) {
      if (body.find(key) == nullptr) complaints.push_back(std::string("no member ") + key);
    }
    Row& row = next[at];
    row.name = lowered(body.string_or("name", row.name));
    if (row.name != zone.name && !row.name.ends_with("." + zone.name)) row.name += "." + zone.name;
    row.type = body.string_or("type", row.type);
    row.content = body.string_or("content", row.content);
    row.ttl = body.int_or("ttl", row.ttl);
    row.proxied = body.bool_or("proxied", row.proxied);
    if (body.find("comment") != nullptr) row.comment = body.string_or("comment");
    if (row.ttl != 1 && (row.ttl < ttl_least || row.ttl > 86400)) {
      return Refusal{400, 1004, "DNS Validation Error", 9021};
    }
    if (row.proxied) row.ttl = 1;
    if (row.type == "A" && !is_ipv4(row.content)) {
      return Refusal{400, 1004, "DNS Validation Error", 9005};
    }
    if (row.comment.size() > comment_most) return Refusal{400, 9050, "Comment is too long"};
    return clash(next, at);
  }

  static Done clash(const std::vector<Row>& next, std::size_t at) {
    const Row& row = next[at];
    for (std::size_t k = 0; k < next.size(); ++k) {
      const Row& other = next[k];
      if (k == at || other.zone_id != row.zone_id || other.name != row.name) continue;
      if (other.type == row.type && other.content == row.content) {
        return Refusal{400, 81058, "An identical record already exists."};
      }
      if (other.type == "CNAME") return Refusal{400, 81054, "A CNAME with that host exists."};
      if (row.type == "CNAME" && (other.type == "A" || other.type == "AAAA")) {
        return Refusal{400, 81053, "An A, AAAA, or CNAME with that host already exists."};
      }
    }
    return std::nullopt;
  }

  const std::string token_;
  std::mutex mutex_;
  bool first_only_ = false;
  int late_in_ = 0;
  std::vector<Row> late_rows_;
  FakeHttp server_{[this](const FakeRequest& request) { return serve(request); }};
};

}  // namespace pointsman
