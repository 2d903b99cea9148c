# `pointsman init` on a terminal and by flags (init_test.py); a few seconds, no root.
find_program(PM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
add_test(NAME init
  COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/init_test.py
          --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set_tests_properties(init PROPERTIES LABELS lab TIMEOUT 120)
