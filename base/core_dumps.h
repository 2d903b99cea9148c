#pragma once

// Memory of ours holds secrets: of providers, stores and people. It shall not be left in a file.

namespace pointsman {

// No core file, and nothing for a crash handler that core files are piped to: RLIMIT_CORE is 0 here
// and in what we start, and the process is not dumpable (which also keeps other processes of the
// same user from reading its memory and environment). Once, at the start of main(). A build with
// AddressSanitizer stays dumpable, because its leak check reads memory from outside.
void forbid_core_dumps();

}  // namespace pointsman
