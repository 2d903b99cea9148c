#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/address.h"
#include "base/crypto.h"
#include "base/utf8.h"
#include "orchestrator/notify/channel.h"
#include "orchestrator/notify/mail_text.h"

namespace pointsman {
namespace {

constexpr std::size_t kWordBytes = 42;  // In base64 with its frame: below the 75 of RFC 2047.
constexpr std::size_t kLineBytes = 57;  // 76 characters of base64.

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7F; });
}

std::string in_lines(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += kLineBytes) {
    out += base64(bytes.substr(at, kLineBytes)) + "\r\n";
  }
  return out;
}

}  // namespace

std::string mail_subject(std::string_view text) {
  if (is_ascii(text) && text.size() <= 60 && text.find("=?") == std::string_view::npos) {
    return std::string(text);
  }
  std::string out;
  while (!text.empty()) {
    std::size_t size = 0;  // Whole characters only.
    while (size < text.size()) {
      const std::size_t length = std::max<std::size_t>(utf8_length(text.substr(size)), 1);
      if (size + length > kWordBytes) break;
      size += length;
    }
    if (!out.empty()) out += "\r\n ";
    out += "=?utf-8?B?" + base64(text.substr(0, size)) + "?=";
    text.remove_prefix(size);
  }
  return out;
}

std::string mail_date(WallTime at) {
  constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = at.ns / 1'000'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000",
                     kDays.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                     kMonths.at(static_cast<std::size_t>(parts.tm_mon)), 1900 + parts.tm_year,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string mail_content(const MailParts& parts) {
  std::string text;
  for (const char c : parts.text) {
    if (c == '\n') text += '\r';
    text += c;
  }
  const std::string host = parts.from.substr(parts.from.find('@') + 1);
  return fmt::format(
      "From: pointsman <{}>\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{}@{}>\r\n"
      "Auto-Submitted: auto-generated\r\n{}MIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
      parts.from, fmt::join(parts.to, ",\r\n "), mail_subject(parts.subject), mail_date(parts.at),
      parts.id, host, parts.urgent ? "X-Priority: 1\r\nImportance: high\r\n" : "", in_lines(text));
}

namespace {

class Email final : public Channel {
 public:
  explicit Email(const NoticeSettings& settings)
      : from_(settings.option("from")), to_(settings.list("to")) {
    const HostPort place = host_port_from(settings.option("server")).value_or(HostPort{});
    server_.host = place.host;
    server_.port = place.port;
    const std::string tls = settings.option("tls", place.port == 465 ? "implicit" : "starttls");
    server_.implicit_tls = tls == "implicit";
    server_.ca_file = settings.option("ca");
    server_.greeting = from_.substr(from_.find('@') + 1);
    server_.username = settings.credential("username");
    server_.password = settings.credential("password");
  }

  Outgoing compose(const NoticeMessage& message, const SendingNow& now) const override {
    Mail mail{from_, to_, ""};
    mail.content = mail_content({from_, to_, message.title, message.text + "\n", message.id,
                                 now.wall, message.level == Urgency::kUrgent});
    return {SmtpRequest{server_, std::move(mail), false}};
  }

  Judged judge(const ChannelReply& reply) const override {
    if (reply.error) return judge_error(*reply.error);
    if (reply.remarks.empty()) return {Receipt::kGiven, "", {}};
    return {Receipt::kGiven,
            fmt::format("not taken for every recipient: {}", fmt::join(reply.remarks, "; ")),
            {}};
  }

  Outgoing compose_probe(const SendingNow&) const override {
    return {SmtpRequest{server_, {}, true}};
  }

  Judged judge_probe(const ChannelReply& reply) const override {
    if (reply.error) return judge_error(*reply.error);
    const char* how =
        server_.username.empty() ? "TLS is sound, without a login" : "TLS and login are sound";
    return {Receipt::kGiven, how, {}};
  }

  std::vector<std::string> secrets() const override { return {server_.password}; }

 private:
  const std::string from_;
  const std::vector<std::string> to_;
  SmtpServer server_;
};

bool is_mailbox(const std::string& text) {
  const auto at = text.find('@');
  if (at == std::string::npos || at == 0 || !is_host_name(text.substr(at + 1))) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7F && std::string_view("<>()[]\\,;:\"").find(c) == std::string::npos;
  });
}

std::vector<ChannelComplaint> check(const NoticeSettings& settings) {
  std::vector<ChannelComplaint> out;
  const std::string server = settings.option("server");
  const auto place = host_port_from(server);
  const bool sound = place && place->port > 0 && (is_host_name(place->host) || is_ip(place->host));
  if (!server.empty() && !sound) {
    out.push_back({"server", "\"host:port\", as \"smtp.example.net:587\"", ""});
  }
  constexpr const char* kMailbox = "addresses, as \"admin@example.net\"";
  const std::string from = settings.option("from");
  if (!from.empty() && !is_mailbox(from)) out.push_back({"from", kMailbox, ""});
  for (const std::string& one : settings.list("to")) {
    if (!is_mailbox(one)) out.push_back({"to", kMailbox, fmt::format("\"{}\" is none", one)});
  }
  const std::string tls = settings.option("tls", "starttls");
  if (tls != "starttls" && tls != "implicit") {
    out.push_back({"tls", "starttls | implicit (the default at port 465)", ""});
  }
  const bool user = !settings.credential("username").empty();
  if (user == settings.credential("password").empty()) {
    out.push_back(
        {user ? "password" : "username", "username and password, or neither", "is missing", true});
  }
  return out;
}

}  // namespace

ChannelKind email_kind() {
  using enum ChannelKey::Kind;
  return {"email",
          {{"server", kText, true, "\"host:port\", as \"smtp.example.net:587\""},
           {"from", kText, true, "an address, as \"pointsman@example.net\""},
           {"to", kTexts, true, "addresses, as [\"admin@example.net\"]"},
           {"tls", kText, false, "starttls | implicit"},
           {"ca", kFile, false, "a PEM file"}},
          {{"username", kText, false, "a name"}, {"password", kText, false, "its password"}},
          {20, 1min},
          {1000, 1min},
          check,
          [](const NoticeSettings& s) -> std::unique_ptr<Channel> {
            return std::make_unique<Email>(s);
          }};
}

}  // namespace pointsman
