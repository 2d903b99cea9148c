#pragma once

#include <string>
#include <vector>

#include "orchestrator/cli/init_asked.h"
#include "orchestrator/cli/terminal.h"
#include "orchestrator/offline/first_setup.h"

namespace CLI {
class App;
}

// pointsman init: a short interview, or flags, that becomes a first configuration.

namespace pointsman {

// The flags of `init`, which fill `asked` when they are read.
void add_init_options(CLI::App& init, InitAsked& asked);

// One question; a flag answers it beforehand.
struct InitQuestion {
  const char* flag;    // Without "--".
  const char* type;    // What the help shows for its value.
  const char* about;   // For the help.
  const char* prompt;  // For a person.
  bool several;        // The flag may be given again; a person separates by commas.
  // Whether it need be asked, by what was answered before.
  bool (*due)(const FirstSetup&);
  // What an empty answer means; "" when there is no such thing.
  std::string (*usual)(const FirstSetup&);
  bool optional;  // "" is an answer.
  // Takes an answer; what is wrong with it, or "".
  std::string (*take)(FirstSetup&, const std::string& answer);
};
// In the order in which they are asked.
const std::vector<InitQuestion>& init_questions();

struct InitFailed {
  Exit exit = kExitDone;
  std::string text;
  std::string hint;
};

// Fills `setup` by flags alone; tells every flag that is missing or wrong at once.
InitFailed answer_by_flags(const InitAsked& asked, FirstSetup& setup);
// Asks what no flag has answered; an answer that is wrong is asked for again.
InitFailed answer_by_asking(const InitAsked& asked, FirstSetup& setup, const Terminal& terminal);

// Those of a file (`name = "text"`, TOML) or of standard input.
InitFailed read_secrets(const InitAsked& asked, FirstSetup& setup, const Terminal& terminal);
// Those that are needed and missing; typed without being shown.
InitFailed ask_secrets(FirstSetup& setup, const Terminal& terminal);

}  // namespace pointsman
