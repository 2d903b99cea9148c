#include "base/http_server_turn.h"

#include <httplib.h>

#include <algorithm>

#include "base/log.h"

namespace pointsman {
namespace {

constexpr std::size_t kHeldMost = 64 << 10;

// What cpp-httplib reads: one request line. What it writes is held back and leaves in one piece
// (one TLS record, one packet for a small reply) until a stream begins.
class LineStream final : public httplib::Stream {
 public:
  LineStream(const RequestHead& head, const std::function<bool(std::string_view)>& write)
      : input_(head.method + " " + head.target + " HTTP/1.1\r\n\r\n"), write_(write) {}

  bool is_readable() const override { return read_ < input_.size(); }
  bool is_writable() const override { return good_; }
  ssize_t read(char* into, std::size_t size) override {
    const std::size_t some = std::min(size, input_.size() - read_);
    input_.copy(into, some, read_);
    read_ += some;
    return static_cast<ssize_t>(some);
  }
  ssize_t write(const char* bytes, std::size_t size) override {
    held_.append(bytes, size);
    if ((streaming_ || held_.size() > kHeldMost) && !flush()) return -1;
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& /*ip*/, int& port) const override { port = 0; }
  void get_local_ip_and_port(std::string& /*ip*/, int& port) const override { port = 0; }
  socket_t socket() const override { return 0; }

  bool flush() {
    good_ = good_ && (held_.empty() || write_(held_));
    held_.clear();
    return good_;
  }
  bool begin_stream() {
    streaming_ = true;
    return flush();
  }

 private:
  const std::string input_;
  const std::function<bool(std::string_view)>& write_;
  std::size_t read_ = 0;
  std::string held_;
  bool streaming_ = false;
  bool good_ = true;
};

bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

void set_headers(const HttpReply& reply, httplib::Response& response) {
  for (const auto& [name, value] : reply.headers) {
    if (is_clean(name) && is_clean(value)) {
      response.headers.emplace(name, value);
    } else {
      log(LogLevel::kError, "http-header-dropped", {{"name", name}});
    }
  }
  // Nothing here is for a cache or for guessing at, unless the route says so.
  if (!response.has_header("Cache-Control")) response.set_header("Cache-Control", "no-store");
  response.set_header("X-Content-Type-Options", "nosniff");
}

// A Server of one connection: no listener, no pool, no routes of its own.
class OneServer final : private httplib::Server {
 public:
  explicit OneServer(const HttpTurn& turn) : turn_(turn), stream_(turn.head, turn.write) {
    svr_sock_ = 0;  // Any but INVALID_SOCKET, which would mean that it is shutting down.
    keep_alive_timeout_sec_ = static_cast<std::time_t>(seconds(turn.idle_most));
    keep_alive_max_count_ = 10'000;
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      respond(request, response);
      return HandlerResponse::Handled;
    });
  }

  bool run() {
    bool closed = false;
    const bool written = take_turn(*this, closed);
    return stream_.flush() && written;
  }

 private:
  // Newer versions, as 0.18, ask for the addresses of both ends too; we read them nowhere.
  template <typename Self>
  static bool take_turn(Self& self, bool& closed) {
    const bool close = self.turn_.close;
    if constexpr (requires { self.process_request(self.stream_, close, closed, nullptr); }) {
      return self.process_request(self.stream_, close, closed, nullptr);
    } else {
      return self.process_request(self.stream_, "", 0, "", 0, close, closed, nullptr);
    }
  }

  HttpReply answer(const httplib::Request& request) {
    HttpHeaders query(request.params.begin(), request.params.end());
    if (auto fault =
            fault_of_path(turn_.head.target.substr(0, turn_.head.target.find('?')), request.path)) {
      return problem(fault->status, "Bad Request", fault->detail);
    }
    try {
      return turn_.answer(request.path, std::move(query));
    } catch (const std::exception& exception) {
      log(LogLevel::kError, "http-route-failed",
          {{"path", request.path}, {"what", exception.what()}});
      return problem(500, "Internal Server Error", "the request could not be served");
    }
  }

  void respond(const httplib::Request& request, httplib::Response& response) {
    HttpReply reply = answer(request);
    response.status = reply.status;
    set_headers(reply, response);
    if (!reply.stream) {
      response.set_content(reply.body, reply.content_type);
      return;
    }
    stream_of_reply_ = std::move(reply.stream);
    response.set_chunked_content_provider(
        reply.content_type,
        [this](std::size_t /*offset*/, httplib::DataSink& sink) { return pump(sink); });
  }

  // Calls the stream once; ends the reply when it is over.
  bool pump(httplib::DataSink& sink) {
    if (!stream_.begin_stream()) return false;
    const auto write = [&](std::string_view bytes) {
      // An empty chunk would end the body.
      if (!bytes.empty()) sink.write(bytes.data(), bytes.size());
      return stream_.is_writable();
    };
    bool more = false;
    try {
      more = stream_of_reply_(write);
    } catch (const std::exception& exception) {
      log(LogLevel::kError, "http-route-failed", {{"what", exception.what()}});
      return false;
    }
    if (!stream_.is_writable()) return false;
    if (!more) sink.done();
    return true;
  }

  const HttpTurn& turn_;
  LineStream stream_;
  std::function<bool(const std::function<bool(std::string_view)>&)> stream_of_reply_;
};

}  // namespace

bool take_turn(const HttpTurn& turn) { return OneServer(turn).run(); }

}  // namespace pointsman
