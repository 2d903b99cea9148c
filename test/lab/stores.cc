#include "test/lab/stores.h"

#include <errmsg.h>
#include <hiredis/hiredis.h>
#include <mysql.h>

#include <cstdlib>
#include <functional>
#include <utility>

namespace pointsman::lab {

StoreAddress store_address(const Options& options) {
  StoreAddress address;
  address.mysql_socket = options.text_or("mysql-socket", "");
  if (address.mysql_socket.empty()) address.mysql = host_port(options.text("mysql"));
  address.mysql_user = options.text_or("mysql-user", "app");
  address.mysql_password = options.text_or("mysql-password", "app");
  address.redis = host_port(options.text("redis"));
  address.redis_password = options.text_or("redis-password", "");
  return address;
}

namespace {

struct MysqlClose {
  void operator()(MYSQL* mysql) const { mysql_close(mysql); }
};
struct RedisClose {
  void operator()(redisContext* redis) const { redisFree(redis); }
};
struct ReplyFree {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, ReplyFree>;

constexpr timeval kRedisTimeout{0, 400'000};

// Ids are made by the laboratory; anything else is refused rather than quoted.
bool plain_id(const std::string& id) {
  return !id.empty() && id.size() <= 40 &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

}  // namespace

struct Stores::Impl {
  StoreAddress address;
  std::unique_ptr<MYSQL, MysqlClose> mysql;
  std::unique_ptr<redisContext, RedisClose> redis;

  std::string connect_mysql();
  std::string connect_redis();
  std::string query(const std::string& sql);
  Reply command(std::vector<const char*> words, std::string& why);
};

Stores::Stores(StoreAddress address) : impl_(std::make_unique<Impl>()) {
  impl_->address = std::move(address);
}
Stores::~Stores() = default;
Stores::Stores(Stores&&) noexcept = default;
Stores& Stores::operator=(Stores&&) noexcept = default;

std::string Stores::Impl::connect_mysql() {
  mysql.reset(mysql_init(nullptr));
  unsigned timeout = 1;
  mysql_options(mysql.get(), MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
  mysql_options(mysql.get(), MYSQL_OPT_READ_TIMEOUT, &timeout);
  mysql_options(mysql.get(), MYSQL_OPT_WRITE_TIMEOUT, &timeout);
  bool local = !address.mysql_socket.empty();
  if (mysql_real_connect(mysql.get(), local ? nullptr : address.mysql.host.c_str(),
                         address.mysql_user.c_str(), address.mysql_password.c_str(), nullptr,
                         static_cast<unsigned>(address.mysql.port),
                         local ? address.mysql_socket.c_str() : nullptr, 0) != nullptr) {
    return "";
  }
  std::string why = mysql_error(mysql.get());
  mysql.reset();
  return why;
}

// A kept connection that the server had closed meanwhile is replaced once: nothing was sent on it.
std::string Stores::Impl::query(const std::string& sql) {
  bool kept = mysql != nullptr;
  if (!kept) {
    if (std::string why = connect_mysql(); !why.empty()) return why;
  }
  if (mysql_real_query(mysql.get(), sql.data(), sql.size()) == 0) return "";
  unsigned code = mysql_errno(mysql.get());
  std::string why = mysql_error(mysql.get());
  if (code < CR_MIN_ERROR) return why;
  mysql.reset();
  return kept && code == CR_SERVER_GONE_ERROR ? query(sql) : why;
}

std::string Stores::Impl::connect_redis() {
  redis.reset(
      redisConnectWithTimeout(address.redis.host.c_str(), address.redis.port, kRedisTimeout));
  if (redis == nullptr || redis->err != 0) {
    std::string why = redis == nullptr ? "out of memory" : redis->errstr;
    redis.reset();
    return why;
  }
  redisSetTimeout(redis.get(), kRedisTimeout);
  if (address.redis_password.empty()) return "";
  std::string why;
  command({"AUTH", address.redis_password.c_str()}, why);
  return why;
}

Reply Stores::Impl::command(std::vector<const char*> words, std::string& why) {
  bool kept = redis != nullptr;
  if (!kept) why = connect_redis();
  if (!why.empty()) return nullptr;
  Reply reply(static_cast<redisReply*>(
      redisCommandArgv(redis.get(), static_cast<int>(words.size()), words.data(), nullptr)));
  if (reply == nullptr) {
    why = redis->errstr;
    bool closed = redis->err == REDIS_ERR_EOF;
    redis.reset();
    // Adding the same member again changes nothing, so repeating is safe.
    if (kept && closed) {
      why.clear();
      return command(std::move(words), why);
    }
  } else if (reply->type == REDIS_REPLY_ERROR) {
    why.assign(reply->str, reply->len);
  }
  return reply;
}

std::string Stores::mysql_write(const std::string& id, const std::string& site) {
  if (!plain_id(id) || !plain_id(site)) return "not an id";
  return impl_->query("INSERT INTO app.writes (id, site) VALUES ('" + id + "', '" + site + "')");
}

std::string Stores::redis_write(const std::string& id) {
  if (!plain_id(id)) return "not an id";
  std::string why;
  impl_->command({"SADD", "writes", id.c_str()}, why);
  return why;
}

std::string Stores::mysql_ping() {
  std::string why = impl_->query("SELECT COUNT(*) FROM app.ready");
  if (why.empty()) mysql_free_result(mysql_store_result(impl_->mysql.get()));
  return why;
}

std::string Stores::redis_ping() {
  std::string why;
  impl_->command({"PING"}, why);
  return why;
}

std::string Stores::mysql_account() {
  std::string why = impl_->query("SELECT @@global.read_only");
  if (!why.empty()) return "unknown (" + why + ")";
  MYSQL_RES* rows = mysql_store_result(impl_->mysql.get());
  if (rows == nullptr) return "unknown (no rows)";
  MYSQL_ROW row = mysql_fetch_row(rows);
  std::string account = std::string("read_only=") + (row != nullptr && row[0] ? row[0] : "?");
  mysql_free_result(rows);
  return account;
}

std::string Stores::redis_account() {
  std::string why;
  Reply role = impl_->command({"ROLE"}, why);
  if (!why.empty()) return "unknown (" + why + ")";
  Reply least = impl_->command({"CONFIG", "GET", "min-replicas-to-write"}, why);
  if (!why.empty()) return "unknown (" + why + ")";
  bool sound = role->type == REDIS_REPLY_ARRAY && role->elements > 0 &&
               least->type == REDIS_REPLY_ARRAY && least->elements == 2;
  if (!sound) return "unknown (odd reply)";
  return std::string("role=") + role->element[0]->str + " min_replicas=" + least->element[1]->str;
}

}  // namespace pointsman::lab
