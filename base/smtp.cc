#include "base/smtp.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/address.h"
#include "base/http.h"
#include "base/text.h"

namespace pointsman {
namespace {

constexpr std::size_t kWordsMost = 64 << 10;  // Of all that a server may say in one session.
constexpr std::size_t kRefusedMost = 20;

// One session, while libcurl runs it.
struct Session {
  bool wants_login = false;
  bool logged_in = false;  // The server said 235.
  bool content_asked = false;
  std::size_t heard = 0;
  std::string_view left;  // Of the content.
  std::string last;       // Line of the server.
  std::vector<std::string> refused;
  std::string complaint;  // Why we broke it off ourselves.
};

std::size_t on_line(char* bytes, std::size_t size, std::size_t count, void* context) {
  auto& session = *static_cast<Session*>(context);
  const std::string_view raw(bytes, size * count);
  session.heard += raw.size();
  if (session.heard > kWordsMost) {
    session.complaint = fmt::format("the server says more than {} bytes", kWordsMost);
    return 0;
  }
  const std::string_view line = trimmed(raw);
  if (line.starts_with("235")) session.logged_in = true;
  // STARTTLS begins: what was said in the clear before may be anybody's word.
  if (line.starts_with("220")) session.logged_in = false;
  session.last = line;
  const bool no = line.starts_with('4') || line.starts_with('5');
  if (no && session.refused.size() < kRefusedMost) session.refused.emplace_back(line);
  return raw.size();
}

// The door through which the mail leaves: libcurl itself goes on without a login when the server
// offers none.
std::size_t on_content(char* to, std::size_t size, std::size_t count, void* context) {
  auto& session = *static_cast<Session*>(context);
  if (session.wants_login && !session.logged_in) {
    session.complaint = "the server offers no login: nothing is sent without one";
    return CURL_READFUNC_ABORT;
  }
  session.content_asked = true;
  const std::size_t some = std::min(size * count, session.left.size());
  std::memcpy(to, session.left.data(), some);
  session.left.remove_prefix(some);
  return some;
}

bool is_mailbox(std::string_view text) {
  const auto at = text.find('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == text.size()) return false;
  if (text.find('@', at + 1) != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7F && std::string_view("<>()[]\\,;:\"").find(c) == std::string::npos;
  });
}

std::string fault_of(const SmtpServer& server, const Mail& mail) {
  if (server.username.empty() != server.password.empty()) return "a login by halves";
  if (!is_host_name(server.greeting) && !is_ip(server.greeting)) return "no name to greet with";
  if (!is_mailbox(mail.from)) return fmt::format("no sender's address: {}", mail.from);
  for (const std::string& one : mail.to) {
    if (!is_mailbox(one)) return fmt::format("no address: {}", one);
  }
  return mail.to.empty() ? "no recipient" : "";
}

ErrorCode code_of(CURLcode failed, long status, const Session& session) {
  if (status >= 400 && status < 500) return ErrorCode::kUnavailable;
  if (status >= 500) return ErrorCode::kRefused;
  if (!session.complaint.empty()) return ErrorCode::kRefused;
  switch (failed) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_USE_SSL_FAILED:
    case CURLE_LOGIN_DENIED: return ErrorCode::kRefused;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return ErrorCode::kInvalid;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT: return ErrorCode::kInternal;
    default: break;
  }
  const bool all_gone = session.content_asked && session.left.empty();
  return all_gone ? ErrorCode::kTimeout : ErrorCode::kUnavailable;
}

struct Freed {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::string url_of(const SmtpServer& server) {
  const bool v6 = server.host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}/{}", server.implicit_tls ? "smtps" : "smtp", v6 ? "[" : "",
                     server.host, v6 ? "]" : "", server.port, server.greeting);
}

void set_server(CURL* curl, const SmtpServer& server, Session& session, Duration within) {
  curl_easy_setopt(curl, CURLOPT_URL, url_of(server).c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  if (!server.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, server.ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);  // As in base/http.cc.
  }
  if (session.wants_login) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, server.username.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, server.password.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_line);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &session);
  // What a server says besides is not ours to print.
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_line);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &session);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(whole_ms(within) + 1));
}

Result<SmtpReceipt> run(CURL* curl, const SmtpServer& server, Session& session) {
  std::array<char, CURL_ERROR_SIZE> told{};
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, told.data());
  const CURLcode ended = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const std::string who = fmt::format("mail server {}:{}", server.host, server.port);
  if (ended == CURLE_OK) {
    return SmtpReceipt{std::move(session.last), std::move(session.refused)};
  }
  // A refusal may have come before the last line, which then says "250" to our taking leave.
  const std::string said = session.refused.empty() ? "" : session.refused.back();
  std::string detail = session.complaint;
  if (detail.empty()) detail = told[0] != '\0' ? told.data() : curl_easy_strerror(ended);
  if (!said.empty()) detail += fmt::format(" ({})", said);
  if (!said.empty()) status = said.front() == '4' ? 450 : 550;
  return Error{code_of(ended, status, session), fmt::format("{}: {}", who, detail)};
}

}  // namespace

Result<SmtpReceipt> send_mail(const SmtpServer& server, const Mail& mail, Duration within) {
  const std::string fault = fault_of(server, mail);
  if (!fault.empty()) return {ErrorCode::kInvalid, fmt::format("mail: {}", fault)};
  http_global_init();
  const std::unique_ptr<CURL, Freed> curl(curl_easy_init());
  CHECK(curl != nullptr);
  Session session;
  session.wants_login = !server.username.empty();
  session.left = mail.content;
  set_server(curl.get(), server, session, within);
  std::unique_ptr<curl_slist, Freed> to;
  for (const std::string& one : mail.to) {
    curl_slist* longer = curl_slist_append(to.get(), fmt::format("<{}>", one).c_str());
    CHECK(longer != nullptr);
    (void)to.release();  // Begins the longer one.
    to.reset(longer);
  }
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_FROM, fmt::format("<{}>", mail.from).c_str());
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_RCPT, to.get());
  // One wrong address must not keep the others from it.
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_READFUNCTION, on_content);
  curl_easy_setopt(curl.get(), CURLOPT_READDATA, &session);
  return run(curl.get(), server, session);
}

Result<SmtpReceipt> try_smtp(const SmtpServer& server, Duration within) {
  const std::string fault = fault_of(server, {"a@b", {"a@b"}, ""});
  if (!fault.empty()) return {ErrorCode::kInvalid, fmt::format("mail: {}", fault)};
  http_global_init();
  const std::unique_ptr<CURL, Freed> curl(curl_easy_init());
  CHECK(curl != nullptr);
  Session session;
  session.wants_login = !server.username.empty();
  set_server(curl.get(), server, session, within);
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, "NOOP");
  curl_easy_setopt(curl.get(), CURLOPT_NOBODY, 1L);
  auto done = run(curl.get(), server, session);
  if (done.ok() && session.wants_login && !session.logged_in) {
    return {ErrorCode::kRefused, fmt::format("mail server {}:{}: offers no login: nothing would be "
                                             "sent without one",
                                             server.host, server.port)};
  }
  return done;
}

}  // namespace pointsman
