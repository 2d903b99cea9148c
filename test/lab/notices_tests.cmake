# Notices (notices_test.py): a real daemon on loopback, a real mail server, a real Alertmanager.
add_test(NAME lab-notices
  COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/notices_test.py
          --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set_tests_properties(lab-notices PROPERTIES LABELS lab TIMEOUT 300)
