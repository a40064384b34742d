# One folder of the server, or of common/, as a static library muster_<name>:
#   muster_library(NAME LINKS library… SOURCES file…)
# Tests build some of them once more with other definitions: MUSTER_<NAME>_SOURCES has the paths.
function(muster_library name)
    cmake_parse_arguments(given "" "" "LINKS;SOURCES" ${ARGN})
    string(TOUPPER ${name} upper)
    list(TRANSFORM given_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE paths)
    set(MUSTER_${upper}_SOURCES ${paths} CACHE INTERNAL "The sources of muster_${name}")
    add_library(muster_${name} STATIC ${paths})
    target_include_directories(muster_${name} PUBLIC
        ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/server ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(muster_${name} PRIVATE muster_warnings PUBLIC ${given_LINKS})
endfunction()
