# Tests that need real servers. Each part is a file of its own; all its tests carry the label `lab`.
file(GLOB parts CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_tests.cmake)
foreach(part ${parts})
  include(${part})
endforeach()
