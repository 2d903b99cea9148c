#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#ifdef __SANITIZE_THREAD__
// The distribution's cpp-httplib is not instrumented, so the guards of its static tables are unseen
// and every later reader of one looks like a race with the thread that filled it.
extern "C" const char* __tsan_default_suppressions() {  // NOLINT: the sanitizer's name.
  return "called_from_lib:libcpp-httplib.so\n";
}
#endif
