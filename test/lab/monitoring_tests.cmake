# Prometheus, Alertmanager and exporters for real, over the quick start's sites (monitoring_test.py).
find_program(PM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
add_test(NAME lab-monitoring
  COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/monitoring_test.py
          --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set_tests_properties(lab-monitoring PROPERTIES LABELS lab TIMEOUT 300)
