# The laboratory of two sites (lab.py) and the failovers in it (failover_test.py).
set(pm_lab_parts net.cc stores.cc)
list(TRANSFORM pm_lab_parts PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
add_library(pm_lab STATIC ${pm_lab_parts})
target_link_libraries(pm_lab PUBLIC PkgConfig::MARIADB PkgConfig::HIREDIS Threads::Threads)
foreach(name app client)
  add_executable(lab-${name} ${CMAKE_CURRENT_LIST_DIR}/${name}.cc)
  target_link_libraries(lab-${name} PRIVATE pm_lab)
endforeach()
