# Finds hwloc, for the build and for the projects that use the installed library: objpool::hwloc.
find_library(HWLOC_LIBRARY hwloc)
find_path(HWLOC_INCLUDE_DIR hwloc.h)
mark_as_advanced(HWLOC_LIBRARY HWLOC_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Hwloc REQUIRED_VARS HWLOC_LIBRARY HWLOC_INCLUDE_DIR)

if(Hwloc_FOUND AND NOT TARGET objpool::hwloc)
  add_library(objpool::hwloc UNKNOWN IMPORTED)
  set_target_properties(objpool::hwloc PROPERTIES
    IMPORTED_LOCATION ${HWLOC_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${HWLOC_INCLUDE_DIR})
endif()
