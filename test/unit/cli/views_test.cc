#include "orchestrator/cli/views.h"

#include "test/unit/cli/canned.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>

namespace pointsman {
namespace {

const Paint kPlain(false);

Json parsed(std::string_view text) {
  auto json = Json::parse(text);
  REQUIRE(json.ok());
  return std::move(*json);
}

// Replaces the first `from` of `text`.
std::string with(std::string_view text, std::string_view from, std::string_view to) {
  std::string copy(text);
  const std::size_t at = copy.find(from);
  REQUIRE(at != std::string::npos);
  return copy.replace(at, from.size(), to);
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("status: one service, as it is shown") {
  const std::string text = status_text(parsed(canned::kServices), "im-api", kPlain);
  CHECK(text ==
        R"(im-api  hz is writable, vouched for by monitor and sh; lease 2.7 s, renewed
A restart of the monitor is harmless now (monitor-1, pointsmand 0.1.0)

im-api  steady, epoch 3, mode auto
  hz serves; sh is ready to take over
  SITE  VERDICT  ROLE     WRITABLE  LEASE  LAG    AGENT  PROBE
  hz    up       primary  yes       2.7 s  -      up     200 from 192.0.2.10
  sh    up       standby  no        -      0.2 s  up     200 from 198.51.100.20
  stores
    hz  mysql  up  writable  -  10.11.6
  record  api.example.test A 192.0.2.10: 1 of 2 servers agree, read 0.9 s ago
          192.0.2.54:53 says 198.51.100.20
  last    2026-11-21 03:04:05 UTC, failover of im-api: sh -> hz, done in 3.9 s
)");
}

TEST_CASE("status: all services, trouble told") {
  const std::string text = status_text(parsed(canned::kServices), "", kPlain);
  CHECK(holds(text, "im-api  hz is writable"));
  CHECK(holds(text, "mail    no site is known to be writable\n"));
  CHECK(holds(text, "mail  stuck, epoch 9, mode propose, held: kernel upgrade, published at sh\n"));
  CHECK(holds(text, "  hz    down     primary  ?"));
}

TEST_CASE("status: lone lease, no vouch, no agents, a monitor in doubt") {
  const std::string lone =
      with(with(canned::kServices, R"("vouched_by":["monitor","sh"],"lease_s":2.7)",
                R"("vouched_by":["monitor"],"lease_s":83400)"),
           R"("lone":false)", R"("lone":true)");
  CHECK(holds(status_text(parsed(lone), "im-api", kPlain),
              "vouched for by monitor; lone lease 23 h 10 min, renewed"));
  const std::string nobody =
      with(canned::kServices, R"("vouched_by":["monitor","sh"])", R"("vouched_by":[])");
  CHECK(holds(status_text(parsed(nobody), "im-api", kPlain), "and nobody vouches for it"));
  std::string dns = with(canned::kServices, R"("agent":"up")", R"("agent":"none")");
  dns = with(dns, R"("agent":"up")", R"("agent":"none")");
  CHECK(holds(status_text(parsed(dns), "im-api", kPlain), "hz serves (no agents: DNS alone)"));
  std::string doubt =
      with(canned::kServices, R"("restart_harmless":true)", R"("restart_harmless":false)");
  doubt = with(doubt, R"("blind":"")", R"("blind":"no reference answers")");
  doubt = with(doubt, R"("state":"ok")", R"("state":"disk full")");
  doubt = with(doubt, R"("dry_run":false)", R"("dry_run":true)");
  const std::string text = status_text(parsed(doubt), "", kPlain);
  CHECK(holds(text, "Do not restart the monitor now"));
  CHECK(holds(text, "The monitor doubts itself: no reference answers"));
  CHECK(holds(text, "State cannot be saved, so no new move starts: disk full"));
  CHECK(holds(text, "Dry run: nothing is written anywhere"));
}

TEST_CASE("status: a move that runs is shown with its steps") {
  const std::string text = with(canned::kServices, R"("current_move":null)",
                                R"("current_move":)" + std::string(canned::kMoveRuns));
  const std::string shown_text = status_text(parsed(text), "im-api", kPlain);
  CHECK(holds(shown_text, "  now     failover of im-api: hz -> sh\n    prepare  done"));
  CHECK(holds(shown_text, "    fence    running  1.0 s  lease ends in 2.1 s\n"));
}

TEST_CASE("status: what comes from afar never steers the terminal") {
  const std::string hostile = with(canned::kServices, "hz serves;", R"(\u001b[2J\u009b31m\u202e)");
  for (const bool colour : {false, true}) {
    const std::string text = status_text(parsed(hostile), "im-api", Paint(colour));
    CHECK(!holds(text, "\x1b[2J"));
    CHECK(!holds(text, "\xc2\x9b"));
    CHECK(!holds(text, "\xe2\x80\xae"));
    CHECK(holds(text, "\\x1b[2J"));
  }
}

TEST_CASE("views live with answers that lack everything") {
  for (const char* text :
       {"null", "{}", "[]", R"({"services":[{}]})", R"({"services":[{"sites":[{}],
       "record":[{}],"current_move":{"steps":[{}]}}]})",
        R"({"history":[{},{"move":{}},3]})", R"({"gates":[{}]})",
        R"({"steps":[7,{"took_s":"x"}],"lost":3})"}) {
    const Json json = parsed(text);
    CHECK(!status_text(json, "", kPlain).empty());
    CHECK(!explain_text(json, kPlain).empty());
    CHECK(!history_text(json, kPlain).empty());
    CHECK(!dry_run_text(json, kPlain).empty());
    status_lines(json, "");
    move_text(json, 0, kPlain);
    outcome_text(json, kPlain);
    exit_of(json);
  }
}

TEST_CASE("explain: gates in a table, the shut ones named first") {
  CHECK(explain_text(parsed(canned::kExplain), kPlain) ==
        R"(im-api  would not move now: the gates held and replication are shut
  GATE         STATE  WHY
  mode         open   auto
  held         SHUT   held by root: kernel upgrade
  leader       open
  replication  SHUT   applier not running (stopped, 0.3 s ago)
)");
  const std::string would = with(canned::kExplain, R"("would_move":false)", R"("would_move":true)");
  CHECK(holds(explain_text(parsed(would), kPlain),
              "would move if the primary failed now: failover to sh, in about 3.9 s\n"));
}

TEST_CASE("history: oldest first, moves where they began") {
  CHECK(history_text(parsed(canned::kHistory), kPlain) ==
        "2026-11-22 03:04:01.000 UTC  (monitor)  operator pause done: kernel upgrade "
        "(by operator root via control socket)\n"
        "2026-11-22 03:04:02.000 UTC  failover of im-api: sh -> hz, done in 3.9 s: prepare 0.1 s, "
        "publish 3.0 s (failed); sh is down (m-1)\n"
        "2026-11-22 03:04:03.000 UTC  im-api  decision suspect: 2 failed probes (epoch 3)\n");
  CHECK(history_text(parsed("{}"), kPlain) == "nothing has happened yet\n");
}

TEST_CASE("what may be missing is one sentence") {
  const auto sentence = [](const std::string& lost) {
    return loss_sentence(parsed((R"({"lost":)" + lost + "}").c_str()));
  };
  CHECK(sentence("null").empty());
  CHECK(sentence(R"({"writes":3})").empty());
  CHECK(sentence(R"({"proved":true,"seconds":0,"transactions":0,"reason":"read at hz"})") ==
        "nothing acknowledged is missing (read at hz)");
  CHECK(sentence(R"({"proved":false,"seconds":0.8,"transactions":1,"reason":"mysql: read"})") ==
        "at most 1 transaction / 0.8 s of writes may be missing (mysql: read)");
  CHECK(sentence(R"({"proved":false,"seconds":4.2,"transactions":null,"reason":"hz is away"})") ==
        "at most 4.2 s of writes may be missing (hz is away)");
  CHECK(sentence(R"({"proved":false,"seconds":null,"transactions":null,"reason":""})") ==
        "what may be missing is not known");
  const std::string told = with(canned::kMoveDone, R"("lost":{"writes":3,"seconds":0.2})",
                                R"("lost":{"proved":true,"reason":"read at hz"})");
  CHECK(holds(outcome_text(parsed(told), kPlain),
              "  lost: nothing acknowledged is missing (read at hz)\n"));
}

TEST_CASE("a move: progress, outcome, exit code") {
  CHECK(move_text(parsed(canned::kMoveRuns), 3.9, kPlain) ==
        R"(    prepare  done     0.1 s  sh accepted
    fence    running  1.0 s  lease ends in 2.1 s
    promote  waiting
    elapsed 1.1 s of about 3.9 s
)");
  const Json done = parsed(canned::kMoveDone);
  CHECK(outcome_text(done, kPlain) == R"(Done in 3.9 s: sh is the primary of im-api.
  lost: writes 3, seconds 0.2
  +0.61 s  published at 192.0.2.53:53
)");
  CHECK(exit_of(done) == kExitDone);
  std::string partial = with(canned::kMoveDone, R"("outcome":"done")", R"("outcome":"partial")");
  partial = with(partial, R"("commands":[])", R"("commands":["nsupdate <<EOF"])");
  CHECK(exit_of(parsed(partial)) == kExitPartial);
  CHECK(holds(outcome_text(parsed(partial), kPlain),
              "Left for you to do, in this order:\n  nsupdate <<EOF\n"));
  const std::string failed =
      with(canned::kMoveDone, R"("outcome":"done")", R"("outcome":"failed")");
  CHECK(exit_of(parsed(failed)) == kExitFailed);
  const std::string voided =
      with(canned::kMoveDone, R"("outcome":"done")", R"("outcome":"voided")");
  CHECK(exit_of(parsed(voided)) == kExitFailed);
  CHECK(holds(outcome_text(parsed(voided), kPlain), "nothing was promoted"));
  CHECK(exit_of(parsed("{}")) == kExitPartial);
}

TEST_CASE("a dry run tells what would fail, or refuse") {
  std::string text = with(canned::kMoveDone, R"("outcome":"done")",
                          R"("outcome":"dry-run","expected_s":3.9,"refused_by":"fence","gates":[
                            {"name":"fence","open":false,"reason":"hz does not answer"}])");
  CHECK(holds(dry_run_text(parsed(text), kPlain),
              "About 3.9 s.\nIt would be refused by the gate fence: hz does not answer\n"));
  CHECK(exit_of_dry_run(parsed(text)) == kExitRefused);
  text = with(canned::kMoveDone, R"("state":"done","at_s":2.3)", R"("state":"failed")");
  CHECK(holds(dry_run_text(parsed(text), kPlain), "promote would fail: mysql, redis"));
  CHECK(exit_of_dry_run(parsed(text)) == kExitFailed);
  CHECK(exit_of_dry_run(parsed(canned::kMoveDone)) == kExitDone);
}

TEST_CASE("status: servers that do not answer, sites in trouble") {
  std::string text = with(canned::kServices, R"("agrees":false)",
                          R"("agrees":false,"answered":false,"problem":"timed out")");
  text = with(text, R"("lone":false)", R"("lone":false,"trouble":"mysql: access denied",
              "replication":{"problem":"applier stopped"})");
  const std::string told = status_text(parsed(text), "im-api", kPlain);
  CHECK(holds(told, "          192.0.2.54:53 does not answer: timed out\n"));
  CHECK(holds(told, "  hz: mysql: access denied\n  hz: applier stopped\n"));
}

TEST_CASE("status: where the virtual address is") {
  CHECK_FALSE(holds(status_text(parsed(canned::kServices), "im-api", kPlain), "  vip "));
  std::string text = with(canned::kServices, R"("lone":false)", R"("vip":"yields")");
  text = with(text, R"("lone":false)", R"("vip":"holds")");
  CHECK(holds(status_text(parsed(text), "im-api", kPlain), "  vip     held by sh\n"));
  text = with(text, "yields", "holds");
  CHECK(holds(status_text(parsed(text), "im-api", kPlain), "  vip     held by hz and sh\n"));
}

TEST_CASE("status: a planned move that is due, and one whose budget runs") {
  CHECK_FALSE(holds(status_text(parsed(canned::kServices), "im-api", kPlain), "  due "));
  const std::string due =
      with(canned::kServices, R"("current_move":null)",
           R"("appointment":{"kind":"switchover","to":"sh","at":"2026-11-28T03:30:00.000Z",
              "actor":"root"},"current_move":null)");
  CHECK(holds(status_text(parsed(due), "im-api", kPlain),
              "  due     switchover to sh at 2026-11-28 03:30:00 UTC, by root\n"));
  const std::string runs =
      with(canned::kMoveRuns, R"("took_s":1.1)", R"("took_s":1.1,"budget_left_s":28.6)");
  CHECK(holds(move_text(parsed(runs), 0, kPlain),
              "elapsed 1.1 s; undone in 29 s unless it can be promoted by then\n"));
}

TEST_CASE("a dry run shows each write, line by line, and claims nothing") {
  const std::string text = dry_run_text(parsed(canned::kMoveDone), kPlain);
  CHECK(holds(text, "Every read was real; nothing was written."));
  CHECK(holds(text,
              "promote: mysql, redis (1.2 s)\n  sh: STOP SLAVE\n  UPDATE example.test\n"
              "    add api.example.test 60 A 198.51.100.20\n"));
  CHECK(!holds(text, "is the primary"));
}

TEST_CASE("seconds, times and counts") {
  CHECK(shown_seconds(0.04) == "0.0 s");
  CHECK(shown_seconds(9.96) == "10 s");
  CHECK(shown_seconds(119) == "119 s");
  CHECK(shown_seconds(120) == "2 min");
  CHECK(shown_seconds(3600) == "1 h");
  CHECK(shown_seconds(86400 * 3 + 3600 * 4) == "3 d 4 h");
  CHECK(shown_seconds(-3) == "-3.0 s");
  CHECK(shown_seconds(1e300 * 1e300) == "?");
  CHECK(shown_time("2026-11-22T03:04:05.678Z") == "2026-11-22 03:04:05 UTC");
  CHECK(shown_time("soon") == "soon");
  CHECK(counted(1, "entry", "entries") == "1 entry");
  CHECK(listed({"a", "b", "c"}) == "a, b and c");
}

TEST_CASE("text is cut to a screen without counting colours or splitting letters") {
  CHECK(fitted("abcdef\nxy\nz", 3, 2) == "abc\nxy");
  CHECK(fitted("\x1b[31mabcdef\x1b[0m", 3, 9) == "\x1b[31mabc\x1b[0m");
  CHECK(fitted("h\xc3\xa4h\xc3\xa4", 2, 9) == "h\xc3\xa4");
  CHECK(fitted("\x1b", 3, 3) == "\x1b");
}

TEST_CASE("shown() is safe and changes nothing when applied twice") {
  for (const std::string text : {"a\\b", "\x1b[31m", "a\\\\b", "\\", "\xff\xfe", "line\nbreak"}) {
    CHECK(shown(shown(text)) == shown(text));
  }
  CHECK(shown("a\\b") == "a\\b");
}

}  // namespace
}  // namespace pointsman
