# Two real agents under a monitor by hand (agent_test.py).
find_program(PM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
add_test(NAME lab-agent
  COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/agent_test.py
          --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set_tests_properties(lab-agent PROPERTIES LABELS lab TIMEOUT 240 RESOURCE_LOCK laboratory)
