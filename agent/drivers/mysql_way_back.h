#pragma once

#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/drivers/mysql_connection.h"
#include "agent/drivers/mysql_gtid.h"
#include "agent/rejoiner.h"

// MariaDB on the way back: compared by GTID, written down by mariadb-binlog, replaced by a dump of
// the site in power taken in one consistent snapshot. All but the comparison is done by the account
// `seed_user`, which both sites have (docs/drivers.md says with which rights).

namespace pointsman {

class MysqlWayBack final : public WayBack {
 public:
  explicit MysqlWayBack(const MysqlSettings& settings) : settings_(settings) {}

  std::string name() const override { return "mysql"; }
  Result<std::string> survey(const std::string& source, Duration within) override;
  Result<Json> write_down(const std::string& source, const std::string& folder,
                          const WayBackWatch& watch) override;
  Result<void> preflight(const std::string& source, const std::string& folder) override;
  Result<void> copy(const std::string& source, const std::string& folder,
                    const WayBackWatch& watch) override;
  Result<void> replace(const std::string& source, const std::string& folder,
                       const WayBackWatch& watch) override;

 private:
  struct Comparison {
    std::vector<Fork> forks;
    GtidPosition logged;  // Where the binary log here ends.
  };
  Result<Comparison> compare(const std::string& source, Instant deadline);
  Result<MysqlSettings> seed_at(const std::string& source) const;
  Result<MysqlSettings> seed_here() const;
  Result<std::vector<std::string>> databases(MysqlConnection& at, Instant deadline);
  Result<void> refuse_uncopyable(MysqlConnection& there, const std::string& folder,
                                 Instant deadline);
  Result<void> end_others(MysqlConnection& here);
  Result<void> empty(MysqlConnection& here);
  Result<void> hand_over(MysqlConnection& here, const std::string& gtid);

  const MysqlSettings settings_;
};

// An option file that lets the client programs in; removed with its object.
class MysqlLogin {
 public:
  static Result<MysqlLogin> make(const std::string& folder, const MysqlSettings& as);
  MysqlLogin(MysqlLogin&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  MysqlLogin& operator=(MysqlLogin&&) = delete;
  ~MysqlLogin();

  std::string option() const { return "--defaults-file=" + path_; }

 private:
  explicit MysqlLogin(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// An identifier as SQL has it, quotes included.
std::string sql_name(const std::string& name);

}  // namespace pointsman
