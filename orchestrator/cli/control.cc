#include "orchestrator/cli/control.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <ostream>
#include <utility>

#include <fmt/format.h>

namespace pointsman {
namespace {

constexpr std::size_t kAnswerMost = 64 << 20;

// Asks the kernel once more, for its reason tells what to try.
int connect_errno(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int reason = result == 0 ? 0 : errno;
  ::close(fd);
  return reason;
}

Failure unreachable(const std::string& socket, const Error& error) {
  Failure failure{kExitUnreachable, "unreachable", "", "", ""};
  failure.text = fmt::format("pointsmand is not reachable at {}", socket);
  switch (connect_errno(socket)) {
    case ENOENT:
      failure.text += ": there is no such socket";
      failure.hint =
          "is the daemon running? try: systemctl status pointsmand; if its socket is elsewhere, "
          "name it with --control PATH";
      break;
    case ECONNREFUSED:
      failure.text += ": the socket is there, but nobody listens";
      failure.hint =
          "the daemon has ended; try: systemctl start pointsmand, journalctl -u pointsmand";
      break;
    case EACCES:
    case EPERM:
      failure.text += ": permission denied";
      failure.hint = "become root, or a member of the group that owns the socket";
      break;
    default:
      failure.text += ": " + error.message;
      failure.hint = "look at: systemctl status pointsmand, journalctl -u pointsmand";
  }
  return failure;
}

constexpr const char* kMayHaveActed =
    "it may have acted on it: look at `pointsman status` before you ask again";

Failure silent(const std::string& socket, bool changes, const Error& error) {
  Failure failure{kExitUnreachable, "unreachable", "", "", ""};
  failure.text =
      fmt::format("pointsmand took the request and gave no answer: {}: {}", socket, error.message);
  failure.hint =
      changes ? kMayHaveActed : "look at: systemctl status pointsmand, journalctl -u pointsmand";
  return failure;
}

// From problem JSON (RFC 9457), or from whatever came.
Failure refused(const HttpAnswer& answer, const Json& body) {
  Failure failure;
  failure.gate = body.string_or("gate");
  failure.text = body.string_or("detail");
  if (failure.text.empty()) failure.text = body.string_or("title");
  if (failure.text.empty()) failure.text = fmt::format("pointsmand answered {}", answer.status);
  switch (answer.status) {
    case 400:
    case 422:
      failure.exit = kExitUsage;
      failure.code = "invalid";
      break;
    case 404:
      failure.exit = kExitUsage;
      failure.code = "not-found";
      break;
    case 409:
      failure.exit = failure.gate.empty() ? kExitFailed : kExitRefused;
      failure.code = "refused";
      break;
    default: failure.code = "failed";
  }
  return failure;
}

}  // namespace

Answer Control::get(const std::string& path, Duration within) {
  HttpRequest request;
  request.url = "http://localhost" + path;
  return exchange(client_, std::move(request), within);
}

Answer Control::post(const std::string& path, const Json& body, Duration within) {
  HttpRequest request;
  request.method = "POST";
  request.url = "http://localhost" + path;
  request.headers = {{"Content-Type", "application/json"}};
  request.body = body.dump();
  // A question may have been on the screen for long; a kept connection may have died meanwhile.
  HttpClient fresh;
  return exchange(fresh, std::move(request), within);
}

Answer Control::exchange(HttpClient& client, HttpRequest request, Duration within) {
  request.unix_socket = socket_;
  request.answer_most = kAnswerMost;
  request.headers.emplace_back("Accept", "application/json");
  const bool changes = request.method != "GET";
  Answer answer;
  const auto reply = client.exchange(request, within);
  if (!reply.ok()) {
    switch (reply.error().code) {
      case ErrorCode::kTimeout: answer.failure = silent(socket_, changes, reply.error()); break;
      case ErrorCode::kInvalid:
        answer.failure = {kExitFailed, "failed", "",
                          fmt::format("{}: {}", socket_, reply.error().message),
                          changes ? kMayHaveActed : "is that the control socket of pointsmand?"};
        break;
      default: answer.failure = unreachable(socket_, reply.error());
    }
    return answer;
  }
  answer.status = reply->status;
  auto body = Json::parse(reply->body.empty() ? "null" : reply->body, {kAnswerMost, 32});
  if (reply->status >= 400) {
    answer.failure = refused(*reply, body.ok() ? *body : Json());
    return answer;
  }
  if (reply->status >= 300 || !body.ok()) {
    answer.failure = {kExitFailed, "failed", "",
                      fmt::format("{}: no JSON in the answer ({})", socket_,
                                  body.ok() ? std::to_string(reply->status) : body.error().message),
                      "is that the control socket of pointsmand?"};
    return answer;
  }
  answer.body = std::move(*body);
  return answer;
}

std::string encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        std::isalnum(byte) != 0 || byte == '-' || byte == '_' || byte == '.' || byte == '~';
    out += plain && byte < 0x80 ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

Json failure_json(const Failure& failure) {
  Json error = Json::object({{"code", failure.code}, {"detail", failure.text}});
  if (!failure.gate.empty()) error.set("gate", failure.gate);
  if (!failure.hint.empty()) error.set("hint", failure.hint);
  return error.set("exit", static_cast<int>(failure.exit));
}

int tell(const Failure& failure, bool json, const Terminal& terminal) {
  if (json) {
    terminal.out << Json::object({{"error", failure_json(failure)}}).dump() << "\n" << std::flush;
  }
  std::string text = "pointsman: ";
  if (!failure.gate.empty()) text += "refused by the gate " + failure.gate + ": ";
  text += failure.text;
  terminal.err << shown(text) << "\n";
  if (!failure.hint.empty()) terminal.err << "  " << shown(failure.hint) << "\n";
  terminal.err << std::flush;
  return failure.exit;
}

}  // namespace pointsman
