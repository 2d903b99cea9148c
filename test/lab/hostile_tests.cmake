# Hostile clients against every door, and captured orders sent again.
find_program(PM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
foreach(part bytes_and_framing slow_clients words certificates)
  add_test(NAME lab-hostile-${part}
    COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/hostile_test.py
            --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${part})
  set_tests_properties(lab-hostile-${part} PROPERTIES LABELS lab TIMEOUT 300
                       RESOURCE_LOCK laboratory)
endforeach()
add_test(NAME lab-hostile-replay
  COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/replay_test.py
          --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set_tests_properties(lab-hostile-replay PROPERTIES LABELS lab TIMEOUT 180 RESOURCE_LOCK laboratory)
