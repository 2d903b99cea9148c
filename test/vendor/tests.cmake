# Tests against mock servers made from vendors' own files; they fetch the mock, so they are long.
add_executable(cloudflare-contract vendor/cloudflare_contract_test.cc)
target_link_libraries(cloudflare-contract PRIVATE pm_test_main pm_providers)
add_dependencies(units cloudflare-contract)
add_test(NAME vendor-cloudflare COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/vendor/cloudflare_contract.py
         $<TARGET_FILE:cloudflare-contract> ${CMAKE_BINARY_DIR}/prism)
set_tests_properties(vendor-cloudflare PROPERTIES LABELS long TIMEOUT 400 SKIP_RETURN_CODE 77)
