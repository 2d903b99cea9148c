#include "agent/drivers/redis_connection.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace pointsman {
namespace {

void free_reply(void* reply) { freeReplyObject(reply); }

RedisReply copy(const redisReply& reply) {
  RedisReply copied;
  copied.error = reply.type == REDIS_REPLY_ERROR;
  if (reply.type == REDIS_REPLY_INTEGER) {
    copied.text = std::to_string(reply.integer);
  } else if (reply.str != nullptr) {
    copied.text.assign(reply.str, static_cast<std::size_t>(reply.len));
  }
  for (std::size_t i = 0; i < reply.elements; ++i) {
    RedisReply element = copy(*reply.element[i]);
    if (reply.element[i]->type != REDIS_REPLY_ARRAY) {
      copied.elements.push_back(std::move(element.text));
    } else {  // A list within, as SCAN tells its keys.
      std::move(element.elements.begin(), element.elements.end(),
                std::back_inserter(copied.elements));
    }
  }
  return copied;
}

Result<std::string> encode(const std::vector<std::string>& command) {
  std::vector<const char*> words;
  std::vector<std::size_t> lengths;
  for (const auto& word : command) {
    words.push_back(word.data());
    lengths.push_back(word.size());
  }
  char* bytes = nullptr;
  const auto length =  // Of newer versions a long long.
      redisFormatCommandArgv(&bytes, static_cast<int>(words.size()), words.data(), lengths.data());
  if (length < 0) return {ErrorCode::kInternal, "redis: out of memory"};
  std::string encoded(bytes, static_cast<std::size_t>(length));
  redisFreeCommand(bytes);
  return encoded;
}

// Ready for `events`, or the error it is.
Result<void> wait_for(int fd, short events, Instant deadline, const std::string& address) {
  for (;;) {
    pollfd wait{fd, events, 0};
    const int ready = ::poll(&wait, 1, poll_ms(deadline));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) {
      return {ErrorCode::kInternal, fmt::format("redis at {}: {}", address, std::strerror(errno))};
    }
    if (passed(deadline)) {
      return {ErrorCode::kTimeout, fmt::format("redis at {}: no answer in time", address)};
    }
  }
}

}  // namespace

RedisConnection::RedisConnection(std::string address, std::string password, std::size_t answer_most)
    : address_(std::move(address)), password_(std::move(password)), answer_most_(answer_most) {}

RedisConnection::~RedisConnection() { close(); }

void RedisConnection::close() {
  socket_.reset();
  if (reader_ != nullptr) redisReaderFree(reader_);
  reader_ = nullptr;
}

Result<void> RedisConnection::open(Instant deadline) {
  if (socket_.open()) return {};
  auto endpoint = parse_endpoint(address_);
  if (!endpoint) return Error{endpoint.error().code, "redis: " + endpoint.error().message};
  auto connected = connect_to(*endpoint, deadline);
  if (!connected) return Error{connected.error().code, "redis: " + connected.error().message};
  socket_ = std::move(*connected);
  reader_ = redisReaderCreate();
  if (reader_ == nullptr) {
    close();
    return {ErrorCode::kInternal, "redis: out of memory"};
  }
  if (password_.empty()) return {};
  auto reply = exchange({"AUTH", password_}, deadline);
  if (!reply) return reply.error();
  if (reply->error) {
    close();
    return {ErrorCode::kRefused, fmt::format("redis at {}: AUTH: {}", address_, reply->text)};
  }
  return {};
}

Result<void> RedisConnection::send(const std::string& bytes, Instant deadline) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n =
        ::send(socket_.fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      return {ErrorCode::kUnavailable,
              fmt::format("redis at {}: connection lost: {}", address_, std::strerror(errno))};
    }
    RETURN_IF_ERROR(wait_for(socket_.fd(), POLLOUT, deadline, address_));
  }
  return {};
}

Result<RedisReply> RedisConnection::receive(Instant deadline) {
  for (std::size_t received = 0; received <= answer_most_;) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_, &raw) != REDIS_OK) {
      return {ErrorCode::kUnavailable,
              fmt::format("redis at {}: not the Redis protocol: {}", address_, reader_->errstr)};
    }
    if (raw != nullptr) {
      const std::unique_ptr<void, void (*)(void*)> reply(raw, free_reply);
      return copy(*static_cast<redisReply*>(raw));
    }
    RETURN_IF_ERROR(wait_for(socket_.fd(), POLLIN, deadline, address_));
    char buffer[16 << 10];
    const ssize_t n = ::recv(socket_.fd(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n > 0) {
      received += static_cast<std::size_t>(n);
      if (redisReaderFeed(reader_, buffer, static_cast<std::size_t>(n)) != REDIS_OK) {
        return {ErrorCode::kInternal, "redis: " + std::string(reader_->errstr)};
      }
      continue;
    }
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return {ErrorCode::kUnavailable,
            fmt::format("redis at {}: connection lost: {}", address_,
                        n == 0 ? "closed by the server" : std::strerror(errno))};
  }
  return {ErrorCode::kInvalid, fmt::format("redis at {}: an endless answer", address_)};
}

Result<RedisReply> RedisConnection::exchange(const std::vector<std::string>& command,
                                             Instant deadline) {
  auto bytes = encode(command);
  if (!bytes) return bytes.error();
  auto sent = send(*bytes, deadline);
  if (!sent) {
    close();
    return sent.error();
  }
  auto reply = receive(deadline);
  if (!reply) close();  // A late answer must not be taken for that of the next command.
  return reply;
}

Result<RedisReply> RedisConnection::run(const std::vector<std::string>& command, Instant deadline) {
  for (int attempt = 0;; ++attempt) {
    const bool kept = socket_.open();
    if (auto opened = open(deadline); !opened) {
      close();
      return opened.error();
    }
    auto reply = exchange(command, deadline);
    const bool lost = !reply && reply.error().code == ErrorCode::kUnavailable;
    if (lost && kept && attempt == 0) continue;
    if (reply && reply->error) {
      return {ErrorCode::kRefused,
              fmt::format("redis at {}: {}: {}", address_, command[0], reply->text)};
    }
    return reply;
  }
}

}  // namespace pointsman
