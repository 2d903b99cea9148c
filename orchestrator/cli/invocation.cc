#include "orchestrator/cli/invocation.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/config_reader.h"
#include "base/utf8.h"
#include "orchestrator/cli/init.h"
#include "orchestrator/cli/terminal.h"

namespace pointsman {
namespace {

constexpr const char* kAbout =
    "pointsman: watches two sites and repoints DNS when the primary fails.\n"
    "This is the operator's command line, a client of the daemon pointsmand.";

constexpr const char* kExamples =
    "Examples:\n"
    "  pointsman status                         who is writable, by whose vouch, until when\n"
    "  pointsman status --watch                 the same, kept fresh\n"
    "  pointsman explain im-api                 every gate: would it move now, and if not, why\n"
    "  pointsman failover im-api --dry-run      what a failover would write, and nothing written\n"
    "  pointsman switchover im-api --to sh      a planned move: nothing is lost, or it is undone\n"
    "  pointsman failover im-api                show the plan, ask, move, follow\n"
    "  pointsman rejoin im-api hz               the site that failed becomes the standby\n"
    "  pointsman failback im-api --at 03:30     back to the preferred site, in the night\n"
    "  pointsman pause im-api --for 30m --reason \"kernel upgrade\"\n"
    "  pointsman history im-api --limit 20\n"
    "  pointsman check --config ./pointsman.toml\n"
    "\n"
    "Exit codes: 0 done; 1 failed; 2 usage or configuration; 3 daemon not reachable;\n"
    "4 refused by a gate; 5 partial.";

std::string duration_problem(const std::string& text) {
  return parse_duration(text) ? "" : "\"" + text + "\" is no duration such as 30s, 10m or 24h";
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// Shows an option by its argument and its default; the notes in upper case are left out.
class Formatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text;
    if (!option->get_type_name().empty()) text += " " + option->get_type_name();
    if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
    return text;
  }
};

// CLI11 keeps pointers to what it fills, so the reader lives as long as the parsing.
class Reader {
 public:
  Reader() : app_(kAbout, "pointsman") {
    const auto formatter = std::make_shared<Formatter>();  // As CLI11 wants it.
    formatter->column_width(30);
    formatter->label("SUBCOMMAND", "COMMAND");
    formatter->label("Subcommands", "Commands");
    formatter->label("Positionals", "Arguments");
    app_.formatter(formatter);
    app_.footer(kExamples);
    app_.set_version_flag("--version", "pointsman " PM_VERSION, "Show the version");
    app_.require_subcommand(1);
    common(app_);
    add_views();
    add_moves();
    add_holds();
    add_offline();
    add_simulate();
    add_render();
  }

  std::variant<Invocation, Printed> read(std::vector<std::string> arguments);

 private:
  void common(CLI::App& app) {
    app.set_help_flag("-h,--help", "Show this help");
    app.add_flag("--json", in_.json, "Print JSON, stable, for scripts");
    app.add_option("--control", in_.control, "The daemon's control socket")->type_name("PATH");
    app.add_option("--config", in_.config,
                   "Configuration that names the socket [/etc/pointsman/pointsman.toml]")
        ->type_name("FILE");
  }

  CLI::App& add(const std::string& name, const std::string& about) {
    CLI::App* command = app_.add_subcommand(name, about);
    common(*command);
    command->footer("");
    return *command;
  }

  void service(CLI::App& app, bool required) {
    app.add_option("SERVICE", in_.service, "The service, by its name in the configuration")
        ->required(required)
        ->type_name("");
  }

  void assertion(CLI::App& app) {
    auto* reason = app.add_option("--reason", in_.reason, "Why; kept in the journal");
    reason->type_name("TEXT");
    app.add_option("--assert-off", in_.assert_off,
                   "You know that SITE is off and stays off; stands in for its fence")
        ->type_name("SITE")
        ->needs(reason);
  }

  void forces(CLI::App& app) {
    app.add_option("--force", in_.force, "Override these gates; kept in the journal")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->type_name("GATE,...");
  }

  void carries_out(CLI::App& app) {
    app.add_flag("--dry-run", in_.dry_run, "Show every write of it; write nothing");
    app.add_flag("--yes", in_.yes, "Do not ask");
    app.add_option("--wait", wait_, "Follow the move for at most this long")
        ->type_name("DURATION")
        ->check(duration_problem)
        ->capture_default_str();
  }

  void add_views();
  void add_moves();
  void add_holds();
  void add_offline();
  void add_simulate();
  void add_render();
  std::string unknown_command(const std::vector<std::string>& arguments) const;

  CLI::App app_;
  Invocation in_;
  std::string wait_ = "10m";
};

void Reader::add_views() {
  auto& status = add("status", "Who is writable, by whose vouch, until when; sites, lag, record");
  service(status, false);
  status.add_flag("--watch", in_.watch, "Keep it fresh; without a terminal: print changes");
  // For shell completion, and in no help: what may stand there, a line each.
  auto& complete = add("complete", "");
  complete.group("");
  complete.add_option("KIND", in_.site)->required();
  service(complete, false);
  service(add("explain", "Every gate: would it move now, why not, how long would it take"), true);
  auto& history = add("history", "Moves and decisions, with reasons and times, oldest first");
  service(history, false);
  history.add_option("--limit", in_.limit, "The last N decisions, and the last N moves")
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  history.add_flag("--verify", in_.verify, "Check the hash chain of the whole journal");
}

void Reader::add_moves() {
  auto& failover = add("failover", "Move to the standby now: plan, confirmation, live progress");
  service(failover, true);
  failover.add_option("--to", in_.site, "The site to move to [the standby]")->type_name("SITE");
  forces(failover);
  assertion(failover);
  carries_out(failover);
  auto& switchover = add("switchover", "A planned move: nothing is lost, or nothing moves");
  service(switchover, true);
  switchover.add_option("--to", in_.site, "The site to move to")->type_name("SITE")->required();
  switchover.add_option("--at", in_.at, "Begin then: HH:MM of this host, or RFC 3339 [now]")
      ->type_name("TIME");
  switchover.add_option("--reason", in_.reason, "Why; kept in the journal")->type_name("TEXT");
  forces(switchover);
  carries_out(switchover);
  auto& failback = add("failback", "Back to the preferred site, planned: nothing is lost");
  service(failback, true);
  failback.add_option("--at", in_.at, "Begin then: HH:MM of this host, or RFC 3339 [now]")
      ->type_name("TIME");
  failback.add_option("--reason", in_.reason, "Why; kept in the journal")->type_name("TEXT");
  carries_out(failback);
  auto& rejoin = add("rejoin", "A site that lost power becomes a standby again");
  service(rejoin, true);
  rejoin.add_option("SITE", in_.site, "The site that comes back")->required()->type_name("");
  rejoin.add_flag("--discard-divergent", in_.discard_divergent,
                  "Give up what only SITE holds, and copy the other site's stores there");
  rejoin.add_option("--reason", in_.reason, "Why; kept in the journal")->type_name("TEXT");
  carries_out(rejoin);
  auto& adopt = add("adopt", "Say who is in power: first run, or restored state");
  service(adopt, true);
  adopt.add_option("--primary", in_.site, "The site that is in power")
      ->type_name("SITE")
      ->required();
  assertion(adopt);
  auto& cancel = add("cancel", "Undo a move that has not promoted, or call off one that is due");
  service(cancel, true);
  assertion(cancel);  // Of the new site, once its promotion may have left.
}

void Reader::add_holds() {
  auto& pause = add("pause", "Forbid automatic moves; probing and vouching go on");
  service(pause, false);
  pause.add_flag("--all", in_.all, "Every service");
  pause.add_option("--for", in_.hold_for, "End it by itself after this long [until resumed]")
      ->type_name("DURATION")
      ->check(duration_problem);
  pause.add_option("--reason", in_.reason, "Why; shown in status")->type_name("TEXT");
  auto& resume = add("resume", "Allow automatic moves again");
  service(resume, false);
  resume.add_flag("--all", in_.all, "Every service");
  service(add("ack", "Re-arm after a move, or after the ceiling of moves a day"), true);
}

void Reader::add_offline() {
  auto& first = add("init", "A first configuration, by a few questions or by flags");
  first.footer(
      "Without a terminal all is told by flags; what was not told is named. Secrets come from a "
      "file,\nfrom standard input, or are typed or drawn; never from the command line:\n"
      "\n"
      "  pointsman init --record api.example.com --site hz=192.0.2.10 --site sh=198.51.100.20 \\\n"
      "      --probe http://{address}:8080/health --store mysql --provider rfc2136 "
      "--server 192.0.2.53");
  first.add_option("--dir", in_.dir, "Where it is written [/etc/pointsman]")->type_name("DIR");
  add_init_options(first, in_.init);
  auto& check = add("check", "Check the configuration: every error at once, and the worst case");
  check.add_flag("--online", in_.online,
                 "Also ask providers, name servers, agents and channels of notices");
  auto& notify = add("notify", "Notices: whether the messages for people arrive");
  notify.require_subcommand(1);
  auto* test = notify.add_subcommand("test", "Send a test through every channel, or through one");
  common(*test);
  test->add_option("NAME", in_.site, "The channel, by its name in the configuration")
      ->type_name("");
  test->add_flag("--dry-run", in_.dry_run, "Show what would be sent; send nothing");
  auto& certs = add("certs", "A private CA and the identities of monitors and agents");
  certs.require_subcommand(1);
  auto* init = certs.add_subcommand("init", "Make the CA");
  auto* issue = certs.add_subcommand("issue", "Make a key and a certificate for each name");
  issue->add_option("NAME", in_.names, "A site's name, or a monitor's")->required()->type_name("");
  issue->add_flag("--renew", in_.renew, "Also for names that have one: new certificate, same key");
  for (auto* command : {init, issue}) {
    common(*command);
    command->add_option("--dir", in_.dir, "Where they are kept [.]")->type_name("DIR");
  }
}

void Reader::add_simulate() {
  auto& simulate = add("simulate", "What would happen, second by second, with your configuration");
  simulate.footer(
      "PLACE is a site, monitor, dns, references or clients; a kill may name SITE/app, SITE/store\n"
      "or SITE/agent, monitor or dns; a freeze SITE/store, SITE/agent or monitor. WHEN and FOR "
      "are\n"
      "durations; without FOR it lasts.\n"
      "\n"
      "  pointsman simulate --kill site-a@5s\n"
      "  pointsman simulate --cut site-a:monitor@5s+30s --kill monitor@20s");
  // Each is handed on as it is; what is wrong with a value is said where it is read.
  const auto pass = [&](const std::string& name, const std::string& about,
                        const std::string& type) {
    simulate
        .add_option_function<std::vector<std::string>>(
            name,
            [this, name](const std::vector<std::string>& values) {
              for (const std::string& value : values) {
                in_.question.insert(in_.question.end(), {name, value});
              }
            },
            about)
        ->allow_extra_args(false)
        ->type_name(type);
  };
  pass("--kill", "This dies then; may be given again, as the next two", "PLACE@WHEN[+FOR]");
  pass("--freeze", "This stops and, after FOR, goes on", "PLACE@WHEN[+FOR]");
  pass("--cut", "No message passes between these, or from and to this", "PLACE[:PLACE]@WHEN[+FOR]");
  pass("--service", "Only this one [all]", "NAME");
  pass("--primary", "In power at first [the preferred site]", "SITE");
  pass("--runs", "How many, each with other phases, delays and clocks [100]", "N");
  pass("--seed", "The first of them, whose story is told [1]", "N");
  pass("--length", "Of each run [60s]", "DURATION");
  pass("--delay", "One way between two hosts, at most [10ms]", "DURATION");
  simulate.add_flag_callback(
      "--no-deadman", [this] { in_.question.emplace_back("--no-deadman"); },
      "The agents' dead-man switch is not armed");
}

void Reader::add_render() {
  auto& render = add("render", "Configurations of other programs, made from ours");
  render.require_subcommand(1);
  auto* keepalived =
      render.add_subcommand("keepalived", "A pair, one a site, checked with keepalived -t");
  common(*keepalived);
  service(*keepalived, true);
  keepalived->add_option("--dir", in_.dir, "Where SERVICE-SITE.conf are written [.]")
      ->type_name("DIR");
  auto* prometheus =
      render.add_subcommand("prometheus", "Whom Prometheus asks: the estate's addresses");
  common(*prometheus);
  service(*prometheus, false);
  prometheus->add_option("--dir", in_.dir, "Where JOB.json are written [.]")->type_name("DIR");
  prometheus
      ->add_option("--jobs", in_.jobs,
                   "Exporters of the sites: node, mysql, redis, minio [node,mysql,redis]")
      ->delimiter(',')
      ->type_name("JOB,...");
}

// "there is no command "stauts"; did you mean "status"?", or "" when the command is known.
std::string Reader::unknown_command(const std::vector<std::string>& arguments) const {
  std::vector<std::string> known;
  for (const auto* command : app_.get_subcommands(nullptr)) known.push_back(command->get_name());
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--control" || word == "--config") {
      ++i;  // Its value.
    } else if (!word.empty() && word[0] != '-') {
      if (std::find(known.begin(), known.end(), word) != known.end()) return "";
      const std::string near = nearest_word(word, known);
      return fmt::format("there is no command \"{}\"{}", word,
                         near.empty() ? "" : "; did you mean \"" + near + "\"?");
    }
  }
  return "no command given";
}

std::variant<Invocation, Printed> Reader::read(std::vector<std::string> arguments) {
  for (const std::string& argument : arguments) {
    if (is_utf8(argument)) continue;
    return Printed{2, fmt::format("pointsman: \"{}\" is not UTF-8\n", shown(argument))};
  }
  const std::vector<std::string> typed = arguments;
  std::reverse(arguments.begin(), arguments.end());  // As CLI11 wants them.
  try {
    app_.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return Printed{0, app_.help()};
  } catch (const CLI::CallForVersion&) {
    return Printed{0, "pointsman " PM_VERSION "\n"};
  } catch (const CLI::ParseError& error) {
    std::string text = error.what();
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const std::string unknown = unknown_command(typed);
    if (!unknown.empty()) text = unknown;
    const auto chosen = app_.get_subcommands();
    return Printed{2, fmt::format("pointsman: {}\n  try: pointsman {}--help\n", shown(text),
                                  chosen.empty() ? "" : chosen.front()->get_name() + " ")};
  }
  const CLI::App* command = app_.get_subcommands().front();
  in_.command = command->get_name();
  const auto below = command->get_subcommands();
  if (!below.empty()) in_.command += " " + below.front()->get_name();
  in_.wait = parse_duration(wait_).value_or(10min);
  const bool may_be_all = in_.command == "pause" || in_.command == "resume";
  if (may_be_all && in_.all == !in_.service.empty()) {
    return Printed{2, fmt::format("pointsman: {}: name one SERVICE, or give --all\n", in_.command)};
  }
  return in_;
}

}  // namespace

std::variant<Invocation, Printed> read_arguments(std::vector<std::string> arguments) {
  Reader reader;
  return reader.read(std::move(arguments));
}

}  // namespace pointsman
