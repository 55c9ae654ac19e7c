# Compresses what Debian wants compressed, in the folder that becomes the package. Without names
# and times, which differ from build to build.
execute_process(
  COMMAND gzip -9 --no-name --force share/man/man1/objpoolctl.1 share/man/man8/objpoold.8
          share/doc/objpool/changelog share/doc/objpool/NEWS
  WORKING_DIRECTORY ${CPACK_TEMPORARY_DIRECTORY}/ALL_COMPONENTS_IN_ONE/usr
  COMMAND_ERROR_IS_FATAL ANY)
