#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "orchestrator/cli/init_asked.h"

// What was typed. Reading the command line is done here and nowhere else.

namespace pointsman {

struct Invocation {
  std::string command;  // "status", "certs issue", ...
  // Of every command.
  bool json = false;
  std::string control;  // "" unless given.
  std::string config;   // "" unless given.
  std::string service;  // "" for all, where that is allowed.
  std::string site;     // --to, --primary, the SITE of rejoin; of notify test: the channel
  bool all = false;     // pause, resume
  std::vector<std::string> force;
  std::string assert_off;
  std::string reason;
  std::string at;                  // As written; "" for now.
  std::string hold_for;            // As written; "" until resumed.
  bool discard_divergent = false;  // rejoin
  bool dry_run = false;
  bool yes = false;
  bool watch = false;
  bool verify = false;
  bool online = false;
  int limit = 50;
  Duration wait = 10min;  // How long to follow a move.
  std::string dir;        // certs, render, init
  std::vector<std::string> names;
  std::vector<std::string> jobs;  // render prometheus: of the sites; empty: the usual ones.
  bool renew = false;
  InitAsked init;
  std::vector<std::string> question;  // simulate: for pointsman-sim, as it reads it.
};

// Nothing to do but print `text` and end with `exit`: help, version, or a mistake.
struct Printed {
  int exit = 0;
  std::string text;
};

// `arguments` without the program's name.
std::variant<Invocation, Printed> read_arguments(std::vector<std::string> arguments);

}  // namespace pointsman
