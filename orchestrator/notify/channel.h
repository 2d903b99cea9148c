#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/http.h"
#include "base/smtp.h"
#include "orchestrator/notify/notice.h"
#include "orchestrator/notify/settings.h"

// A channel turns a message into a request, and reads the reply. It sends nothing itself, keeps no
// history and asks no clock: what to send when is the outbox's matter, sending that of carry().

namespace pointsman {

// For a channel that tracks how things stand: one of them, with its words.
struct TrackedNotice {
  NoticeItem item;
  bool lasting = false;  // It stands until it is over; else it is news.
  std::string title;
  std::string text;
};

// One message, in the channel's language.
struct NoticeMessage {
  std::string id;
  Urgency level = Urgency::kNote;
  std::string title;                   // One line.
  std::string text;                    // Several; without the title.
  std::vector<NoticeItem> items;       // The same for machines; empty in a test.
  std::vector<TrackedNotice> tracked;  // For channels that track.
  std::string short_what;              // A few plain words, for an SMS.
  bool test = false;                   // Asked for by a person, or the weekly one.
  std::string monitor;
  std::string link;
};

// What composing depends on besides.
struct SendingNow {
  WallTime wall;
  std::string nonce;  // 32 hex digits, drawn anew for each attempt.
};

struct SmtpRequest {
  SmtpServer server;
  Mail mail;
  bool only_login = false;
};

struct Outgoing {
  std::variant<HttpRequest, SmtpRequest> what;
  std::string ca_file{};  // Of https.
};

// What came back; `error` is set when nothing that could be judged did.
struct ChannelReply {
  std::optional<Error> error;
  int status = 0;
  std::string body;  // Of a mail server: its last words.
  std::string retry_after;
  std::vector<std::string> remarks;  // Recipients not taken.
};

enum class Receipt { kGiven, kTryAgain, kRefused };

struct Judged {
  Receipt receipt = Receipt::kTryAgain;
  std::string why;    // Also with a receipt, when something is worth a look. May repeat secrets.
  Duration pause{0};  // The far side wants to be left alone for so long.
};

class Channel {
 public:
  virtual ~Channel() = default;

  virtual Outgoing compose(const NoticeMessage& message, const SendingNow& now) const = 0;
  virtual Judged judge(const ChannelReply& reply) const = 0;

  // Something that reaches nobody, and shows whether a message would be taken; kRefused when it
  // would not, kTryAgain when that cannot be told.
  virtual Outgoing compose_probe(const SendingNow& now) const = 0;
  virtual Judged judge_probe(const ChannelReply& reply) const = 0;

  // Wants to know how things stand, each minute, and not only what is new.
  virtual bool tracks() const { return false; }

  // That compose() may have put into a request: what must not be shown.
  virtual std::vector<std::string> secrets() const = 0;
};

// --- The types. Each is one file, and a line in channel_kinds.cc.

struct ChannelKey {
  enum class Kind { kText, kTexts, kUrl, kFile };
  std::string name;
  Kind kind = Kind::kText;
  bool required = false;
  std::string allowed;  // For a complaint: "\"host:port\", as \"smtp.example.net:587\"".
  std::string usual = {};
};

struct ChannelComplaint {
  std::string key;
  std::string allowed;
  std::string message;
  bool of_credentials = false;
};

struct ChannelKind {
  std::string type;
  std::vector<ChannelKey> keys;         // Beside those that every channel has.
  std::vector<ChannelKey> credentials;  // The same.
  NoticeBudget usual;
  NoticeBudget most;  // What the far side bears; a budget must stay within.
  std::vector<ChannelComplaint> (*check)(const NoticeSettings& settings);
  std::unique_ptr<Channel> (*make)(const NoticeSettings& settings);
  Urgency least = Urgency::kNote;  // Sent where nothing else is said.
};

const std::vector<ChannelKind>& channel_kinds();
const ChannelKind* channel_kind(std::string_view type);  // nullptr: there is none.

// Whether `budget` stays within `most` in every window of either length.
bool is_within(const NoticeBudget& budget, const NoticeBudget& most);
std::string budget_text(const NoticeBudget& budget);  // "10/1m"
std::optional<NoticeBudget> budget_from(std::string_view text);

// --- For the channels' files.

// An answer by HTTP status alone: 2xx is a receipt; 408, 425, 429 and 5xx may pass; the rest stays.
Judged judge_status(const ChannelReply& reply);
// Of an error without an answer.
Judged judge_error(const Error& error);
// "Retry-After" in seconds, an hour at most; zero when it says nothing.
Duration pause_of(const ChannelReply& reply);
// At most so many bytes of it, whole characters; "..." shows a cut.
std::string cut_text(std::string_view text, std::size_t most);
HttpRequest json_post(std::string url, std::string body);
// An endpoint with which a path or query goes on: without a slash at its end.
std::string endpoint_of(const NoticeSettings& settings, const std::string& key);

ChannelKind email_kind();
ChannelKind sms_kind();
ChannelKind wecom_kind();
ChannelKind dingtalk_kind();
ChannelKind feishu_kind();
ChannelKind webhook_kind();
ChannelKind alertmanager_kind();

}  // namespace pointsman
