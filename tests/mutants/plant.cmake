# Copies files and patches the copies; where the patch does not apply, the copies are as the files are.
#   cmake -DPATCH_PROGRAM=… -DSOURCE=… -DCOPY=… -DPATCH=… -DFILES=… -P plant.cmake
function(copy_all)
    foreach(path IN LISTS FILES)
        cmake_path(GET path PARENT_PATH folder)
        file(COPY ${SOURCE}/${path} DESTINATION ${COPY}/${folder})
        file(TOUCH ${COPY}/${path})
    endforeach()
endfunction()

file(REMOVE_RECURSE ${COPY})
copy_all()
execute_process(COMMAND ${PATCH_PROGRAM} --batch --forward --silent -p1 -i ${PATCH} WORKING_DIRECTORY ${COPY}
                OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(WARNING "${PATCH} does not apply, so nothing is planted:\n${output}")
    file(REMOVE_RECURSE ${COPY})
    copy_all()
endif()
