#include "orchestrator/notify/carry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace pointsman {
namespace {

constexpr std::size_t kRenderedMost = 8000;

ChannelReply carry_http(const HttpRequest& request, const std::string& ca_file, Duration within) {
  TlsIdentity tls;
  tls.ca_file = ca_file;
  HttpClient client(tls);
  ChannelReply reply;
  auto answer = client.exchange(request, within);
  if (!answer.ok()) {
    reply.error = answer.error();
    return reply;
  }
  reply.status = answer->status;
  reply.retry_after = answer->header("retry-after");
  reply.body = std::move(answer->body);
  return reply;
}

ChannelReply carry_mail(const SmtpRequest& request, Duration within) {
  ChannelReply reply;
  auto done = request.only_login ? try_smtp(request.server, within)
                                 : send_mail(request.server, request.mail, within);
  if (!done.ok()) {
    reply.error = done.error();
    return reply;
  }
  reply.status = 250;
  reply.body = std::move(done->reply);
  reply.remarks = std::move(done->refused);
  return reply;
}

std::string shown_http(const HttpRequest& request) {
  std::string out = request.method + " " + request.url + "\n";
  for (const auto& [name, value] : request.headers) {
    // Made of secrets: of no use to people, and not always in a spelling that a mask knows.
    const bool proof = lowered(name) == "authorization" || lowered(name).ends_with("signature");
    out += name + ": " + (proof ? "***" : value) + "\n";
  }
  return out + "\n" + request.body;
}

std::string shown_mail(const SmtpRequest& request) {
  const SmtpServer& server = request.server;
  const std::string& content = request.mail.content;
  const auto end = content.find("\r\n\r\n");
  return fmt::format("mail server {}:{} ({}{})\n{}", server.host, server.port,
                     server.implicit_tls ? "TLS" : "STARTTLS",
                     server.username.empty() ? ", no login" : ", login " + server.username,
                     content.substr(0, end));
}

// "...&sign=%2F3w6...": a proof, as a header's.
std::string without_sign(std::string text) {
  for (const std::string_view name : {"&sign=", "\"sign\":\""}) {
    const auto at = text.find(name);
    if (at == std::string::npos) continue;
    const auto begin = at + name.size();
    text.replace(begin, text.find_first_of("&\n\"", begin) - begin, "***");
  }
  return text;
}

}  // namespace

ChannelReply carry(const Outgoing& outgoing, Duration within) {
  if (const auto* http = std::get_if<HttpRequest>(&outgoing.what)) {
    return carry_http(*http, outgoing.ca_file, within);
  }
  return carry_mail(std::get<SmtpRequest>(outgoing.what), within);
}

std::string render(const Outgoing& outgoing, const Masking& masking) {
  const auto* http = std::get_if<HttpRequest>(&outgoing.what);
  const std::string text = http != nullptr ? without_sign(shown_http(*http))
                                           : shown_mail(std::get<SmtpRequest>(outgoing.what));
  return cut_text(masking.masked(text), kRenderedMost);
}

}  // namespace pointsman
