/* MPI says at run time what its header says, and calls itself as Cray's does. */
#include <mpi.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    int version, subversion, length;
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    MPI_Get_version(&version, &subversion);
    MPI_Get_library_version(text, &length);
    printf("ok MPI %d.%d, %.*s\n", version, subversion, (int)strcspn(text, "\n"), text);
    return version != MPI_VERSION || subversion != MPI_SUBVERSION || length != (int)strlen(text)
        || !strstr(text, "CRAY MPICH version ");
}
