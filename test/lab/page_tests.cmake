# The page in a real Chromium (page_test.py); skipped, loudly, where there is none.
find_program(PM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
function(pm_page name label)
  add_test(NAME lab-page${name}
    COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/page_test.py
            --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${ARGN})
  set_tests_properties(lab-page${name} PROPERTIES LABELS ${label} TIMEOUT 300
                       SKIP_RETURN_CODE 77)
endfunction()
pm_page("" lab login viewer operator words_of_others keyboard attacks api switchover)
pm_page(-all long --shots ${CMAKE_BINARY_DIR}/lab-page)
