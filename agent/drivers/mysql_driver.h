#pragma once

#include <set>
#include <string>
#include <vector>

#include "agent/driver.h"
#include "agent/drivers/mysql_connection.h"
#include "agent/drivers/mysql_gtid.h"

// The MariaDB driver. It writes no row anywhere, ever: a stray write on a standby breaks strict
// GTID replication. What it does to a server is in docs/drivers.md, statement by statement.

namespace pointsman {

// What SHOW ALL SLAVES STATUS and the variables say, read in one go.
struct MysqlState {
  bool read_only = false;
  std::uint32_t server_id = 0;
  bool strict = false;
  GtidPosition current;  // All that is executed here, replicated or written here.
  GtidPosition applied;  // gtid_slave_pos.
  std::string binlog_state;
  bool semi_sync_source = false;  // Enabled here, for replicas of ours.
  Duration semi_sync_for{0};
  bool semi_sync_replica = false;  // Enabled here, towards our source.

  // Replication. More than one source is refused by the verbs that change it.
  std::size_t sources = 0;
  std::string connection;  // Name; "" by default.
  std::string host;
  int port = 0;
  std::string io;  // "Yes", "No", "Connecting", "Preparing".
  bool applier = false;
  std::string applier_state;
  std::string using_gtid;
  GtidPosition queued;  // Gtid_IO_Pos: received whole.
  std::string io_error;
  std::string applier_error;
  std::optional<Duration> lag;
  int delay_s = 0;
  // Of the relay log, by source position; they outlive a restart of the server, Gtid_IO_Pos does
  // not.
  std::string read_at;
  std::string executed_at;
  std::string relay_file;
  std::string relay_pos;

  bool replica() const { return sources > 0; }
  bool receiving() const { return io != "No" && !io.empty(); }
  bool all_applied() const { return holds(applied, queued); }
};

class MysqlDriver : public Driver {
 public:
  explicit MysqlDriver(const MysqlSettings& settings);

  std::string name() const override { return "mysql"; }
  bool is_store() const override { return true; }
  StoreReport report(Duration within) override;
  Result<void> fence(FenceDepth depth, Duration within) override;
  Result<void> unfence(Duration within) override;
  Result<void> promote(Duration within) override;
  Result<void> follow(const FollowTarget& target, Duration within) override;
  Result<void> keep_standby(Duration within) override;
  std::vector<std::string> render(const std::string& verb) override;
  std::optional<bool> contains(const std::string& received,
                               const std::string& executed) const override;

 private:
  Result<MysqlState> read_state(Instant deadline);
  Result<void> read_replication(MysqlState& state, Instant deadline);
  Result<void> command(const std::string& sql, Instant deadline);
  // kRefused names the GRANT that is missing, for a fence or for a move as well.
  Result<void> need_privileges(bool move, Instant deadline);

  // Fencing (mysql_driver.cc).
  Result<void> close_writes(Instant deadline);
  Result<std::set<std::uint64_t>> kill_clients(MysqlConnection& by, Instant deadline);
  Result<std::set<std::uint64_t>> clients(MysqlConnection& by, Instant deadline);
  Result<void> wait_until_gone(const std::set<std::uint64_t>& killed, Instant deadline);
  Result<void> confirm_read_only(bool wanted, Instant deadline);
  Result<void> open_writes(Instant deadline);

  // Moving (mysql_moves.cc).
  Result<void> leave_source(const MysqlState& state, Instant deadline);
  Result<void> kill_receiver(Instant deadline);
  Result<void> stop_receiver(const MysqlState& state, Instant deadline);
  Result<void> ensure_applier(Instant deadline);
  Result<void> wait_until_applied(Instant deadline);
  Result<void> stand_alone(Instant deadline);
  Result<void> refuse_divergence(const MysqlState& own, const Endpoint& source, Instant deadline);
  Result<void> start_following(const MysqlState& own, const HostPort& source, Instant deadline);
  Result<void> wait_until_following(Instant deadline);
  std::string change_to(const MysqlState& own, const HostPort& source,
                        const std::string& password) const;

  const MysqlSettings settings_;
  // Two connections are kept: one for statements that may wait, one to watch and to kill by.
  MysqlConnection main_;
  MysqlConnection second_;
  std::optional<std::uint64_t> taken_over_;  // Transactions held when it was promoted, in this run.
};

}  // namespace pointsman
