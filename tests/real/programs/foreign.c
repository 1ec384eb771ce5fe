/* SPDX-License-Identifier: GPL-2.0-only */
/* Ranks, a sum over them, and whose MPI it is: functions of MPI 3.1 alone. */
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    int rank, size, length, sum;
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Get_library_version(version, &length);
    printf("rank %d of %d, sum %d\n%.60s\n", rank, size, sum, version);
    MPI_Finalize();
    return 0;
}
