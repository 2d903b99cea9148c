# The vendor's client against our fake, from the npm registry.
add_executable(fake-aliyun ${CMAKE_CURRENT_LIST_DIR}/../support/fake_aliyun_main.cc)
target_link_libraries(fake-aliyun PRIVATE pm_fake_aliyun)
add_test(NAME aliyun-sdk COMMAND ${CMAKE_CURRENT_LIST_DIR}/aliyun_sdk_test.sh
                                 $<TARGET_FILE:fake-aliyun>)
set_tests_properties(aliyun-sdk PROPERTIES LABELS long TIMEOUT 330 SKIP_RETURN_CODE 77)
