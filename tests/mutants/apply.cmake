# Passes only if every patch applies to the sources.
#   cmake -DPATCH_PROGRAM=… -DSOURCE=… -DPATCHES=… -P apply.cmake
file(GLOB patches ${PATCHES}/*.patch)
if(patches STREQUAL "")
    message(FATAL_ERROR "no patches in ${PATCHES}")
endif()
set(failed 0)
foreach(patch IN LISTS patches)
    execute_process(COMMAND ${PATCH_PROGRAM} --batch --forward --dry-run -p1 -i ${patch} WORKING_DIRECTORY ${SOURCE}
                    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        math(EXPR failed "${failed} + 1")
        message(SEND_ERROR "${patch} does not apply:\n${output}")
    endif()
endforeach()
list(LENGTH patches count)
message(STATUS "${count} patches, ${failed} of which do not apply")
